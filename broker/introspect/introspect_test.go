package introspect

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/token"
)

func basicOf(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(name)+":"+url.QueryEscape(secret)))
}

// refused wants a code, and tells when to come back.
func refused(t *testing.T, err error, code oauth.Code) (wait time.Duration) {
	t.Helper()
	refusal := oauth.AsError(err)
	if err == nil || refusal.Code != code {
		t.Fatalf("refused with %v, want %s", err, code)
	}
	return refusal.RetryAfter
}

// TestActive: the answer is what the token says, no more and no less.
func TestActive(t *testing.T) {
	for kind, change := range map[string]func(*setup){
		"Bearer": nil,
		"DPoP": func(s *setup) {
			s.claims = func(c *token.Claims) { c.Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }
		},
	} {
		h := newHouse(t, change)
		body, err := h.Introspect(t.Context(), h.request)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"active": true, "token_type": kind, "iss": issuer, "sub": h.uids["alice"], "aud": notes, "client_id": "claude", "jti": h.claims.ID,
			"iat": float64(h.claims.IssuedAt.Unix()), "exp": float64(h.claims.ExpiresAt.Unix()), "scope": "notes:read",
			"auth_time": float64(h.claims.AuthTime.Unix()), "acr": "phr", "amr": []any{"hwk"}, "act": map[string]any{"sub": "agent"},
			"tenant": "default", "plan": "pro", "environment": "production", issuer + "/claims": map[string]any{"team": "notes"},
		}
		if kind == "DPoP" {
			want["cnf"] = map[string]any{"jkt": h.claims.Thumbprint}
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("answered %s, %v", body, err)
		}
		if len(h.entries) != 0 || len(h.lane) != 0 {
			t.Error("a question with a secret was written down")
		}
	}
}

// A client that asks for itself is its token's subject, with or without an IdP behind it. A client that is called like a
// user is not that user.
func TestClientsForThemselves(t *testing.T) {
	for subject, active := range map[string]bool{"claude": true, "other": false, "": false} {
		h := newHouse(t, func(s *setup) {
			s.claims = func(c *token.Claims) {
				if subject != "" {
					c.Subject = subject
				}
			}
			s.record = func(k *lifecycle.Known) { k.IdPUID = "" }
			if subject == "" { // the user is disabled, and the client has the user's uid for a name
				s.objects = strings.Replace(s.objects, "status: active", "status: disabled", 1)
			}
		})
		if subject == "" {
			h.Registry = impostor{h.Registry, h.uids["alice"]}
		}
		body, err := h.Introspect(t.Context(), h.request)
		if err != nil || (string(body) != Inactive) != active {
			t.Errorf("of %q: %s, %v", subject, body, err)
		}
	}
}

// impostor answers with a client that is called like a user.
type impostor struct {
	client.Registry
	name string
}

func (i impostor) Lookup(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	found, err := i.Registry.Lookup(ctx, t, clientID)
	if err != nil {
		return nil, err
	}
	renamed := *found
	renamed.ClientID = i.name
	return &renamed, nil
}

