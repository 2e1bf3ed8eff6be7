package oidc_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

func TestSignIn(t *testing.T) {
	s := newSite(t)
	for _, user := range idptest.People() {
		signedIn := s.mustSignIn(oidc.Ask{LoginHint: user.Email})
		ids := signedIn.Identifiers()
		if ids.Subject != user.Subject || ids.IdPUID != "idp_okta" || ids.Email != user.Email || ids.EmailVerified == nil || !*ids.EmailVerified || ids.Tenant != "" {
			t.Errorf("%s became %+v", user.Name, ids)
		}
		if groups := signedIn.Groups(); groups.State != assertion.GroupsComplete || !slices.Equal(groups.Values, user.Groups) {
			t.Errorf("groups %+v", groups)
		}
		at, known := signedIn.AuthTime()
		if !known || !at.Equal(noon) || signedIn.SessionID() == "" || signedIn.Sub() != user.Subject || signedIn.Name() != user.DisplayName {
			t.Errorf("%v %v %q %q", at, known, signedIn.SessionID(), signedIn.Name())
		}
		if signedIn.Private()["preferred_username"] != user.Name || signedIn.Private()["nonce"] != nil {
			t.Errorf("private %v", signedIn.Private())
		}
	}
}

// The request holds what OIDC and RFC 9700 ask for, and each departure its own.
func TestDepartures(t *testing.T) {
	s := newSite(t)
	maxAge := 5 * time.Minute
	ask := oidc.Ask{LoginHint: "alice@acme.com", Prompt: []string{"login", "consent"}, MaxAge: &maxAge, ACRValues: []string{"phr", "phrh"}, UILocales: []string{"de-AT", "en"}}
	target, departure := s.depart(ask)
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": client, "redirect_uri": mine, "scope": "openid profile email", "code_challenge_method": "S256",
		"nonce": departure.Nonce, "login_hint": "alice@acme.com", "prompt": "login consent", "max_age": "300", "acr_values": "phr phrh",
		"ui_locales": "de-AT en", "resource": "", "claims": "",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if departure.StateHash != oidc.StateHash(q.Get("state")) || len(q.Get("state")) < 43 || len(q.Get("code_challenge")) != 43 || !departure.At.Equal(noon) || !departure.NamesItself {
		t.Errorf("%v, departure %+v", q, departure.At)
	}
	if strings.Contains(target, departure.Verifier) || strings.Contains(target, secret) {
		t.Error("a secret is in the URL")
	}
	_, other := s.depart(ask)
	if other.StateHash == departure.StateHash || other.Nonce == departure.Nonce || other.Verifier == departure.Verifier {
		t.Error("two departures share something")
	}
}

func TestDepartureIsKept(t *testing.T) {
	s := newSite(t)
	maxAge := time.Minute
	target, departure := s.depart(oidc.Ask{MaxAge: &maxAge, ACRValues: []string{"phr"}})
	stored, err := json.Marshal(departure)
	if err != nil {
		t.Fatal(err)
	}
	var read oidc.Departure
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	signedIn, err := s.finish(s.visit(target), read)
	if err != nil || signedIn.ACR() != "phr" {
		t.Fatalf("%v, %v", signedIn, err)
	}
}

