package grant_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestCode(t *testing.T) {
	p := newPeople(t)
	response, minted := p.granted(t, p.exchange(t, nil))
	claims := minted.Claims()
	if claims.Subject != p.uid(t, "alice") || claims.Audience != notesURI || claims.ClientID != "agent" || claims.Scope != "notes:read notes:write openid" ||
		claims.ACR != "phr" || !claims.AuthTime.Equal(p.session.Proof.AuthTime) || len(claims.AMR) != 1 {
		t.Errorf("%+v", claims)
	}
	if response.Scope != "notes:read notes:write openid offline_access" || !strings.HasPrefix(response.RefreshToken, "rft_") || response.IDToken == "" || response.TokenType != "Bearer" {
		t.Errorf("scope %q, refresh token %t, ID token %t", response.Scope, response.RefreshToken != "", response.IDToken != "")
	}
	e := p.journal.last(t)
	if e.Event.Type != audit.TypeTokenIssued || e.Event.OnBehalf != p.uid(t, "alice") || e.Event.IdP != "acme" || e.Event.AssertionBy != "" || e.Event.Detail["refresh_family"] == "" {
		t.Errorf("%+v", e.Event)
	}
	if len(e.Redemptions) != 1 || e.Redemptions[0].Space != code.Space || e.Redemptions[0].Origin != e.Token.Origin || e.Token.Origin == "" || e.Family.Origin != e.Token.Origin {
		t.Errorf("%+v %+v", e.Redemptions, e.Token)
	}
	f := p.families.only(t)
	if f.UserUID != p.uid(t, "alice") || f.IdPUID != p.idpUID(t) || !f.Offline || f.Session != p.session.Handle || f.ACR != "phr" || !f.AuthTime.Equal(p.session.Proof.AuthTime) ||
		f.Thumbprint != "" || f.Idle != p.limits.Idle || f.Absolute != p.limits.Absolute || len(f.Resources) != 1 || strings.Join(f.Resources[0].Scopes, " ") != "notes:read notes:write" {
		t.Errorf("%+v", f)
	}
	if e.Decision.Action != "issue" || !strings.Contains(string(e.Decision.Input), `"profile":"sign-in"`) || strings.Contains(string(e.Decision.Input), `"asserted"`) ||
		!strings.Contains(string(e.Decision.Input), `"groups":["editors"]`) {
		t.Errorf("policy saw %s", e.Decision.Input)
	}
}

// What was not asked for, or cannot be used, is not given.
func TestCodeGivesNoMore(t *testing.T) {
	t.Run("no openid", func(t *testing.T) {
		p := newPeople(t)
		response, minted := p.granted(t, p.exchange(t, map[string]string{"scope": "notes:read"}))
		if response.IDToken != "" || response.Scope != "notes:read" || minted.Claims().Scope != "notes:read" || p.families.only(t).Offline {
			t.Errorf("%q, %+v", response.Scope, p.families.only(t))
		}
	})
	t.Run("no refresh", func(t *testing.T) {
		p := newPeople(t, change{"[authorization_code, refresh_token]", "[authorization_code]"})
		if response, _ := p.granted(t, p.exchange(t, nil)); response.RefreshToken != "" || len(p.families.all) != 0 || strings.Contains(response.Scope, "offline") {
			t.Errorf("%+v", p.families.all)
		}
	})
	t.Run("auth_time unknown", func(t *testing.T) {
		p := newPeople(t)
		p.session.Proof.AuthTime = time.Time{}
		if _, minted := p.granted(t, p.exchange(t, nil)); !minted.Claims().AuthTime.IsZero() {
			t.Errorf("auth_time %s", minted.Claims().AuthTime)
		}
	})
	t.Run("the token request's scope", func(t *testing.T) {
		p := newPeople(t)
		if response, _ := p.granted(t, p.exchange(t, map[string]string{"scope": "notes:read"}).with("scope", "notes:write notes:admin")); response.Scope != "notes:read" {
			t.Errorf("scope %q", response.Scope)
		}
	})
}

func TestCodeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		changes []change
		break_  func(p *people, a ask) ask
		code    oauth.Code
	}{
		"no code":              {nil, func(_ *people, a ask) ask { return a.with("code") }, oauth.CodeParameterMissing},
		"another text":         {nil, func(_ *people, a ask) ask { return a.with("code", "cod_x") }, oauth.CodeCodeInvalid},
		"late":                 {nil, func(p *people, a ask) ask { p.now = p.now.Add(time.Minute); return a }, oauth.CodeCodeExpired},
		"no verifier":          {nil, func(_ *people, a ask) ask { return a.with("code_verifier") }, oauth.CodeParameterMissing},
		"another verifier":     {nil, func(_ *people, a ask) ask { return a.with("code_verifier", strings.Repeat("v", 43)) }, oauth.CodeCodeVerifierMismatch},
		"half a verifier":      {nil, func(_ *people, a ask) ask { return a.with("code_verifier", verifier[:20]) }, oauth.CodeCodeVerifierMalformed},
		"no redirect_uri":      {nil, func(_ *people, a ask) ask { return a.with("redirect_uri") }, oauth.CodeCodeRedirectMismatch},
		"another redirect_uri": {nil, func(_ *people, a ask) ask { return a.with("redirect_uri", "https://agent.example/cb") }, oauth.CodeCodeRedirectMismatch},
		"another client":       {nil, func(_ *people, a ask) ask { return a.with("client_id", "other") }, oauth.CodeCodeClientMismatch},
		"a wrong secret":       {nil, func(_ *people, a ask) ask { return a.with("client_secret", "x") }, oauth.CodeClientAuthenticationFailed},
		"no client":            {nil, func(_ *people, a ask) ask { return a.unnamed().with("client_id") }, oauth.CodeClientAuthenticationRequired},
		"another resource":     {nil, func(_ *people, a ask) ask { return a.with("resource", wikiURI) }, oauth.CodeResourceOutsideGrant},
		"two resources":        {nil, func(_ *people, a ask) ask { return a.with("resource", notesURI, wikiURI) }, oauth.CodeResourceUnsettled},
		"signed out":           {nil, func(p *people, a ask) ask { p.session = nil; return a }, oauth.CodeSessionEnded},
		"an idle session":      {nil, func(p *people, a ask) ask { p.idle = true; return a }, oauth.CodeSessionEnded},
		"another's session":    {nil, func(p *people, a ask) ask { p.session.UserUID = "usr_other"; return a }, oauth.CodeSessionEnded},
		"too many groups":      {nil, func(p *people, a ask) ask { p.profile.GroupsState = "overage"; return a }, oauth.CodeGroupsOverage},
		"a guest now":          {nil, func(p *people, a ask) ask { p.profile.Guest = true; return a }, oauth.CodeGuestDenied},
		"unreadable sessions":  {nil, func(p *people, a ask) ask { p.fails = errors.New("no database"); return a }, oauth.CodeTenantUnavailable},
		"no proof": {
			[]change{{"resources: [notes, wiki, old]\n  plan", "resources: [notes, wiki, old]\n  dpop: required\n  plan"}},
			func(_ *people, a ask) ask { return a }, oauth.CodeDPoPProofRequired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t, append(c.changes, change{"apiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}", `apiVersion: chancery/v1
kind: Client
metadata: {name: other}
spec: {auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}, grant_types: [authorization_code], scopes: ["notes:read"], resources: [notes], redirect_uris: ["https://other.example/cb"]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}`})...)
			a := p.exchange(t, nil)
			entries := len(p.journal.entries)
			p.refused(t, c.break_(p, a), c.code)
			if len(p.families.all) != 0 {
				t.Error("a family began")
			}
			for _, e := range p.journal.entries[entries:] {
				for _, r := range e.Redemptions {
					if r.Space == code.Space {
						t.Error("the code was used up by a refusal")
					}
				}
			}
		})
	}
}