// TestInactive: each differs from a valid question in one thing, and the answer is the same to the byte.
func TestInactive(t *testing.T) {
	in := func(from, to string) func(*setup) {
		return func(s *setup) {
			if !strings.Contains(s.objects, from) {
				panic(from)
			}
			s.objects = strings.Replace(s.objects, from, to, 1)
		}
	}
	claims := func(change func(*token.Claims)) func(*setup) { return func(s *setup) { s.claims = change } }
	record := func(change func(*lifecycle.Known)) func(*setup) { return func(s *setup) { s.record = change } }
	text := func(text string) func(*setup) { return func(s *setup) { s.form.Set("token", text) } }
	for name, change := range map[string]func(*setup){
		"no token":                  text("nonsense"),
		"a token of none":           text("eyJhbGciOiJub25lIn0.e30."),
		"an id of a token":          text("tok_01JZ8Q0V9V2B7T5D4N3M2K1H0G"),
		"too long":                  text(strings.Repeat("a", 20<<10)),
		"expired":                   claims(func(c *token.Claims) { c.ExpiresAt = now }),
		"of the future":             claims(func(c *token.Claims) { c.IssuedAt = now.Add(2 * time.Minute) }),
		"another issuer":            claims(func(c *token.Claims) { c.Issuer = issuer + "/t/acme" }),
		"another audience":          claims(func(c *token.Claims) { c.Audience = "https://mcp.acme.com/wiki" }),
		"an audience of nobody":     claims(func(c *token.Claims) { c.Audience = "https://mcp.acme.com/none" }),
		"another form of it":        claims(func(c *token.Claims) { c.Audience = "https://MCP.acme.com/notes" }),
		"an unknown client":         claims(func(c *token.Claims) { c.ClientID = "nobody" }),
		"another client":            claims(func(c *token.Claims) { c.ClientID = "other" }),
		"never recorded":            func(s *setup) { s.forget = true },
		"revoked":                   record(func(k *lifecycle.Known) { k.Revoked = true }),
		"recorded of another":       record(func(k *lifecycle.Known) { k.Subject = "usr_1" }),
		"recorded for another":      record(func(k *lifecycle.Known) { k.Audience = "https://mcp.acme.com/wiki" }),
		"recorded with another end": record(func(k *lifecycle.Known) { k.ExpiresAt = now.Add(time.Hour) }),
		"a resource made again":     record(func(k *lifecycle.Known) { k.ResourceUID = "res_before" }),
		"a client made again":       record(func(k *lifecycle.Known) { k.ClientUID = "cli_before" }),
		"an IdP made again":         record(func(k *lifecycle.Known) { k.IdPUID = "idp_before" }),
		"nobody's": func(s *setup) {
			s.claims = func(c *token.Claims) { c.Subject = "usr_nobody" }
		},
		"client disabled":   in("metadata: {name: claude}\nspec: {", "metadata: {name: claude}\nspec: {disabled: true, "),
		"client expired":    in("metadata: {name: claude}\nspec: {", "metadata: {name: claude}\nspec: {expires_at: \"2026-11-21T12:00:00Z\", "),
		"user disabled":     in("status: active", "status: disabled"),
		"user suspended":    in("status: active", "status: suspended"),
		"IdP disabled":      in("spec: {preset: generic", "spec: {disabled: true, preset: generic"),
		"resource disabled": in("spec: {uri: \"https://mcp.acme.com/notes\"", "spec: {disabled: true, uri: \"https://mcp.acme.com/notes\""),
		"no server":         in(", server: {client: notes-server}", ""),
		"another's server":  in("server: {client: notes-server}", "server: {client: jwt-server}"),
		"asked by another":  func(s *setup) { s.basic = "other" },
		"asked by its own":  func(s *setup) { s.basic = "claude" },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, change)
			body, err := h.Introspect(t.Context(), h.request)
			if err != nil || string(body) != `{"active":false}` {
				t.Errorf("answered %s, %v", body, err)
			}
			if h.asked != 1 {
				t.Errorf("the database was asked %d times, by which a caller could tell", h.asked)
			}
			if len(h.entries) != 0 {
				t.Error("something was written")
			}
		})
	}
}

// A token of one tenant is none in another, and none once its key is revoked.
func TestKeys(t *testing.T) {
	h := newHouse(t, nil)
	ring, err := h.rings.Ring(t.Context(), h.request.Tenant.UID)
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := ring.Signer(keys.ES256)
	if _, err := h.rings.Revoke(t.Context(), h.request.Tenant.UID, signer.KeyID(), "", audit.Principal{}); err != nil {
		t.Fatal(err)
	}
	if body, err := h.Introspect(t.Context(), h.request); err != nil || string(body) != Inactive {
		t.Errorf("answered %s, %v", body, err)
	}
	forged := newHouse(t, nil) // signed by another house's key
	other := newHouse(t, func(s *setup) { s.form.Set("token", forged.text) })
	if body, err := other.Introspect(t.Context(), other.request); err != nil || string(body) != Inactive {
		t.Errorf("answered %s, %v", body, err)
	}
}

func TestWhoMayNotAsk(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*setup)
		code   oauth.Code
	}{
		"nobody": {func(s *setup) { s.basic = "" }, oauth.CodeClientAuthenticationRequired},
		"a public client": {func(s *setup) {
			s.basic = ""
			s.form.Set("client_id", "public")
		}, oauth.CodeClientAuthenticationRequired},
		"a name alone": {func(s *setup) {
			s.basic = ""
			s.form.Set("client_id", "notes-server")
		}, oauth.CodeClientAuthenticationFailed},
		"an unknown client": {func(s *setup) { s.basic = "nobody" }, oauth.CodeClientAuthenticationFailed},
		"a disabled client": {func(s *setup) {
			s.objects = strings.Replace(s.objects, "metadata: {name: notes-server}\nspec: {", "metadata: {name: notes-server}\nspec: {disabled: true, ", 1)
		}, oauth.CodeClientAuthenticationFailed},
		"two ways":      {func(s *setup) { s.form.Set("client_secret", snapshottest.Secret) }, oauth.CodeTwoClientAuthentications},
		"about nothing": {func(s *setup) { s.form["token"] = []string{""} }, oauth.CodeParameterMissing},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.change)
			body, err := h.Introspect(t.Context(), h.request)
			refused(t, err, c.code)
			if body != nil || h.asked != 0 || len(h.lane) != 1 || h.lane[0].Code != string(c.code) {
				t.Errorf("answered %s, asked %d, recorded %v", body, h.asked, h.lane)
			}
			// Whoever sends a public client's name is not that client in the log.
			if e := h.lane[0]; !strings.HasPrefix(name, "about") && (e.Principal.Kind != "anonymous" || e.Principal.ID != "" || e.Client != "") {
				t.Errorf("recorded of %+v, client %q", e.Principal, e.Client)
			}
		})
	}
}

