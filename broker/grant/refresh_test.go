package grant_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
)

func TestRefresh(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	began := p.session.Proof.AuthTime
	p.now = p.now.Add(time.Hour)
	p.profile.Groups = []string{"others"}
	p.session.Proof.AuthTime, p.session.Proof.ACR = p.now, "other" // the session was raised since: what was granted was not
	second, minted := p.granted(t, p.refresh(first.RefreshToken))
	claims := minted.Claims()
	if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken || second.Scope != first.Scope || second.IDToken == "" {
		t.Errorf("%v", second)
	}
	if !claims.AuthTime.Equal(began) || claims.ACR != "phr" || claims.Scope != "notes:read notes:write openid" {
		t.Errorf("%+v", claims)
	}
	e := p.journal.last(t)
	if e.Rotation == nil || e.Rotation.From != 1 || e.Rotation.Repeat || e.Rotation.Idle != p.limits.Idle || e.Token.Origin != p.families.only(t).Origin || len(e.Redemptions) != 0 {
		t.Errorf("%+v", e.Rotation)
	}
	if input := string(e.Decision.Input); e.Decision.Action != "refresh" || !strings.Contains(input, `"groups":["others"]`) || !strings.Contains(input, `"acr":"phr"`) {
		t.Errorf("policy saw %s", input)
	}
	if e.Event.Detail["refresh_family"] != p.families.only(t).ID {
		t.Errorf("%+v", e.Event)
	}
	p.granted(t, p.refresh(second.RefreshToken))
}

// A lost answer does no harm: within the grace the same client and key gets the same successor, and a fresh access token.
func TestGrace(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	p.now = p.now.Add(time.Hour)
	second, one := p.granted(t, p.refresh(first.RefreshToken))
	p.now = p.now.Add(9 * time.Second)
	again, two := p.granted(t, p.refresh(first.RefreshToken))
	if again.RefreshToken != second.RefreshToken || one.Claims().ID == two.Claims().ID || p.families.only(t).Generation != 2 {
		t.Errorf("another successor, at generation %d", p.families.only(t).Generation)
	}
	if r := p.journal.last(t).Rotation; !r.Repeat || r.From != 2 {
		t.Errorf("%+v", r)
	}
	// The grace counts from the rotation, and is not prolonged by its use.
	p.now = p.now.Add(2 * time.Second)
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodeRefreshTokenReused)
	e := p.journal.last(t)
	if e.Ending == nil || *e.Ending != (ledger.Ending{Origin: p.families.only(t).Origin, Why: ledger.EndedByReuse}) || e.Event.Code != "refresh_token_reused" ||
		e.Event.Detail["ended"] != "reuse" || e.Event.Detail["refresh_family"] == "" || e.Event.OnBehalf != p.uid(t, "alice") || e.Event.Outcome != audit.Refused {
		t.Errorf("%+v", e)
	}
	for _, token := range []string{first.RefreshToken, second.RefreshToken} {
		p.refused(t, p.refresh(token), oauth.CodeRefreshTokenEnded)
	}
}

// Of two generations ago nothing is known that would be harmless, however short ago.
func TestTwoGenerationsAgo(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	second, _ := p.granted(t, p.refresh(first.RefreshToken))
	p.granted(t, p.refresh(second.RefreshToken))
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodeRefreshTokenReused)
}

// The database lost what it gave: a token of a generation to come.
func TestGenerationToCome(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	second, _ := p.granted(t, p.refresh(first.RefreshToken))
	p.families.only(t).Generation = 1
	p.refused(t, p.refresh(second.RefreshToken), oauth.CodeRefreshTokenReused)
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodeRefreshTokenEnded)
}

