package transit_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// engine is a Transit engine whose administrator the suite is.
type engine struct {
	address, token, mount string
	makeKey               func(t *testing.T, options map[string]any) string
	rotate                func(t *testing.T, name string)
	minDecrypt            func(t *testing.T, name string, version int)
}

// engines are the double, always, and a real server where one is given (CHANCERY_TEST_VAULT_ADDR, CHANCERY_TEST_VAULT_TOKEN).
func engines(t *testing.T) map[string]engine {
	t.Helper()
	double := transittest.Start(t)
	all := map[string]engine{"double": {
		address: double.URL, token: transittest.RootToken, mount: "transit",
		makeKey: func(_ *testing.T, options map[string]any) string {
			name := strings.ToLower(rand.Text())
			derived, _ := options["derived"].(bool)
			exportable, _ := options["exportable"].(bool)
			double.AddKey(name, derived, exportable)
			return name
		},
		rotate:     func(_ *testing.T, name string) { double.Rotate(name, 1) },
		minDecrypt: func(_ *testing.T, name string, version int) { double.MinDecrypt(name, version) },
	}}
	address, token := os.Getenv("CHANCERY_TEST_VAULT_ADDR"), os.Getenv("CHANCERY_TEST_VAULT_TOKEN")
	if address == "" {
		return all
	}
	settings := api.DefaultConfig()
	settings.Address = address
	admin, err := api.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	admin.SetToken(token)
	do := func(t *testing.T, path string, body map[string]any) {
		t.Helper()
		if _, err := admin.Logical().WriteWithContext(t.Context(), path, body); err != nil {
			t.Fatal(err)
		}
	}
	mount := "transit-" + strings.ToLower(rand.Text())
	do(t, "sys/mounts/"+mount, map[string]any{"type": "transit"})
	all["real"] = engine{
		address: address, token: token, mount: mount,
		makeKey: func(t *testing.T, options map[string]any) string {
			name := strings.ToLower(rand.Text())
			do(t, mount+"/keys/"+name, options)
			return name
		},
		rotate: func(t *testing.T, name string) { do(t, mount+"/keys/"+name+"/rotate", map[string]any{}) },
		minDecrypt: func(t *testing.T, name string, version int) {
			do(t, mount+"/keys/"+name+"/config", map[string]any{"min_decryption_version": version})
		},
	}
	return all
}

