package grant_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
)

func TestConsider(t *testing.T) {
	p := newPeople(t)
	considered, err := p.Consider(t.Context(), p.consideration(t, map[string]string{"resource": notesURI + " " + wikiURI, "scope": "openid notes:read wiki:read"}))
	must(t, err)
	if len(considered.Resources) != 2 || strings.Join(considered.Resources[0].Scopes, " ") != "notes:read" || strings.Join(considered.Resources[1].Scopes, " ") != "wiki:read" ||
		len(considered.Decisions) != 2 {
		t.Fatalf("%+v", considered)
	}
	if len(p.journal.entries) != 2 {
		t.Fatalf("%d entries", len(p.journal.entries))
	}
	for i, e := range p.journal.entries {
		if e.Event.Type != audit.TypeConsidered || e.Event.Outcome != audit.Allowed || e.Decision.ID != considered.Decisions[i] || e.Decision.Action != "authorize" ||
			e.Event.Client != "agent" || e.Event.OnBehalf != p.uid(t, "alice") || e.Event.Resource != considered.Resources[i].Resource.Name || e.Token != nil {
			t.Errorf("%+v", e.Event)
		}
		if input := string(e.Decision.Input); strings.Contains(input, "auth_method") || strings.Contains(input, "grant_type") || !strings.Contains(input, `"profile":"sign-in"`) {
			t.Errorf("policy saw %s", input)
		}
	}
}

// A resource of which nothing is asked is left out; one that policy denies denies the request.
func TestConsiderSeveral(t *testing.T) {
	both := map[string]string{"resource": notesURI + " " + wikiURI, "scope": "notes:read"}
	p := newPeople(t)
	considered, err := p.Consider(t.Context(), p.consideration(t, both))
	if err != nil || len(considered.Resources) != 1 || considered.Resources[0].Resource.Name != "notes" {
		t.Errorf("%+v, %v", considered, err)
	}
	both["scope"] = "notes:read wiki:read"
	p.decides(t, `{"allow": input.resource.name == "notes", "scopes": input.resource.scopes}`)
	if considered, err := p.Consider(t.Context(), p.consideration(t, both)); oauth.AsError(err).Code != oauth.CodePolicyDenied || len(considered.Resources) != 0 {
		t.Errorf("%+v, %v", considered, err)
	}
}

func TestConsiderRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, p *people)
		code   oauth.Code
	}{
		"policy says no":          {decides(`{"allow": input.action != "authorize", "scopes": input.resource.scopes}`), oauth.CodePolicyDenied},
		"policy leaves no scope":  {decides(`{"allow": true, "scopes": []}`), oauth.CodeScopeEmpty},
		"policy wants to see him": {decides(`{"allow": true, "scopes": input.resource.scopes, "step_up": {"acr_values": ["other"], "max_age": 5}}`), oauth.CodeStepUpRequired},
		"the user is disabled":    {set(object.KindUser, "alice", "status", "suspended"), oauth.CodeUserInactive},
		"the IdP is disabled":     {set(object.KindIdentityProvider, "acme", "disabled", true), oauth.CodeSignInIdPDisabled},
		"signed out":              {func(_ *testing.T, p *people) { p.session = nil }, oauth.CodeSessionEnded},
		"too many groups":         {func(_ *testing.T, p *people) { p.profile.GroupsState = "overage" }, oauth.CodeGroupsOverage},
		"a guest":                 {func(_ *testing.T, p *people) { p.profile.Guest = true }, oauth.CodeGuestDenied},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			k := p.consideration(t, nil)
			c.change(t, p)
			k.Tenant = p.picture(t)
			_, err := p.Consider(t.Context(), k)
			refusal := oauth.AsError(err)
			if refusal.Code != c.code {
				t.Fatalf("%v, want %s", err, c.code)
			}
			e := p.journal.last(t)
			if e.Event.Type != audit.TypeAuthorizeRefused || e.Event.Code != string(c.code) {
				t.Errorf("%+v", e.Event)
			}
			if c.code == oauth.CodeStepUpRequired && (refusal.Members["acr_values"] != "other" || e.Event.Outcome != audit.Challenged) {
				t.Errorf("%v, %s", refusal.Members, e.Event.Outcome)
			}
		})
	}
}

