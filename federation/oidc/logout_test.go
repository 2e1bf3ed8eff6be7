package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

func TestLogout(t *testing.T) {
	s := newSite(t)
	signedIn := s.mustSignIn(oidc.Ask{})
	verify := func(options ...idptest.Option) (*oidc.LogoutNotice, error) {
		t.Helper()
		compact, err := s.idp.LogoutToken(idptest.Alice, client, options...)
		if err != nil {
			t.Fatal(err)
		}
		return s.rp.VerifyLogout(t.Context(), owner, s.entry, compact)
	}
	notice, err := verify(idptest.WithClaim("sid", signedIn.SessionID()), idptest.WithClaim("jti", "j-1"))
	if err != nil {
		t.Fatal(err)
	}
	if notice.Sub() != signedIn.Sub() || notice.SessionID() != signedIn.SessionID() || notice.RedemptionKey() != "logout:j-1" ||
		!notice.RedeemableUntil().Equal(noon.Add(2*time.Minute+30*time.Second)) || notice.Provider() != s.entry.Provider || len(notice.Checks()) == 0 {
		t.Errorf("%+v", notice)
	}
	for name, options := range map[string][]idptest.Option{
		"session alone":     {idptest.WithoutClaim("sub"), idptest.WithClaim("sid", "s-1")},
		"all sessions":      {},
		"typ absent":        {func(d *idptest.Draft) { delete(d.Header, "typ") }},
		"typ JWT":           {idptest.WithHeader("typ", "JWT")},
		"full media type":   {idptest.WithHeader("typ", "application/logout+jwt")},
		"several audiences": {idptest.WithClaim("aud", []string{client, "another"})},
		"with other events": {idptest.WithClaim("events", map[string]any{idptest.LogoutEvent: map[string]any{}, "https://x.example": map[string]any{}})},
	} {
		if _, err := verify(options...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	compact, err := s.idp.LogoutToken(idptest.Alice, client)
	if err != nil {
		t.Fatal(err)
	}
	s.pass(2*time.Minute + 29*time.Second)
	if _, err := s.rp.VerifyLogout(t.Context(), owner, s.entry, compact); err != nil {
		t.Error(err)
	}
	s.pass(time.Second)
	_, err = s.rp.VerifyLogout(t.Context(), owner, s.entry, compact)
	wantCode(t, err, federation.CodeLogoutExpired)
	if _, err := s.rp.VerifyLogout(t.Context(), "", s.entry, compact); !isIncomplete(err) {
		t.Error("no owner")
	}
}

func TestLogoutOfATenant(t *testing.T) {
	s := newSite(t)
	entra(s.entry)
	for tid, code := range map[string]federation.Code{tenant: "", "": "", "72f988bf-86f1-41af-91ab-2d7cd011db47": federation.CodeTenantUnlisted} {
		options := []idptest.Option{}
		if tid != "" {
			options = append(options, idptest.WithClaim("tid", tid))
		}
		compact, err := s.idp.LogoutToken(idptest.Alice, client, options...)
		if err != nil {
			t.Fatal(err)
		}
		notice, err := s.rp.VerifyLogout(t.Context(), owner, s.entry, compact)
		if code != "" {
			wantCode(t, err, code)
			continue
		}
		if err != nil || notice.Tenant() != tid {
			t.Errorf("%v %v", notice, err)
		}
	}
}

func TestEndSession(t *testing.T) {
	s := newSite(t)
	signedIn := s.mustSignIn(oidc.Ask{})
	target, err := s.rp.EndSession(t.Context(), owner, s.entry, oidc.EndSession{IDToken: signedIn.IDToken(), Hint: "alice@acme.com", State: "st"})
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, target)
	for name, want := range map[string]string{
		"client_id": client, "post_logout_redirect_uri": out, "state": "st", "logout_hint": "alice@acme.com", "id_token_hint": signedIn.IDToken().Reveal(),
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if back := s.visit(target); back.Get("state") != "st" {
		t.Errorf("came back with %v", back)
	}
	s.entry.PostLogoutURL = ""
	target, err = s.rp.EndSession(t.Context(), owner, s.entry, oidc.EndSession{State: "st"})
	if q := query(t, target); err != nil || q.Encode() != (url.Values{"client_id": {client}}).Encode() {
		t.Errorf("%v %v", q, err)
	}
	if _, err := s.rp.EndSession(t.Context(), owner, s.entry, oidc.EndSession{Hint: "a\nb"}); !isIncomplete(err) {
		t.Errorf("got %v", err)
	}
	s = newSite(t)
	s.publish(map[string]any{"end_session_endpoint": nil})
	if target, err := s.rp.EndSession(t.Context(), owner, s.entry, oidc.EndSession{}); target != "" || err != nil {
		t.Errorf("%q %v", target, err)
	}
}