func TestRefreshRefused(t *testing.T) {
	for name, c := range map[string]struct {
		params map[string]string
		change func(t *testing.T, p *people, a ask) ask
		code   oauth.Code
	}{
		"no token":     {nil, func(_ *testing.T, _ *people, a ask) ask { return a.with("refresh_token") }, oauth.CodeParameterMissing},
		"another text": {nil, func(_ *testing.T, _ *people, a ask) ask { return a.with("refresh_token", "rft_x") }, oauth.CodeRefreshTokenInvalid},
		"a changed token": {nil, func(_ *testing.T, _ *people, a ask) ask {
			return a.with("refresh_token", flip(a.form.Get("refresh_token")))
		}, oauth.CodeRefreshTokenInvalid},
		"another key's":      {nil, func(_ *testing.T, p *people, a ask) ask { p.keys.keys = [][]byte{{2}}; return a }, oauth.CodeRefreshTokenInvalid},
		"a family that went": {nil, func(_ *testing.T, p *people, a ask) ask { clear(p.families.all); return a }, oauth.CodeRefreshTokenInvalid},
		"another client":     {nil, func(_ *testing.T, p *people, a ask) ask { p.someFamily().ClientUID = "cli_other"; return a }, oauth.CodeRefreshClientMismatch},
		"another key":        {nil, func(_ *testing.T, p *people, a ask) ask { p.someFamily().Thumbprint = "jkt"; return a }, oauth.CodeRefreshKeyMismatch},
		"revoked": {nil, func(_ *testing.T, p *people, a ask) ask {
			p.someFamily().End = &refresh.End{Why: refresh.Revoked}
			return a
		}, oauth.CodeRefreshTokenEnded},
		"idle":                    {nil, func(_ *testing.T, p *people, a ask) ask { p.now = p.now.Add(24 * time.Hour); return a }, oauth.CodeRefreshTokenExpired},
		"unlinked since":          {nil, after(unlink), oauth.CodeUserInactive},
		"an IdP elsewhere":        {nil, func(_ *testing.T, p *people, a ask) ask { p.someFamily().Issuer = "https://idp.elsewhere"; return a }, oauth.CodeSignInIdPDisabled},
		"of no issuer":            {nil, func(_ *testing.T, p *people, a ask) ask { p.someFamily().Issuer = ""; return a }, oauth.CodeSignInIdPDisabled},
		"over":                    {nil, func(_ *testing.T, p *people, a ask) ask { p.someFamily().ExpiresAt = p.now; return a }, oauth.CodeRefreshTokenExpired},
		"signed out":              {map[string]string{"scope": "notes:read"}, func(_ *testing.T, p *people, a ask) ask { p.session = nil; return a }, oauth.CodeSessionEnded},
		"another resource":        {nil, func(_ *testing.T, _ *people, a ask) ask { return a.with("resource", wikiURI) }, oauth.CodeResourceOutsideGrant},
		"more scopes":             {nil, func(_ *testing.T, _ *people, a ask) ask { return a.with("scope", "notes:read notes:admin") }, oauth.CodeScopeOutsideGrant},
		"who he is, not asked":    {map[string]string{"scope": "notes:read"}, func(_ *testing.T, _ *people, a ask) ask { return a.with("scope", "notes:read openid") }, oauth.CodeScopeOutsideGrant},
		"a malformed scope":       {nil, func(_ *testing.T, _ *people, a ask) ask { return a.with("scope", `"`) }, oauth.CodeScopeMalformed},
		"too many groups":         {nil, func(_ *testing.T, p *people, a ask) ask { p.profile.GroupsState = "overage"; return a }, oauth.CodeGroupsOverage},
		"no database":             {nil, func(_ *testing.T, p *people, a ask) ask { p.families.fail = errors.New("no database"); return a }, oauth.CodeTenantUnavailable},
		"the user is disabled":    {nil, after(set(object.KindUser, "alice", "status", "suspended")), oauth.CodeUserInactive},
		"the IdP is disabled":     {nil, after(set(object.KindIdentityProvider, "acme", "disabled", true)), oauth.CodeSignInIdPDisabled},
		"the client is disabled":  {nil, after(set(object.KindClient, "agent", "disabled", true)), oauth.CodeClientAuthenticationFailed},
		"the user is deleted":     {nil, after(buried), oauth.CodeUserInactive},
		"the grant is gone":       {nil, after(set(object.KindClient, "agent", "grant_types", []string{"authorization_code"})), oauth.CodeClientGrantNotAllowed},
		"the resource is gone":    {nil, after(set(object.KindResource, "notes", "disabled", true)), oauth.CodeResourceNotAllowed},
		"policy says no":          {nil, after(decides(`{"allow": input.action != "refresh", "scopes": input.resource.scopes}`)), oauth.CodePolicyDenied},
		"policy wants to see him": {nil, after(decides(`{"allow": true, "scopes": input.resource.scopes, "step_up": {"max_age": 5}}`)), oauth.CodeStepUpRequired},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			first := p.first(t, c.params)
			generation := p.families.only(t).Generation
			p.refused(t, c.change(t, p, p.refresh(first.RefreshToken)), c.code)
			for _, f := range p.families.all {
				if f.Generation != generation || f.End != nil && f.End.Why == ledger.EndedByReuse {
					t.Errorf("the refusal used it up: %+v", f)
				}
			}
		})
	}
}

// flip changes a character in the middle.
func flip(text string) string {
	b := []byte(text)
	b[40] ^= 1
	return string(b)
}

