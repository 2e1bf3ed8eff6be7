package idp_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
)

const (
	returns = "http://127.0.0.1:8080/federation/oidc/foreign/callback"
	tenants = "ten_signin"
)

// foreign is an OpenID provider that nobody here wrote, and what is particular about
// it. Both have the clients chancery (a secret) and chancery-key (a key).
type foreign struct {
	issuer    string
	preset    string
	algorithm string
	scopes    []string
	alice     string // sub
	logouts   chan string
	secret    string
	key       *idptest.Key
	// answer takes the person through the pages to the way back.
	answer func(p *person, at page) page
	// confirm takes the person through the pages of a logout.
	confirm func(p *person, at page)
	// knownScopesOnly: an unknown scope is an error.
	knownScopesOnly bool
	// reached is an acr that it says of a sign-in by password, "" for none.
	reached string
}

// peers are what an IdP of a test reaches: the keys of our client, and our end of the
// back channel.
type peers struct {
	keys, backchannel string
	key               *idptest.Key
	logouts           chan string
}

func startPeers(t *testing.T) peers {
	t.Helper()
	key, err := idptest.NewKey("chancery-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	p := peers{key: key, logouts: make(chan string, 4)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{key.JWK()}})
	})
	mux.HandleFunc("POST /backchannel", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		p.logouts <- r.PostFormValue("logout_token")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.keys, p.backchannel = server.URL+"/keys", server.URL+"/backchannel"
	return p
}

func newRelyingParty(t *testing.T) *oidc.RelyingParty {
	door := fetch.New(fetch.Policy{Mode: "allow"})
	keys := jwks.NewCache(door, time.Now)
	t.Cleanup(keys.Close)
	return oidc.New(door, keys, time.Now)
}

func (f *foreign) entry() *oidc.Entry {
	preset, _ := oidc.PresetNamed(f.preset, f.issuer)
	dialect := preset.Dialect
	return &oidc.Entry{
		Provider: &federation.IdentityProvider{
			UID: "idp_foreign", Name: "foreign", Issuer: f.issuer,
			Keys:    jwks.Source{Issuer: f.issuer, Network: fetch.Network{AllowPrivateAddresses: true}},
			Claims:  federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}},
			Subject: federation.SubjectRules{Match: []federation.MatchBy{federation.MatchSubject}},
		},
		ClientID: "chancery", Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret(f.secret),
		Algorithms: []string{f.algorithm}, Scopes: f.scopes, CallbackURL: returns, PostLogoutURL: returns, ClockSkew: 10 * time.Second, Dialect: dialect,
	}
}

// signIn goes from departure to answer; somebody who is signed in there already sees
// no page.
func (f *foreign) signIn(t *testing.T, rp *oidc.RelyingParty, e *oidc.Entry, p *person, ask oidc.Ask) (*oidc.SignIn, error) {
	t.Helper()
	target, departure, err := rp.Begin(t.Context(), tenants, e, ask)
	if err != nil {
		return nil, err
	}
	at := p.visit(http.MethodGet, target, nil, returns)
	for range 4 {
		if at.outside != nil {
			break
		}
		at = f.answer(p, at)
	}
	if at.outside == nil {
		t.Fatalf("the pages have no end: %.600s", at.body)
	}
	answer, err := oidc.ParseAnswer(at.outside.Query())
	if err != nil {
		return nil, err
	}
	if answer.StateHash() != departure.StateHash {
		t.Fatal("the answer is to another departure")
	}
	return rp.Finish(t.Context(), tenants, e, answer, departure)
}