// What was made for one departure is nothing to another.
func TestDeparturesAreApart(t *testing.T) {
	t.Run("state of another", func(t *testing.T) {
		s := newSite(t)
		target, _ := s.depart(oidc.Ask{})
		_, other := s.depart(oidc.Ask{})
		_, err := s.finish(s.visit(target), other)
		wantCode(t, err, federation.CodeSignInStateMismatch)
	})
	t.Run("code of another", func(t *testing.T) {
		s := newSite(t)
		mine, departure := s.depart(oidc.Ask{})
		theirs, _ := s.depart(oidc.Ask{LoginHint: idptest.Bob})
		answer, stolen := s.visit(mine), s.visit(theirs)
		answer.Set("code", stolen.Get("code"))
		_, err := s.finish(answer, departure) // the IdP compares the verifier
		wantCode(t, err, federation.CodeIdPCodeRefused)
	})
	t.Run("at a replica whose clock is behind", func(t *testing.T) {
		s := newSite(t)
		target, departure := s.depart(oidc.Ask{})
		answer := s.visit(target)
		s.pass(-29 * time.Second)
		if _, err := s.finish(answer, departure); err != nil {
			t.Error(err)
		}
	})
	t.Run("the same answer twice", func(t *testing.T) {
		s := newSite(t)
		target, departure := s.depart(oidc.Ask{})
		answer := s.visit(target)
		if _, err := s.finish(answer, departure); err != nil {
			t.Fatal(err)
		}
		_, err := s.finish(answer, departure)
		wantCode(t, err, federation.CodeIdPCodeRefused)
	})
	for name, test := range map[string]struct {
		after  time.Duration
		change func(*oidc.Departure)
		code   federation.Code
	}{
		"just in time":           {after: 9*time.Minute + 59*time.Second, code: federation.CodeIdPCodeRefused}, // the IdP's own limit is a minute
		"too late":               {after: 10 * time.Minute, code: federation.CodeSignInExpired},
		"before it began":        {after: -31 * time.Second, code: federation.CodeSignInExpired},
		"of another IdP":         {change: func(d *oidc.Departure) { d.IdPUID = "idp_other" }, code: federation.CodeIdPMixUp},
		"to another issuer":      {change: func(d *oidc.Departure) { d.Issuer += "/" }, code: federation.CodeIdPMixUp},
		"for another client":     {change: func(d *oidc.Departure) { d.ClientID = "another" }, code: federation.CodeSignInExpired},
		"for another callback":   {change: func(d *oidc.Departure) { d.CallbackURL += "2" }, code: federation.CodeSignInExpired},
		"with another nonce":     {change: func(d *oidc.Departure) { d.Nonce = strings.Repeat("n", 43) }, code: federation.CodeNonceMismatch},
		"with another verifier":  {change: func(d *oidc.Departure) { d.Verifier = strings.Repeat("v", 43) }, code: federation.CodeIdPCodeRefused},
		"with an unhashed state": {change: func(d *oidc.Departure) { d.StateHash = "x" }, code: federation.CodeSignInStateMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			target, departure := s.depart(oidc.Ask{})
			answer := s.visit(target)
			s.pass(test.after)
			if test.change != nil {
				test.change(&departure)
			}
			_, err := s.finish(answer, departure)
			wantCode(t, err, test.code)
		})
	}
}

// RFC 9700 §4.4: the answer of one IdP at the callback of another, both honest.
func TestMixUp(t *testing.T) {
	s := newSite(t)
	other := newSite(t)
	other.entry.Provider.UID, other.entry.Provider.Name = "idp_evil", "evil"
	target, departure := s.depart(oidc.Ask{})
	answer := s.visit(target)
	parsed, err := oidc.ParseAnswer(answer)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.rp.Finish(t.Context(), owner, other.entry, parsed, departure)
	wantCode(t, err, federation.CodeIdPMixUp)
	// Even a caller that mistook the departure does not send the code there.
	departure.IdPUID, departure.Issuer = other.entry.Provider.UID, other.entry.Provider.Issuer
	before := other.idp.Requests(idptest.PathToken)
	_, err = s.rp.Finish(t.Context(), owner, other.entry, parsed, departure)
	wantCode(t, err, federation.CodeIdPMixUp)
	if other.idp.Requests(idptest.PathToken) != before {
		t.Error("the code of one IdP went to another")
	}
}

// The key of one IdP under the name of another; both have a key-1.
func TestKeysOfOneIdPAreNotAnothers(t *testing.T) {
	s, other := newSite(t), newSite(t)
	forged := idptest.Mutation{Name: "signed by another IdP", Break: func(d *idptest.Draft, _ *idptest.IdP) { d.Key = other.idp.SigningKey() }}
	s.idp.BreakIDTokens(&forged)
	_, err := s.signIn(oidc.Ask{})
	wantCode(t, err, federation.CodeSignatureInvalid)
	foreign := idptest.Mutation{Name: "token of another IdP", Break: func(d *idptest.Draft, _ *idptest.IdP) {
		d.Compact = func(string) string { return other.idp.IDToken(idptest.Alice, client) }
	}}
	s.idp.BreakIDTokens(&foreign)
	_, err = s.signIn(oidc.Ask{})
	wantCode(t, err, federation.CodeIDTokenIssuer)
}

