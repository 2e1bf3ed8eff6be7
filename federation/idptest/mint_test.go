package idptest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func TestBreak(t *testing.T) {
	idp := start(t)
	exchange := func() map[string]any {
		_, answer := post(t, idp, exchangeForm(set("subject_token", idp.IDToken(idptest.Alice, "0oa1claude"))), nil)
		assertion, _ := answer["access_token"].(string)
		return claims(t, idp, assertion, "oauth-id-jag+jwt")
	}
	if err := idp.Break("aud_trailing_slash"); err != nil {
		t.Fatal(err)
	}
	if got := exchange(); got["aud"] != chancery+"/" {
		t.Errorf("aud %v", got["aud"])
	}
	idp.Mend()
	if got := exchange(); got["aud"] != chancery {
		t.Errorf("aud %v", got["aud"])
	}
	if err := idp.Break("nothing"); err == nil {
		t.Error("an unknown name was taken")
	}
}

func TestRotateAndFail(t *testing.T) {
	idp := start(t)
	count := func() int {
		set, _, err := jwks.Parse(idp.Keys())
		if err != nil {
			t.Fatal(err)
		}
		return len(set)
	}
	if kid, err := idp.Rotate(true); err != nil || kid != "key-2" || count() != 2 {
		t.Errorf("%s, %v, %d keys", kid, err, count())
	}
	if kid, err := idp.Rotate(false); err != nil || kid != "key-3" || count() != 1 || idp.SigningKey().ID != kid {
		t.Errorf("%s, %v, %d keys", kid, err, count())
	}
	for fault, status := range map[idptest.Fault]int{
		idptest.FaultDown: 503, idptest.FaultHTML: 200, idptest.FaultEmpty: 200, idptest.FaultHuge: 200, idptest.FaultRedirect: 302, idptest.FaultGarbage: 200, "": 200,
	} {
		idp.Fail(idptest.PathKeys, fault)
		if response := get(t, idp.KeysURI()); response.StatusCode != status {
			t.Errorf("%s: %d", fault, response.StatusCode)
		}
	}
	if n := idp.Requests(idptest.PathKeys); n != 7 {
		t.Errorf("%d requests counted", n)
	}
	idp.Fail(idptest.PathKeys, idptest.FaultSlow)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, idp.KeysURI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Error("a slow endpoint answered")
	}
}

func TestMint(t *testing.T) {
	idp := start(t, func(o *idptest.Options) { o.OmitGroups = true })
	if err := idp.Update(idptest.Alice, func(u *idptest.User) {
		u.Tenant, u.Claims, u.AuthTime = "acme-eu", map[string]any{"department": "research"}, noon
	}); err != nil {
		t.Fatal(err)
	}
	got := claims(t, idp, idp.IDJAG(idptest.Alice, idptest.WithResource(notes, notes+"/2"), idptest.WithoutClaim("email")), "oauth-id-jag+jwt")
	resources, _ := got["resource"].([]any)
	if got["client_id"] != "claude" || got["groups"] != nil || got["tenant"] != "acme-eu" || got["department"] != "research" ||
		got["auth_time"] != float64(noon.Unix()) || len(resources) != 2 || got["email"] != nil || got["scope"] != "notes:read notes:write" {
		t.Errorf("got %v", got)
	}
	if groups, _ := claims(t, idp, idp.IDToken(idptest.Bob, "x"), "jwt")["groups"].([]any); len(groups) != 1 || groups[0] != idptest.GroupReaders {
		t.Errorf("groups %v", groups)
	}
	if _, err := idp.IdP.IDJAG("nobody"); !errors.Is(err, idptest.ErrUnknownUser) {
		t.Errorf("got %v", err)
	}
	compact, err := idp.Sign(map[string]any{"typ": "at+jwt"}, map[string]any{"sub": "x"})
	if err != nil || claims(t, idp, compact, "at+jwt")["sub"] != "x" {
		t.Errorf("got %v", err)
	}
	idp.AddAudience(idptest.Audience{Issuer: "https://second.example"})
	idp.AddClient(idptest.Client{ID: "late"})
	if token := idp.IDToken(idptest.Eve, "late"); token == "" {
		t.Error("no token")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []idptest.Options{{}, {Issuer: "https://idp.example/"}, {Issuer: "idp"}, {Issuer: "https://idp.example", Algorithm: "HS256"}} {
		if _, err := idptest.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