func (f *foreign) suite(t *testing.T) {
	rp := newRelyingParty(t)
	mustSignIn := func(t *testing.T, e *oidc.Entry, p *person, ask oidc.Ask) *oidc.SignIn {
		t.Helper()
		signedIn, err := f.signIn(t, rp, e, p, ask)
		if err != nil {
			t.Fatal(err)
		}
		return signedIn
	}
	refused := func(t *testing.T, e *oidc.Entry, ask oidc.Ask, code federation.Code) {
		t.Helper()
		_, err := f.signIn(t, rp, e, newPerson(t), ask)
		if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	t.Run("secret", func(t *testing.T) {
		f.isAlice(t, mustSignIn(t, f.entry(), newPerson(t), oidc.Ask{LoginHint: "alice@acme.com"}))
		e := f.entry()
		e.Authentication = oidc.AuthSecretPost
		f.isAlice(t, mustSignIn(t, e, newPerson(t), oidc.Ask{}))
	})
	t.Run("key", func(t *testing.T) {
		signer, err := oidc.NewKeySigner("ES256", f.key.ID, f.key.Signer)
		if err != nil {
			t.Fatal(err)
		}
		for _, audience := range []oidc.AssertionAudience{oidc.AssertionForIssuer, oidc.AssertionForTokenEndpoint} {
			e := f.entry()
			e.ClientID, e.Authentication, e.Secret, e.Signer = "chancery-key", oidc.AuthPrivateKey, oidc.Secret{}, signer
			e.Dialect.AssertionAudience = audience
			if ids := mustSignIn(t, e, newPerson(t), oidc.Ask{}).Identifiers(); ids.Subject != f.alice {
				t.Errorf("%+v", ids)
			}
		}
	})
	t.Run("userinfo", func(t *testing.T) {
		e := f.entry()
		e.Userinfo = true
		f.isAlice(t, mustSignIn(t, e, newPerson(t), oidc.Ask{}))
	})
	t.Run("fresh", func(t *testing.T) {
		e, p, hour, now := f.entry(), newPerson(t), time.Hour, time.Duration(0)
		first, known := mustSignIn(t, e, p, oidc.Ask{MaxAge: &hour}).AuthTime()
		if !known || time.Since(first).Abs() > time.Minute {
			t.Errorf("auth_time %v", first)
		}
		if again, _ := mustSignIn(t, e, p, oidc.Ask{MaxAge: &hour, Prompt: []string{"none"}}).AuthTime(); !again.Equal(first) {
			t.Errorf("signed in silently at %v, first %v", again, first)
		}
		if _, known := mustSignIn(t, e, p, oidc.Ask{MaxAge: &now, Prompt: []string{"login"}}).AuthTime(); !known {
			t.Error("no auth_time where it was asked for")
		}
	})
	t.Run("refused", func(t *testing.T) {
		refused(t, f.entry(), oidc.Ask{Prompt: []string{"none"}}, federation.CodeIdPLoginRequired)
		refused(t, f.entry(), oidc.Ask{ACRValues: []string{"gold"}}, federation.CodeACRUnmet)
		e := f.entry()
		e.Algorithms = []string{"ES512"}
		refused(t, e, oidc.Ask{}, federation.CodeAlgorithmNotAllowed)
		e = f.entry()
		e.Secret = oidc.NewSecret(rand.Text())
		refused(t, e, oidc.Ask{}, federation.CodeIdPClientRefused)
		if f.knownScopesOnly {
			e = f.entry()
			e.Scopes = append(slices.Clone(e.Scopes), "no-such-scope")
			refused(t, e, oidc.Ask{}, federation.CodeIdPRequestRefused)
		}
	})
	t.Run("step-up", func(t *testing.T) {
		if f.reached == "" {
			refused(t, f.entry(), oidc.Ask{ACRValues: []string{"phr"}}, federation.CodeACRUnmet) // advertised, and never said
			return
		}
		if signedIn := mustSignIn(t, f.entry(), newPerson(t), oidc.Ask{ACRValues: []string{f.reached}}); signedIn.ACR() != f.reached {
			t.Errorf("acr %q", signedIn.ACR())
		}
	})
	t.Run("one code twice", func(t *testing.T) {
		e, p := f.entry(), newPerson(t)
		mustSignIn(t, e, p, oidc.Ask{})
		target, departure, err := rp.Begin(t.Context(), tenants, e, oidc.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		at := p.visit(http.MethodGet, target, nil, returns)
		answer, err := oidc.ParseAnswer(at.outside.Query())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rp.Finish(t.Context(), tenants, e, answer, departure); err != nil {
			t.Fatal(err)
		}
		_, err = rp.Finish(t.Context(), tenants, e, answer, departure)
		if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != federation.CodeIdPCodeRefused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("logout", func(t *testing.T) {
		e, p := f.entry(), newPerson(t)
		signedIn := mustSignIn(t, e, p, oidc.Ask{})
		target, err := rp.EndSession(t.Context(), tenants, e, oidc.EndSession{IDToken: signedIn.IDToken(), State: "st-1"})
		if err != nil || target == "" {
			t.Fatal(target, err)
		}
		f.confirm(p, p.visit(http.MethodGet, target, nil, returns))
		select {
		case compact := <-f.logouts:
			notice, err := rp.VerifyLogout(t.Context(), tenants, e, compact)
			if err != nil {
				t.Fatal(err)
			}
			if signedIn.SessionID() == "" || notice.SessionID() != signedIn.SessionID() || notice.Sub() != "" && notice.Sub() != signedIn.Sub() || notice.RedemptionKey() == "logout:" {
				t.Errorf("session %q ended, %q was ours", notice.SessionID(), signedIn.SessionID())
			}
			another := *e
			another.ClientID = "another"
			if _, err := rp.VerifyLogout(t.Context(), tenants, &another, compact); err == nil {
				t.Error("a logout token for another client was taken")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came by the back channel")
		}
		_, err = f.signIn(t, rp, e, p, oidc.Ask{Prompt: []string{"none"}})
		if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != federation.CodeIdPLoginRequired {
			t.Errorf("after the logout: %v", err)
		}
	})
}

func (f *foreign) isAlice(t *testing.T, s *oidc.SignIn) {
	t.Helper()
	ids := s.Identifiers()
	if ids.Subject != f.alice || ids.Email != "alice@acme.com" || ids.EmailVerified == nil || !*ids.EmailVerified || s.Name() != "Alice Example" {
		t.Errorf("%+v %q", ids, s.Name())
	}
	if groups := s.Groups(); groups.State != assertion.GroupsComplete || !slices.Equal(groups.Values, []string{"notes-editors"}) {
		t.Errorf("groups %+v", groups)
	}
}