func after(change func(*testing.T, *people)) func(*testing.T, *people, ask) ask {
	return func(t *testing.T, p *people, a ask) ask {
		t.Helper()
		change(t, p)
		return a
	}
}

// unlink takes alice from the IdP.
func unlink(t *testing.T, p *people) {
	t.Helper()
	stored, err := p.store.Get(t.Context(), p.picture(t).UID, object.KindUser, "alice")
	must(t, err)
	stored.Keys = slices.DeleteFunc(slices.Clone(stored.Keys), func(k object.Key) bool { return k.Space == object.SpaceIdentity })
	stored.Revision++
	_, err = p.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true}}})
	must(t, err)
	p.refreshed(t)
}

// buried deletes alice.
func buried(t *testing.T, p *people) {
	t.Helper()
	stored, err := p.store.Get(t.Context(), p.picture(t).UID, object.KindUser, "alice")
	must(t, err)
	stored.Keys, stored.Revision = nil, stored.Revision+1
	_, err = p.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true, Deleted: true}}})
	must(t, err)
	p.refreshed(t)
}

func (p *people) someFamily() *refresh.Family {
	for _, f := range p.families.all {
		return f
	}
	return nil
}

// A policy that changes its mind finds the token where it was.
func TestRefusalLeavesTheToken(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	p.decides(t, `{"allow": false}`)
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodePolicyDenied)
	p.decides(t, `{"allow": true, "scopes": input.resource.scopes}`)
	p.granted(t, p.refresh(first.RefreshToken))
}

// What was granted beyond the session goes on without it; an idle session ends nothing.
func TestRefreshAndSession(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	p.session = nil
	p.granted(t, p.refresh(first.RefreshToken))

	p = newPeople(t)
	bound := p.first(t, map[string]string{"scope": "notes:read"})
	p.idle = true
	p.granted(t, p.refresh(bound.RefreshToken))
}

// A refresh may narrow; the family keeps what was granted (RFC 6749 §6).
func TestRefreshNarrows(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	second, minted := p.granted(t, p.refresh(first.RefreshToken).with("scope", "notes:read openid"))
	if minted.Claims().Scope != "notes:read openid" {
		t.Errorf("scope %q", minted.Claims().Scope)
	}
	third, _ := p.granted(t, p.refresh(second.RefreshToken))
	if third.Scope != first.Scope {
		t.Errorf("then %q", third.Scope)
	}
	// Who he is goes with openid, and is not named here.
	fourth, minted := p.granted(t, p.refresh(third.RefreshToken).with("scope", "notes:read"))
	if minted.Claims().Scope != "notes:read" || fourth.IDToken != "" {
		t.Errorf("scope %q, ID token %t", minted.Claims().Scope, fourth.IDToken != "")
	}
}

// Nobody but the client with its key can use a public client's token, nor end anything with it.
func TestRefreshOfAPublicClient(t *testing.T) {
	p, h := newPeople(t, publicSpec), newHolder(t)
	first, _ := p.granted(t, p.exchange(t, nil).unnamed().proved(t, h, p.now))
	second, minted := p.granted(t, p.refresh(first.RefreshToken).unnamed().proved(t, h, p.now))
	if minted.Claims().Thumbprint != h.thumbprint {
		t.Errorf("bound to %q", minted.Claims().Thumbprint)
	}
	p.now = p.now.Add(time.Minute)
	for name, a := range map[string]ask{"no key": p.refresh(first.RefreshToken).unnamed(), "another key": p.refresh(first.RefreshToken).unnamed().proved(t, newHolder(t), p.now)} {
		if p.refused(t, a, oauth.CodeRefreshKeyMismatch); p.families.only(t).End != nil {
			t.Errorf("%s ended the family", name)
		}
	}
	p.granted(t, p.refresh(second.RefreshToken).unnamed().proved(t, h, p.now))
	// One that is bound to no key is reused by whoever holds it, and that is told of, not lost among strangers.
	p = newPeople(t, publicSpec)
	first, _ = p.granted(t, p.exchange(t, nil).unnamed())
	p.granted(t, p.refresh(first.RefreshToken).unnamed())
	p.now = p.now.Add(time.Minute)
	p.refused(t, p.refresh(first.RefreshToken).unnamed(), oauth.CodeRefreshTokenReused)
	if e := p.journal.last(t); e.Ending == nil {
		t.Errorf("%+v", e)
	}
}

