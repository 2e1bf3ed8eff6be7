package snapshot_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// From the text that people write to the client that a real platform's token
// becomes: the preset's picture verifies the token as the product sends it, and one
// rule fits. With any of the claims that the rule names changed, none does.
func TestPresetsFromTextToWorkload(t *testing.T) {
	files, err := filepath.Glob("../object/testdata/presets/*.claims.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	now := func() time.Time { return time.Unix(1_800_000_010, 0) }
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".claims.json")
		t.Run(name, func(t *testing.T) {
			_, source := snapshottest.New(t, publicURL, now, read(t, strings.TrimSuffix(file, ".claims.json")+".yaml"))
			picture := get(t, &replica{Source: source}, tenant.DefaultName)
			entry := *picture.Registry.All()[0]
			idp, err := idptest.New(idptest.Options{Issuer: "https://signer.example.com", Now: now, Algorithm: entry.Assertions.Algorithms[0]})
			if err != nil {
				t.Fatal(err)
			}
			entry.Keys = jwks.Source{Inline: idp.Keys()}
			registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
			if err != nil {
				t.Fatal(err)
			}
			verifier := assertion.Verifier{Keys: jwks.NewCache(fetch.New(fetch.Policy{Mode: "deny"}), now), Now: now}
			verify := func(claims map[string]any) (*assertion.Verified, error) {
				compact, err := idp.Sign(map[string]any{"typ": "JWT"}, claims)
				if err != nil {
					t.Fatal(err)
				}
				return verifier.Verify(t.Context(), registry, picture.UID.String(), assertion.Request{
					Compact: compact, Issuer: publicURL, TokenEndpoint: publicURL + "/token", TenantName: picture.Name, TenantUID: picture.UID.String(),
				})
			}
			claims := func() map[string]any {
				var c map[string]any
				d := json.NewDecoder(strings.NewReader(read(t, file)))
				d.UseNumber()
				if err := d.Decode(&c); err != nil {
					t.Fatal(err)
				}
				return c
			}
			verified, err := verify(claims())
			if err != nil {
				t.Fatal(err)
			}
			rules := picture.Workloads[entry.UID]
			found := federation.MatchWorkloads(rules, entry.UID, verified.Claim)
			if len(found) != 1 || found[0].ClientName != "build" || found[0].Name != "build" {
				t.Fatalf("%d rules fit: %v", len(found), found)
			}
			for _, rule := range rules[0].Match {
				c := claims()
				change(t, c, rule.Path)
				other, err := verify(c)
				if err != nil {
					continue // not even a token of the issuer's
				}
				if fits := federation.MatchWorkloads(rules, entry.UID, other.Claim); len(fits) > 0 {
					t.Errorf("%s is another, and the rule fits", rule)
				}
			}
			if elsewhere := federation.MatchWorkloads(rules, "idp_other", verified.Claim); len(elsewhere) > 0 {
				t.Error("the rule fits another issuer's tokens")
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// change makes one claim, at its path, another.
func change(t *testing.T, claims map[string]any, path []string) {
	t.Helper()
	for _, name := range path[:len(path)-1] {
		inner, ok := claims[name].(map[string]any)
		if !ok {
			t.Fatalf("no %s", name)
		}
		claims = inner
	}
	last := path[len(path)-1]
	if _, ok := claims[last]; !ok {
		t.Fatalf("the product's token has no %s", last)
	}
	claims[last] = "another"
}

// Whatever profiles an entry of a preset lists, what the preset fills in makes a registry.
func TestPresetsMakeARegistry(t *testing.T) {
	issuers := map[string]string{
		"entra": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "google": "https://accounts.google.com",
		"spiffe": "spiffe://acme.example",
	}
	for _, preset := range object.Presets() {
		for _, profiles := range []string{"", "id-jag", "jwt-bearer", "workload", `id-jag","jwt-bearer`, `id-jag","workload`} {
			issuer := cmp.Or(issuers[preset], "https://idp.example.com/realms/acme")
			entry, err := snapshot.IdentityProviderOf(object.Stored{
				UID: "idp_1", Kind: object.KindIdentityProvider, Name: preset,
				Spec: fmt.Appendf(nil, `{"preset":%q,"issuer":%q,"assertions":{"profiles":["%s"]}}`, preset, issuer, profiles),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := federation.NewRegistry([]federation.IdentityProvider{entry}); err != nil {
				t.Errorf("%s [%s]: %v", preset, profiles, err)
			}
			a := entry.Assertions
			if a.MaxLifetime <= 0 || a.ClockSkew <= 0 || len(a.Algorithms) == 0 || a.Reuse == "" || len(entry.Subject.Match) == 0 {
				t.Errorf("%s [%s]: a bound is empty: %+v", preset, profiles, a)
			}
			if strings.Contains(profiles, "id-jag") && (a.MaxLifetime != 5*time.Minute || a.Reuse != federation.ReuseSingle) {
				t.Errorf("%s [%s]: an ID-JAG lives %s, %s", preset, profiles, a.MaxLifetime, a.Reuse)
			}
			if len(a.Clients)+len(a.Resources)+len(a.Scopes)+len(a.Audiences) > 0 {
				t.Errorf("%s: a default allows something: %+v", preset, a)
			}
		}
	}
}