// What the IdP says is shown to nobody as it is.
func TestNothingIsShown(t *testing.T) {
	s := newSite(t)
	target, departure := s.depart(oidc.Ask{})
	answer := s.visit(target)
	parsed, err := oidc.ParseAnswer(answer)
	if err != nil {
		t.Fatal(err)
	}
	signedIn, err := s.rp.Finish(t.Context(), owner, s.entry, parsed, departure)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "departure", departure, "answer", parsed, "signin", signedIn, "secret", s.entry.Secret, "token", signedIn.IDToken())
	shown := log.String() + fmt.Sprintf("%v %+v %#v %v %+v %#v %v %+v %#v %v", departure, departure, departure, parsed, parsed, parsed, signedIn, signedIn, signedIn, s.entry.Secret) +
		fmt.Sprintf("%+v %#v", *s.entry, *s.entry)
	if encoded, err := json.Marshal(s.entry.Secret); err != nil || string(encoded) != `"[redacted]"` {
		t.Errorf("%s %v", encoded, err)
	}
	for _, canary := range []string{departure.Verifier, departure.Nonce, answer.Get("code"), answer.Get("state"), signedIn.IDToken().Reveal(), secret, "alice@acme.com"} {
		if canary == "" || strings.Contains(shown, canary) {
			t.Errorf("%q is shown", canary)
		}
	}
	if signedIn.IDToken().IsZero() || strings.Count(signedIn.IDToken().Reveal(), ".") != 2 {
		t.Error("no ID token for the hint")
	}
}

func TestIncompleteCalls(t *testing.T) {
	s := newSite(t)
	target, departure := s.depart(oidc.Ask{})
	parsed, err := oidc.ParseAnswer(s.visit(target))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*oidc.Departure){
		"empty":       func(d *oidc.Departure) { *d = oidc.Departure{} },
		"no state":    func(d *oidc.Departure) { d.StateHash = "" },
		"no nonce":    func(d *oidc.Departure) { d.Nonce = "" },
		"no verifier": func(d *oidc.Departure) { d.Verifier = "" },
		"no IdP":      func(d *oidc.Departure) { d.IdPUID = "" },
		"no issuer":   func(d *oidc.Departure) { d.Issuer = "" },
		"no client":   func(d *oidc.Departure) { d.ClientID = "" },
		"no callback": func(d *oidc.Departure) { d.CallbackURL = "" },
		"no time":     func(d *oidc.Departure) { d.At = time.Time{} },
	} {
		broken := departure
		change(&broken)
		if signedIn, err := s.rp.Finish(t.Context(), owner, s.entry, parsed, broken); signedIn != nil || !isIncomplete(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.rp.Finish(t.Context(), "", s.entry, parsed, departure); !isIncomplete(err) {
		t.Error("no owner")
	}
	if _, err := s.rp.Finish(t.Context(), owner, nil, parsed, departure); !isIncomplete(err) {
		t.Error("no entry")
	}
	if _, err := s.rp.Finish(t.Context(), owner, s.entry, oidc.Answer{}, departure); err == nil {
		t.Error("no answer")
	}
	if _, err := oidc.New(nil, nil, nil).Finish(t.Context(), owner, s.entry, parsed, departure); !isIncomplete(err) {
		t.Error("no relying party")
	}
	negative, fraction := -time.Second, time.Millisecond
	for name, ask := range map[string]oidc.Ask{
		"none with login":    {Prompt: []string{"none", "login"}},
		"prompt of nobody":   {Prompt: []string{"create"}},
		"negative age":       {MaxAge: &negative},
		"fraction":           {MaxAge: &fraction},
		"acr with space":     {ACRValues: []string{"a b"}},
		"acr empty":          {ACRValues: []string{""}},
		"hint with newline":  {LoginHint: "a\nb"},
		"many acr values":    {ACRValues: slices.Repeat([]string{"a"}, 17)},
		"locale with spaces": {UILocales: []string{"de en"}},
	} {
		if _, _, err := s.rp.Begin(t.Context(), owner, s.entry, ask); !isIncomplete(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.entry.Provider.Disabled = true
	_, _, err = s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
	wantCode(t, err, federation.CodeIssDisabled)
	_, err = s.rp.Finish(t.Context(), owner, s.entry, parsed, departure)
	wantCode(t, err, federation.CodeIssDisabled)
}