// What changed since the person agreed is looked at again.
func TestCodeAfterAChange(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, p *people)
		code   oauth.Code
	}{
		"the user is disabled":       {set(object.KindUser, "alice", "status", "suspended"), oauth.CodeUserInactive},
		"the IdP is disabled":        {set(object.KindIdentityProvider, "acme", "disabled", true), oauth.CodeSignInIdPDisabled},
		"the client is disabled":     {set(object.KindClient, "agent", "disabled", true), oauth.CodeClientAuthenticationFailed},
		"the grant is gone":          {set(object.KindClient, "agent", "grant_types", []string{"refresh_token"}), oauth.CodeClientGrantNotAllowed},
		"the redirect URI is gone":   {set(object.KindClient, "agent", "redirect_uris", []string{"https://agent.example/cb"}), oauth.CodeCodeRedirectRemoved},
		"the resource is disabled":   {set(object.KindResource, "notes", "disabled", true), oauth.CodeResourceNotAllowed},
		"the resource is not its":    {set(object.KindClient, "agent", "resources", []string{"wiki"}), oauth.CodeResourceNotAllowed},
		"the scopes are gone":        {set(object.KindClient, "agent", "scopes", []string{"wiki:read"}), oauth.CodeScopeEmpty},
		"policy says no":             {decides(`{"allow": false}`), oauth.CodePolicyDenied},
		"policy wants to see him":    {decides(`{"allow": true, "scopes": input.resource.scopes, "step_up": {"max_age": 5}}`), oauth.CodeStepUpRequired},
		"policy wants it stronger":   {decides(`{"allow": true, "scopes": input.resource.scopes, "step_up": {"acr_values": ["other"]}}`), oauth.CodeStepUpRequired},
		"policy looks at the groups": {decides(`{"allow": "staff" in input.user.groups, "scopes": input.resource.scopes}`), oauth.CodePolicyDenied},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			a := p.exchange(t, nil)
			c.change(t, p)
			p.refused(t, a, c.code)
		})
	}
}

func set(kind object.Kind, name, member string, value any) func(*testing.T, *people) {
	return func(t *testing.T, p *people) {
		t.Helper()
		p.edit(t, kind, name, func(spec map[string]any) { spec[member] = value })
	}
}

func decides(decision string) func(*testing.T, *people) {
	return func(t *testing.T, p *people) { t.Helper(); p.decides(t, decision) }
}

// A second use is refused, and ends what came of the first.
func TestCodeTwice(t *testing.T) {
	p := newPeople(t)
	a := p.exchange(t, nil)
	first, _ := p.granted(t, a)
	p.refused(t, a, oauth.CodeCodeUsed)
	if event := p.journal.conflicts[0]; event.Code != "code_used" || event.Detail["ended"] == "" {
		t.Errorf("%+v", event)
	}
	if end := p.families.only(t).End; end == nil || end.Why != "reuse" {
		t.Errorf("%+v", end)
	}
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodeRefreshTokenEnded)
}

// redeemed tells what the journal has.
type redeemed struct{ *journal }

func (r redeemed) Redeemed(_ context.Context, once ledger.Redemption) (bool, error) {
	return r.redeemed[key(once)], nil
}

// So does a second use that would have been refused for something else: who comes second is not asked to be the right one.
func TestCodeTwiceAndWrong(t *testing.T) {
	for name, wrong := range map[string]func(p *people, a ask) ask{
		"another resource": func(_ *people, a ask) ask { return a.with("resource", wikiURI) },
		"signed out":       func(p *people, a ask) ask { p.session = nil; return a },
		"taken back":       func(p *people, a ask) ask { p.families.took = 1 << 40; return a },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			p.Uses = redeemed{p.journal}
			a := p.exchange(t, nil)
			p.granted(t, a)
			p.refused(t, wrong(p, a), oauth.CodeCodeUsed)
			if e := p.journal.last(t); e.Event.Code != "code_used" || e.Event.Detail["ended"] != "reuse" || e.Event.OnBehalf != p.uid(t, "alice") {
				t.Errorf("%+v", e.Event)
			}
			if end := p.families.only(t).End; end == nil || end.Why != "reuse" {
				t.Errorf("%+v", end)
			}
			// A first one that is wrong stays what it was.
			p = newPeople(t)
			p.Uses = redeemed{p.journal}
			p.refused(t, p.exchange(t, nil).with("resource", wikiURI), oauth.CodeResourceOutsideGrant)
			if e := p.journal.last(t); e.Ending != nil {
				t.Errorf("%+v", e.Ending)
			}
		})
	}
}

