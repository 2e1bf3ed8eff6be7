package provider_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// Only a provider's own word, or its silence with status 200, is an end.
func TestRevoke(t *testing.T) {
	const gone = provider.Outcome("") // success
	for name, test := range map[string]struct {
		manifest string
		fault    providertest.Fault
		want     provider.Outcome
	}{
		"done":                               {"oauth2", status(200, map[string]any{}), gone},
		"not known any more":                 {"github", status(404, map[string]any{"message": "Not Found"}), gone},
		"dead already":                       {"oauth2", status(400, said("invalid_grant")), gone},
		"dead already, shown as itself":      {"slack", status(200, map[string]any{"ok": false, "error": "token_revoked"}), gone},
		"refused as itself":                  {"linear", status(401, map[string]any{"error": "who"}), gone},
		"a page that is not there":           {"github", status(404, nil), provider.Transient},
		"a page instead":                     {"oauth2", providertest.Fault{Kind: "html"}, provider.Transient},
		"refused with status 200":            {"slack", status(200, map[string]any{"ok": false, "error": "internal_error"}), provider.Transient},
		"a client that is not known":         {"oauth2", status(401, said("invalid_client")), provider.Misconfigured},
		"in a word that nobody listed":       {"oauth2", status(400, said("canary-word")), provider.Misconfigured},
		"too fast":                           {"oauth2", status(429, nil), provider.RateLimited},
		"failed":                             {"oauth2", status(500, nil), provider.Transient},
		"no answer":                          {"oauth2", providertest.Fault{Kind: "drop"}, provider.Transient},
		"refused by a wall":                  {"oauth2", status(403, nil), provider.Transient},
		"refused by a wall, shown as itself": {"linear", status(401, nil), provider.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, test.manifest)
			c, _ := w.connect(t, walks[test.manifest].scopes...)
			w.fake.Break("revoke", test.fault)
			err := w.Revoke(t.Context(), c)
			checkQuiet(t, err)
			if test.want == gone {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := outcome(t, err); e.Outcome != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if err := w.Revoke(t.Context(), c); err != nil || w.fake.Works(c.Access.Reveal()) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// 200 without a body is an end (RFC 7009 §2.2); where the provider would say so in the body, it is not.
func TestRevokeWithoutABody(t *testing.T) {
	for name, ends := range map[string]bool{"oauth2": true, "github": true, "slack": false} {
		w := meet(t, name)
		c, _ := w.connect(t, walks[name].scopes...)
		silent := roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
		p, err := provider.New(w.Manifest(), settings(func(s *provider.Settings) { s.Transport = silent }))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Revoke(t.Context(), c); (err == nil) != ends {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbe(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a")
	dead := c
	dead.Access = provider.NewSecret("canary-dead")
	_, err := w.Probe(t.Context(), dead)
	checkQuiet(t, err)
	if outcome(t, err).Outcome != provider.Terminal {
		t.Errorf("got %v", err)
	}
	w.fake.Break("probe", status(200, map[string]any{"id": ""}))
	if _, err := w.Probe(t.Context(), c); err == nil {
		t.Error("an account without an id was taken")
	}
	n := meet(t, "notion")
	c, account := n.connect(t)
	if again, err := n.Probe(t.Context(), c); err != nil || again != account {
		t.Errorf("%+v %v", again, err)
	}
	c.Kept = nil
	if _, err := n.Probe(t.Context(), c); err == nil {
		t.Error("nobody's account was named")
	}
	if _, err := n.Sites(t.Context(), c); !errors.Is(err, provider.ErrUnsupported) {
		t.Error(err)
	}
}

// What is sent where: the client's secret and the refresh token to the token endpoint and to revocation, to nobody else.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	for name, want := range walks {
		t.Run(name, func(t *testing.T) {
			w := meet(t, name)
			profile, _ := providertest.Named(name)
			c, _ := w.connect(t, want.scopes...)
			if _, _, err := w.Narrow(t.Context(), c, want.less); err != nil {
				t.Fatal(err)
			}
			for _, seen := range w.fake.Seen() {
				if seen.Address == profile.Token || seen.Address == profile.Revoke {
					continue
				}
				for field := range seen.Form {
					if v := seen.Form.Get(field); v == providertest.ClientSecret || !c.Refresh.IsZero() && v == c.Refresh.Reveal() {
						t.Errorf("%s got %s", seen.Address, field)
					}
				}
			}
		})
	}
}