// A client assertion is good for one question; what was asked with it makes no difference.
func TestClientAssertionsAreUsedUp(t *testing.T) {
	server := func(s *setup) {
		s.objects = strings.Replace(s.objects, "server: {client: notes-server}", "server: {client: jwt-server}", 1)
		s.basic = ""
	}
	for name, text := range map[string]string{"active": "", "inactive": "nonsense"} {
		h := newHouse(t, func(s *setup) {
			server(s)
			maps.Copy(s.form, assertion(t, "jti-1"))
			if text != "" {
				s.form.Set("token", text)
			}
		})
		body, err := h.Introspect(t.Context(), h.request)
		if err != nil || (string(body) == Inactive) != (text != "") {
			t.Fatalf("%s: answered %s, %v", name, body, err)
		}
		if len(h.entries) != 1 || h.entries[0].Event.Type != audit.TypeAssertionUsed || h.entries[0].Event.AssertionID != "jti-1" ||
			len(h.entries[0].Redemptions) != 1 || len(h.entries[0].Pictures) == 0 {
			t.Errorf("%s: recorded %+v", name, h.entries)
		}
		body, err = h.Introspect(t.Context(), h.request)
		refused(t, err, oauth.CodeClientAssertionReplayed)
		if len(h.entries) != 1 {
			t.Errorf("%s: a second time it answers %s", name, body)
		}
	}
	h := newHouse(t, func(s *setup) {
		server(s)
		s.form = assertion(t, "jti-2")
		s.form["token"] = []string{""}
	})
	_, err := h.Introspect(t.Context(), h.request)
	refused(t, err, oauth.CodeParameterMissing)
	if len(h.entries) != 1 {
		t.Error("a refusal left the assertion unused")
	}
}

// What cannot be known is not answered, neither way.
func TestNotKnowing(t *testing.T) {
	h := newHouse(t, nil)
	h.fail = errors.New("no database")
	_, err := h.Introspect(t.Context(), h.request)
	refused(t, err, oauth.CodeTenantUnavailable)

	jwt := newHouse(t, func(s *setup) {
		s.basic, s.form = "", assertion(t, "jti-1")
	})
	jwt.commit = ledger.ErrUnavailable
	_, err = jwt.Introspect(t.Context(), jwt.request)
	refused(t, err, oauth.CodeLedgerUnavailable)
}

// What was decided on an older picture is decided again, on one that is as new as the question.
func TestOlderPictures(t *testing.T) {
	h := newHouse(t, nil)
	h.behind = 3
	body, err := h.Introspect(t.Context(), h.request)
	if err != nil || string(body) == Inactive || h.asked != 2 {
		t.Errorf("answered %s, %v after %d readings", body, err, h.asked)
	}
	limited := newHouse(t, nil) // and is one request of its client all the same
	spent := limited.charged(t)
	limited.behind = 3
	if _, err := limited.Introspect(t.Context(), limited.request); err != nil || limited.asked != 2 || spent.n != 1 {
		t.Errorf("%v, spent %d after %d readings", err, spent.n, limited.asked)
	}
	h.commit = ledger.ErrStale // whatever is done, the tenant has moved
	moving := newHouse(t, func(s *setup) { s.basic, s.form = "", assertion(t, "jti-1") })
	moving.commit = ledger.ErrStale
	_, err = moving.Introspect(t.Context(), moving.request)
	if wait := refused(t, err, oauth.CodeTenantUnavailable); wait == 0 {
		t.Error("no Retry-After")
	}
}

func TestPartsAreRequired(t *testing.T) {
	h := newHouse(t, nil)
	v := reflect.ValueOf(h.Config)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name == "Profiles" || name == "Refresh" { // which say for themselves what is without them
			continue
		}
		broken := h.Config
		reflect.ValueOf(&broken).Elem().Field(i).SetZero()
		if _, err := New(broken); err == nil {
			t.Errorf("without %s it starts", v.Type().Field(i).Name)
		}
	}
}

// spendings counts what is taken of a budget without end.
type spendings struct{ n int }

func (s *spendings) Take(client.Key) (time.Duration, bool) { s.n++; return 0, true }

// charged gives the clients of a house a budget.
func (h *house) charged(t *testing.T) *spendings {
	t.Helper()
	authenticator, ok := h.Clients.(*client.Authenticator)
	if !ok {
		t.Fatalf("clients are %T", h.Clients)
	}
	spent := &spendings{}
	h.Clients = must(client.Limit(authenticator, spent))
	return spent
}