func TestCodeIsDurableFirst(t *testing.T) {
	p := newPeople(t)
	k := p.consideration(t, nil)
	considered, err := p.Consider(t.Context(), k)
	must(t, err)
	order := grant.CodeOrder{Consideration: k, Considered: considered, Identity: []string{"openid", "email"}, Offline: true}
	p.journal.answers = []error{ledger.ErrUnavailable}
	if code, err := p.Code(t.Context(), order); oauth.AsError(err).Code != oauth.CodeLedgerUnavailable || !code.IsZero() {
		t.Fatalf("%v", err)
	}
	sealed, err := p.Code(t.Context(), order)
	must(t, err)
	e := p.journal.last(t)
	if e.Event.Type != audit.TypeCodeIssued || e.Event.Scope != "notes:read notes:write openid" || e.Event.Decision != considered.Decisions[0] || len(e.Pictures) == 0 ||
		e.Event.Detail["redirect_uri"] != redirectURI || e.Event.Detail["offline"] != "true" || strings.Contains(e.Event.Scope, "email") {
		t.Errorf("%+v", e.Event)
	}
	if strings.Contains(e.Event.Detail["redirect_uri"], sealed.Reveal()) {
		t.Error("the code is on record")
	}
	for name, broken := range map[string]grant.CodeOrder{"nothing": {Consideration: k}, "no decision": {Consideration: k, Considered: grant.Considered{Resources: considered.Resources}}} {
		if _, err := p.Code(t.Context(), broken); err == nil {
			t.Errorf("a code for %s", name)
		}
	}
	p.session = nil
	if _, err := p.Code(t.Context(), order); oauth.AsError(err).Code != oauth.CodeSessionEnded {
		t.Errorf("signed out: %v", err)
	}
}

// The tenant changed between the person's yes and the code: policy is asked again, and what he saw must still be so.
func TestCodeOnAnOlderPicture(t *testing.T) {
	for name, c := range map[string]struct {
		decision string
		code     oauth.Code
	}{
		"nothing of it": {`{"allow": true, "scopes": input.resource.scopes}`, ""},
		"less":          {`{"allow": true, "scopes": ["notes:read"]}`, oauth.CodePolicyDenied},
		"no":            {`{"allow": false}`, oauth.CodePolicyDenied},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			k := p.consideration(t, nil)
			considered, err := p.Consider(t.Context(), k)
			must(t, err)
			p.journal.answers = []error{ledger.ErrStale}
			p.decides(t, c.decision)
			code, err := p.Code(t.Context(), grant.CodeOrder{Consideration: k, Considered: considered})
			if c.code == "" && (err != nil || code.IsZero()) || c.code != "" && (oauth.AsError(err).Code != c.code || !code.IsZero()) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What no code could hold is refused before the person is asked, and by a code of the catalogue.
func TestConsiderRefusesWhatFitsIntoNoCode(t *testing.T) {
	var specs strings.Builder
	long, resources := strings.Repeat("x", 250), ""
	scopes := make([]string, 3)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("%s%d", long, i)
	}
	for i := range 8 {
		fmt.Fprintf(&specs, "---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: r%d}\nspec: {uri: \"https://mcp.acme.com/r%d\", scopes: {%s: {}, %s: {}, %s: {}}}\n", i, i, scopes[0], scopes[1], scopes[2])
		resources += fmt.Sprintf(" https://mcp.acme.com/r%d", i)
	}
	p := newPeople(t, change{"  resources: [notes, wiki, old]\n  plan", "  resources: [notes, wiki, old, r0, r1, r2, r3, r4, r5, r6, r7]\n  plan"},
		change{"  scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n  resources: [notes", "  scopes: [" + strings.Join(scopes, ", ") + "]\n  resources: [notes"},
		change{"---\napiVersion: chancery/v1\nkind: User", specs.String() + "---\napiVersion: chancery/v1\nkind: User"})
	k := p.consideration(t, map[string]string{"resource": resources, "scope": strings.Join(scopes, " ")})
	considered, err := p.Consider(t.Context(), k)
	if oauth.AsError(err).Code != oauth.CodeParameterTooLarge || len(considered.Resources) != 0 {
		t.Fatalf("%d resources, %v", len(considered.Resources), err)
	}
	if e := p.journal.last(t).Event; e.Type != audit.TypeAuthorizeRefused || e.Code != "parameter_too_large" {
		t.Errorf("%+v", e)
	}
	k = p.consideration(t, map[string]string{"resource": strings.Fields(resources)[0], "scope": strings.Join(scopes, " ")})
	if _, err := p.Consider(t.Context(), k); err != nil {
		t.Errorf("one of them: %v", err)
	}
}

// An IdP's clock that is a little ahead of ours makes nobody who has just signed in there somebody who has not.
func TestConsiderByTheClockOfAnIdP(t *testing.T) {
	for ahead, met := range map[time.Duration]bool{30 * time.Second: true, 2 * time.Minute: false} {
		p := newPeople(t)
		p.decides(t, `{"allow": true, "scopes": input.resource.scopes, "step_up": {"acr_values": ["phr"], "max_age": 5}}`)
		p.session.Proof.AuthTime = p.now.Add(ahead)
		if _, err := p.Consider(t.Context(), p.consideration(t, nil)); (err == nil) != met {
			t.Errorf("%s ahead: %v", ahead, err)
		}
	}
}