// The family moved between the decision and the commit: it is looked at again, and nothing was recorded of the first look.
func TestRefreshDecidedAgain(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	var inner grant.Response
	calls := p.journal.calls
	p.journal.before = func(n int) {
		if n == calls {
			f := p.families.only(t)
			f.Generation++ // another replica was first
			f.RotatedAt = p.now
		}
	}
	inner, _ = p.granted(t, p.refresh(first.RefreshToken))
	same, err := p.tokens.Issue(p.picture(t).UID, p.families.only(t).ID, 2)
	must(t, err)
	if inner.RefreshToken != same.Reveal() || p.families.only(t).Generation != 2 {
		t.Errorf("generation %d", p.families.only(t).Generation)
	}
	// For ever.
	p.journal.before = func(int) { p.journal.answers = []error{ledger.ErrMoved} }
	if refusal := p.refused(t, p.refresh(inner.RefreshToken), oauth.CodeTenantUnavailable); refusal.retryAfter <= 0 {
		t.Error("no Retry-After")
	}
}

// What was made under an old root key counts, and its successor is made under the new one.
func TestRefreshAfterARotationOfTheKeyring(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	p.keys.keys = [][]byte{{2}, {1}}
	second, _ := p.granted(t, p.refresh(first.RefreshToken))
	p.keys.keys = [][]byte{{2}}
	p.granted(t, p.refresh(second.RefreshToken))
}

// Times are the database's: whatever our clock says, none is compared with it.
func TestRefreshWhileOurClockMoves(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	database := p.now
	p.families.now = func() time.Time { return database }
	for _, jump := range []time.Duration{-24 * time.Hour, 48 * time.Hour, -10 * time.Minute} {
		p.now = p.now.Add(jump)
		first, _ = p.granted(t, p.refresh(first.RefreshToken))
	}
}

// Whoever holds a public client's token of a family that is over is a stranger: what he asks is counted, and fills nothing.
func TestStrangersWithOldTokensFillNothing(t *testing.T) {
	for name, c := range map[string]struct {
		over func(p *people)
		code oauth.Code
	}{
		"ended":   {func(p *people) { p.someFamily().End = &refresh.End{Why: refresh.Revoked} }, oauth.CodeRefreshTokenEnded},
		"expired": {func(p *people) { p.someFamily().ExpiresAt = p.now }, oauth.CodeRefreshTokenExpired},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t, publicSpec)
			first, _ := p.granted(t, p.exchange(t, nil).unnamed())
			c.over(p)
			before := len(p.journal.entries)
			p.refused(t, p.refresh(first.RefreshToken).unnamed(), c.code)
			if len(p.journal.entries) != before {
				t.Error("it has an event of its own")
			}
			if e := p.lane.last(t); e.Code != string(c.code) || e.Detail["received"] == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

var emailSpec = change{"  scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n  resources", "  scopes: [email, \"notes:read\", \"notes:write\", \"wiki:read\"]\n  resources"}

// A refresh says no more of the person than the client may know now.
func TestRefreshSaysNoMoreOfThePerson(t *testing.T) {
	p := newPeople(t, emailSpec)
	first, minted := p.granted(t, p.exchange(t, map[string]string{"scope": "openid email notes:read offline_access"}))
	if !strings.Contains(minted.Claims().Scope, "email") {
		t.Fatalf("scope %q", minted.Claims().Scope)
	}
	p.edit(t, object.KindClient, "agent", func(spec map[string]any) {
		spec["scopes"] = []string{"notes:read", "notes:write"}
	})
	second, minted := p.granted(t, p.refresh(first.RefreshToken))
	if minted.Claims().Scope != "notes:read openid" || strings.Contains(second.Scope, "email") {
		t.Errorf("scope %q, %q", minted.Claims().Scope, second.Scope)
	}
	if said, err := base64.RawURLEncoding.DecodeString(strings.Split(second.IDToken, ".")[1]); err != nil || strings.Contains(string(said), "email") {
		t.Errorf("it says %s", said)
	}
}

// What a resource calls by the name of an identity scope since is the resource's: nobody let the client have that.
func TestRefreshGivesNoScopeOfTheSameName(t *testing.T) {
	p := newPeople(t, emailSpec)
	first, _ := p.granted(t, p.exchange(t, map[string]string{"scope": "openid email notes:read offline_access"}))
	p.edit(t, object.KindResource, "notes", func(spec map[string]any) {
		scopes, _ := spec["scopes"].(map[string]any)
		scopes["email"] = map[string]any{}
	})
	if _, minted := p.granted(t, p.refresh(first.RefreshToken)); minted.Claims().Scope != "notes:read openid" {
		t.Errorf("scope %q", minted.Claims().Scope)
	}
}