func (e engine) client(t *testing.T, key string) *transit.Client {
	t.Helper()
	c, err := transit.New(transit.Config{
		Address: e.address, Mount: e.mount, Key: key, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Auth: transit.TokenAuth{Token: func() (string, error) { return e.token, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var (
	derived = map[string]any{"derived": true}
	place   = vault.AAD{Tenant: "ten_1", Table: "connections", UID: "con_1", Column: "credential"}
	content = []byte("a refresh token of somebody")
)

// TestContract is what we rely on, of Vault and of its double.
func TestContract(t *testing.T) {
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("seals and opens", func(t *testing.T) { sealsAndOpens(t, e) })
			t.Run("opens in its place only", func(t *testing.T) { opensInItsPlaceOnly(t, e) })
			t.Run("refuses what was altered", func(t *testing.T) { refusesWhatWasAltered(t, e) })
			t.Run("rotates and rewraps", func(t *testing.T) { rotatesAndRewraps(t, e) })
			t.Run("says which keys it uses", func(t *testing.T) { refusesKeys(t, e) })
			t.Run("refuses another token", func(t *testing.T) {
				e.token = "hvs.nobody"
				_, err := e.client(t, e.makeKey(t, derived)).Seal(t.Context(), content, place)
				wantOutage(t, err, transit.Denied)
			})
		})
	}
}

func sealsAndOpens(t *testing.T, e engine) {
	c := e.client(t, e.makeKey(t, derived))
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := mustSeal(t, c, content)
	second := mustSeal(t, c, content)
	if bytes.Equal(first, second) || bytes.Contains(first, content) {
		t.Error("equal secrets look equal, or are not hidden")
	}
	for _, blob := range [][]byte{first, second} {
		if got, err := c.Open(t.Context(), blob, place); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%q %v", got, err)
		}
	}
	b, err := vault.Parse(first)
	if err != nil || b.KeyID != "transit:v1" || b.Scheme != vault.WrappedKey {
		t.Errorf("%+v %v", b, err)
	}
}

func opensInItsPlaceOnly(t *testing.T, e engine) {
	c := e.client(t, e.makeKey(t, derived))
	blob := mustSeal(t, c, content)
	for name, other := range map[string]vault.AAD{
		"tenant": {Tenant: "ten_2", Table: place.Table, UID: place.UID, Column: place.Column},
		"table":  {Tenant: place.Tenant, Table: "others", UID: place.UID, Column: place.Column},
		"row":    {Tenant: place.Tenant, Table: place.Table, UID: "con_2", Column: place.Column},
		"column": {Tenant: place.Tenant, Table: place.Table, UID: place.UID, Column: "next"},
	} {
		if _, err := c.Open(t.Context(), blob, other); !errors.Is(err, vault.ErrUnopened) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, err := c.Open(t.Context(), blob, vault.AAD{}); err == nil {
		t.Error("opened in no place")
	}
}

func refusesWhatWasAltered(t *testing.T, e engine) {
	c := e.client(t, e.makeKey(t, derived))
	blob := mustSeal(t, c, content)
	for i := range blob {
		altered := bytes.Clone(blob)
		altered[i] ^= 1
		if got, err := c.Open(t.Context(), altered, place); err == nil && i >= len("CHS0")+2+len("transit:v1") {
			t.Fatalf("byte %d of %d changed, and it opens: %q", i, len(blob), got)
		}
	}
	other := e.client(t, e.makeKey(t, derived))
	if _, err := other.Open(t.Context(), blob, place); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("under another key: %v", err)
	}
}

func rotatesAndRewraps(t *testing.T, e engine) {
	key := e.makeKey(t, derived)
	c := e.client(t, key)
	old := mustSeal(t, c, content)
	e.rotate(t, key)
	fresh := mustSeal(t, c, content)
	if b, err := vault.Parse(fresh); err != nil || b.KeyID != "transit:v2" {
		t.Errorf("%+v %v", b, err)
	}
	if k, err := c.Check(t.Context()); err != nil || k.Latest != 2 || k.MinDecrypt != 1 {
		t.Errorf("%+v %v", k, err)
	}
	elsewhere := place
	elsewhere.UID = "con_other"
	done, err := c.Rewrap(t.Context(), []vault.Stood{{Blob: old, Place: place}, {Blob: fresh, Place: place}})
	if err != nil || done[0].Err != nil || done[1].Err != nil {
		t.Fatal(done, err)
	}
	e.minDecrypt(t, key, 2)
	if _, err := c.Open(t.Context(), old, place); !errors.Is(err, transit.ErrVersion) {
		t.Errorf("an older version: %v", err)
	}
	if got, err := c.Open(t.Context(), done[0].Blob, place); err != nil || !bytes.Equal(got, content) {
		t.Errorf("rewrapped: %q %v", got, err)
	}
	// One that does not belong where it stands must not keep the others from being rewrapped.
	done, err = c.Rewrap(t.Context(), []vault.Stood{{Blob: fresh, Place: elsewhere}, {Blob: fresh, Place: place}})
	if err != nil || done[0].Err == nil || done[1].Err != nil {
		t.Errorf("%+v %v", done, err)
	}
}

func refusesKeys(t *testing.T, e engine) {
	if _, err := e.client(t, e.makeKey(t, derived)).Check(t.Context()); err != nil {
		t.Errorf("a good key: %v", err)
	}
	for name, options := range map[string]map[string]any{"not derived": {}, "exportable": {"derived": true, "exportable": true}} {
		if _, err := e.client(t, e.makeKey(t, options)).Check(t.Context()); !errors.Is(err, transit.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := e.client(t, "nothing-here").Check(t.Context()); !errors.Is(err, transit.ErrKey) {
		t.Errorf("no such key: %v", err)
	}
}

func mustSeal(t *testing.T, c *transit.Client, plaintext []byte) []byte {
	t.Helper()
	blob, err := c.Seal(t.Context(), plaintext, place)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func wantOutage(t *testing.T, err error, kind transit.Kind) {
	t.Helper()
	outage, ok := errors.AsType[*transit.Outage](err)
	if !ok || outage.Kind != kind {
		t.Errorf("%v, expected an outage of kind %s", err, kind)
	}
	for _, secret := range []string{string(content), transittest.RootToken, "hvs."} {
		if strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("%v tells a secret", err)
		}
	}
}