// A public client shows its name, the code and the verifier; who shows less is a stranger.
func TestCodeOfAPublicClient(t *testing.T) {
	p := newPeople(t, publicSpec)
	a := p.exchange(t, nil).unnamed()
	p.refused(t, a.with("code_verifier", strings.Repeat("v", 43)), oauth.CodeCodeVerifierMismatch)
	if event := p.lane.last(t); event.Principal.Kind != "anonymous" {
		t.Errorf("%+v", event)
	}
	strangers := len(p.lane.events)
	p.refused(t, a.with("code_verifier", verifier).with("resource", wikiURI), oauth.CodeResourceOutsideGrant)
	if len(p.lane.events) != strangers {
		t.Error("who holds a code and its verifier is a stranger")
	}
	h := newHolder(t)
	response, minted := p.granted(t, a.with("resource").proved(t, h, p.now))
	if response.TokenType != "DPoP" || minted.Claims().Thumbprint != h.thumbprint || p.families.only(t).Thumbprint != h.thumbprint {
		t.Errorf("%s, bound to %q, the family to %q", response.TokenType, minted.Claims().Thumbprint, p.families.only(t).Thumbprint)
	}
}

func TestCodeBoundToAKey(t *testing.T) {
	p, h := newPeople(t), newHolder(t)
	a := p.exchange(t, map[string]string{"dpop_jkt": h.thumbprint})
	p.refused(t, a, oauth.CodeCodeKeyMismatch)
	p.refused(t, a.proved(t, newHolder(t), p.now), oauth.CodeCodeKeyMismatch)
	p.granted(t, a.proved(t, h, p.now))
	if f := p.families.only(t); f.Thumbprint != "" { // RFC 9449 §5: what authenticates the client binds its refresh tokens
		t.Errorf("a confidential client's family is bound to %q", f.Thumbprint)
	}
}

// Two resources were granted: each token is for one, and one that was granted.
func TestCodeForTwoResources(t *testing.T) {
	both := map[string]string{"resource": notesURI + " " + wikiURI, "scope": "notes:read wiki:read"}
	p := newPeople(t)
	a := p.exchange(t, both)
	p.refused(t, a, oauth.CodeResourceUnsettled)
	p.refused(t, a.with("resource", "https://mcp.acme.com/payroll"), oauth.CodeResourceOutsideGrant)
	response, _ := p.granted(t, a.with("resource", wikiURI))
	if response.Resource != wikiURI || response.Scope != "wiki:read" {
		t.Errorf("%s for %s", response.Scope, response.Resource)
	}
	again, _ := p.granted(t, p.refresh(response.RefreshToken).with("resource", notesURI))
	if again.Resource != notesURI || again.Scope != "notes:read" {
		t.Errorf("%s for %s", again.Scope, again.Resource)
	}
}

// Without what people need, none of their grants is served.
func TestNobodySignsInHere(t *testing.T) {
	w := newWorld(t)
	for _, grantType := range []string{oauth.GrantTypeAuthorizationCode, oauth.GrantTypeRefreshToken} {
		w.refused(t, w.ask(t, idptest.WithClaim("jti", grantType)).with("grant_type", grantType), oauth.CodeGrantTypeUnsupported)
	}
}

// TestCodeTakenBack: a code from before its person took his word back gives nothing, one from after it does. What was
// looked up before he did so does not make a later code.
func TestCodeTakenBack(t *testing.T) {
	p := newPeople(t)
	a := p.exchange(t, nil)
	p.families.took = p.picture(t).Version + 1
	p.refused(t, a, oauth.CodeCodeRevoked)
	if len(p.families.all) != 0 || len(p.journal.last(t).Redemptions) != 0 {
		t.Error("something came of it")
	}

	// The desk finds that he agreed; he takes it back; the code is made on the picture after that.
	k := p.consideration(t, nil)
	considered, err := p.Consider(t.Context(), k)
	must(t, err)
	p.store.Newer++
	p.journal.answers = []error{ledger.ErrStale}
	sealed, err := p.Code(t.Context(), grant.CodeOrder{Consideration: k, Considered: considered})
	must(t, err)
	if p.picture(t).Version < p.families.took {
		t.Fatalf("version %d, taken back at %d", p.picture(t).Version, p.families.took)
	}
	p.refused(t, a.with("code", sealed.Reveal()), oauth.CodeCodeRevoked)

	p.granted(t, p.exchange(t, nil))
	a = p.exchange(t, nil)
	p.families.fail = errors.New("no database")
	p.refused(t, a, oauth.CodeTenantUnavailable)
}
