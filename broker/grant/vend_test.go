package grant_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

func TestVend(t *testing.T) {
	l := newLender(t)
	made := l.connects(t, l.alice(t), "alice", "read", "write")
	request := l.exchange(t)
	response := l.lent(t, request)
	v := response.Vended
	if response.TokenType != "Bearer" || response.Scope != "issues:read" || response.ExpiresIn <= 0 || v.Provider != "tracker" || v.Account == "" || v.Narrowed ||
		v.Header != "Authorization" || v.Endless {
		t.Errorf("answered %+v, %+v", response, v)
	}
	// Ten minutes is what the token lives for which it was lent; the provider's lives longer.
	if want := l.now.Add(10 * time.Minute).Truncate(time.Second); !v.CacheUntil.Equal(want) {
		t.Errorf("to be kept until %s, want %s", v.CacheUntil, want)
	}
	entry := l.journal.last(t)
	if entry.Event.Type != audit.TypeTokenVended || entry.Event.Decision != v.DecisionID || entry.Decision.Action != "vend" || entry.Token != nil || len(entry.Pictures) == 0 {
		t.Errorf("recorded %+v", entry.Event)
	}
	if d := entry.Event.Detail; d["connection"] != made.ID || d["account"] != made.Account.ID || d["narrowed"] != "false" || d["provider"] != "tracker" || d["provider_scopes"] != "read" {
		t.Errorf("told of %v", d)
	}
	if entry.Event.OnBehalf != l.alice(t).UID {
		t.Errorf("on behalf of %q", entry.Event.OnBehalf)
	}
	text, err := json.Marshal(entry.Event)
	must(t, err)
	l.hides(t, string(text), response.AccessToken, request.form.Get("subject_token"))
	l.hides(t, string(entry.Decision.Input), response.AccessToken, request.form.Get("subject_token"))
	if !slices.Equal(l.vends, []string{"tracker|"}) {
		t.Errorf("counted %v", l.vends)
	}
	found, err := l.memory.Load(t.Context(), made.Tenant, made.ID)
	must(t, err)
	if found.LastUsedBy != "agent" {
		t.Errorf("used by %q", found.LastUsedBy)
	}
	var input struct {
		Connection struct {
			Provider, Account string
			Scopes            []string
		}
		Available []string `json:"available_scopes"`
		User      struct {
			GroupNames []string `json:"group_names"`
		}
		Asserted struct{ Scopes []string }
	}
	must(t, json.Unmarshal(entry.Decision.Input, &input))
	if input.Connection.Provider != "tracker" || input.Connection.Account == "" || !slices.Equal(input.Connection.Scopes, []string{"issues:read", "issues:write"}) ||
		!slices.Equal(input.User.GroupNames, []string{"staff"}) || len(input.Asserted.Scopes) == 0 || slices.Contains(input.Available, "admin") {
		t.Errorf("policy saw %s", entry.Decision.Input)
	}
}

// T45: the provider never sees the token that the agent brought.
func TestVendForwardsNothing(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	request := l.exchange(t)
	l.now = l.now.Add(23 * time.Hour) // it must be refreshed
	request.form.Set("subject_token", l.token(t))
	l.lent(t, request)
	if l.server.Count("refresh") == 0 {
		t.Error("nothing was asked of the provider")
	}
	for _, seen := range l.server.Seen() {
		text, err := json.Marshal(seen)
		must(t, err)
		l.hides(t, string(text), request.form.Get("subject_token"))
	}
}

// T44: with any of tenant, subject, client, resource or provider swapped there is nothing, and all of it reads the same.
func TestVendBindsEverything(t *testing.T) {
	for name, test := range map[string]struct {
		code   oauth.Code
		change func(*testing.T, *lender, ask)
		config change
	}{
		"another provider":       {code: oauth.CodeProviderUnknown, change: func(_ *testing.T, _ *lender, a ask) { a.form.Set("audience", "payroll") }},
		"a disabled provider":    {code: oauth.CodeProviderUnknown, config: change{"  manifest: linear\n", "  disabled: true\n  manifest: linear\n"}},
		"another client":         {code: oauth.CodeVendCallerMismatch, change: func(_ *testing.T, _ *lender, a ask) { a.form.Set("client_id", "other") }},
		"a client not allowed":   {code: oauth.CodeProviderClientNotAllowed, config: change{"allow: {clients: [agent]", "allow: {clients: [other]"}},
		"no clients":             {code: oauth.CodeProviderClientNotAllowed, config: change{"allow: {clients: [agent], resources", "allow: {resources"}},
		"a resource not allowed": {code: oauth.CodeProviderResourceNotAllowed, config: change{"resources: [notes]}\n---\napiVersion: chancery/v1\nkind: User", "resources: [wiki]}\n---\napiVersion: chancery/v1\nkind: User"}},
		"no resources":           {code: oauth.CodeProviderResourceNotAllowed, config: change{"clients: [agent], resources: [notes]}\n---\napiVersion: chancery/v1\nkind: User", "clients: [agent]}\n---\napiVersion: chancery/v1\nkind: User"}},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []change
			if test.config.from != "" {
				changes = append(changes, test.config)
			}
			l := newLender(t, changes...)
			l.connects(t, l.alice(t), "alice", "read")
			a := l.exchange(t)
			if test.change != nil {
				test.change(t, l, a)
			}
			refusal := l.notLent(t, a, test.code)
			wire := refusal.Wire(issuer, "trc_2")
			if wire.Status != 400 || wire.Error != "access_denied" || !strings.HasPrefix(wire.Description, "vend_not_allowed: ") || len(wire.Members) != 0 {
				t.Errorf("outside it reads %+v", wire)
			}
			if len(l.links) != 0 {
				t.Error("a link was given")
			}
		})
	}
}

// Of others' connections nothing opens, whatever account is named.
func TestVendFindsOwnConnectionsOnly(t *testing.T) {
	l := newLender(t)
	l.connects(t, connection.Owner{Kind: connection.User, UID: "usr_bob"}, "bob", "read")
	l.connects(t, connection.Owner{Kind: connection.Client, UID: l.alice(t).UID}, "carol", "read") // the same uid, of another kind
	l.connects(t, connection.Owner{Kind: connection.Client, UID: l.uidOf(t, "Client", "agent")}, "dan", "read")
	for _, account := range []string{"", "bob", "carol", "dan"} {
		l.notLent(t, l.exchange(t).with("account", account), oauth.CodeConnectionRequired)
	}
}

// A row that is put in another's place does not open.
func TestVendDoesNotOpenSwappedRows(t *testing.T) {
	l := newLender(t)
	own := l.connects(t, l.alice(t), "alice", "read")
	bobs := l.connects(t, connection.Owner{Kind: connection.User, UID: "usr_bob"}, "bob", "read")
	other, err := l.memory.Load(t.Context(), bobs.Tenant, bobs.ID)
	must(t, err)
	must(t, l.memory.Alter(own.Tenant, own.ID, func(s *connection.Stored) { s.Blob = other.Blob }))
	refusal := l.notLent(t, l.exchange(t), oauth.CodeCredentialUnopened)
	if wire := refusal.Wire(issuer, ""); wire.Status != 503 || !strings.HasPrefix(wire.Description, "vault_unavailable") {
		t.Errorf("outside it reads %+v", wire)
	}
	if !slices.Contains(l.alerts, connection.AlertUnopened) {
		t.Errorf("alerts: %v", l.alerts)
	}
}

func TestVendFormIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		code   oauth.Code
		change func(ask) ask
	}{
		"no subject_token":      {oauth.CodeParameterMissing, func(a ask) ask { return a.with("subject_token") }},
		"no subject_token_type": {oauth.CodeParameterMissing, func(a ask) ask { return a.with("subject_token_type") }},
		"no audience":           {oauth.CodeParameterMissing, func(a ask) ask { return a.with("audience") }},
		"an ID token":           {oauth.CodeExchangeFormUnsupported, func(a ask) ask { return a.with("subject_token_type", "urn:ietf:params:oauth:token-type:id_token") }},
		"a refresh token wanted": {oauth.CodeExchangeFormUnsupported, func(a ask) ask {
			return a.with("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
		}},
		"a resource":         {oauth.CodeExchangeFormUnsupported, func(a ask) ask { return a.with("resource", notesURI) }},
		"an actor":           {oauth.CodeExchangeActorUnsupported, func(a ask) ask { return a.with("actor_token", "x") }},
		"an unknown key":     {oauth.CodeProviderScopeUnknown, func(a ask) ask { return a.with("scope", "issues:read read") }},
		"no scope":           {oauth.CodeProviderScopeMissing, func(a ask) ask { return a.with("scope") }},
		"a malformed scope":  {oauth.CodeScopeMalformed, func(a ask) ask { return a.with("scope", "issues:read  admin") }},
		"min_ttl of words":   {oauth.CodeMinTTLInvalid, func(a ask) ask { return a.with("min_ttl", "10m") }},
		"min_ttl of nothing": {oauth.CodeMinTTLInvalid, func(a ask) ask { return a.with("min_ttl", "0") }},
		"min_ttl of days":    {oauth.CodeMinTTLInvalid, func(a ask) ask { return a.with("min_ttl", "43201") }},
		"no token of ours":   {oauth.CodeSubjectTokenInvalid, func(a ask) ask { return a.with("subject_token", "x.y.z") }},
		"no client":          {oauth.CodeClientAuthenticationRequired, func(a ask) ask { return a.with("client_id").with("client_secret") }},
		"a wrong secret":     {oauth.CodeClientAuthenticationFailed, func(a ask) ask { return a.with("client_secret", "wrong") }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLender(t)
			l.connects(t, l.alice(t), "alice", "read")
			l.notLent(t, test.change(l.exchange(t)), test.code)
		})
	}
}

func TestVendNeedsTheGrant(t *testing.T) {
	l := newLender(t, change{`"urn:ietf:params:oauth:grant-type:token-exchange", client_credentials`, `client_credentials`})
	l.notLent(t, l.exchange(t), oauth.CodeClientGrantNotAllowed)
}

func TestNothingIsLentWithoutVending(t *testing.T) {
	l := newLender(t)
	c := l.Config
	c.Vending = nil
	var err error
	l.Grants, err = grant.New(c)
	must(t, err)
	l.notLent(t, l.exchange(t), oauth.CodeGrantTypeUnsupported)
	c.Vending = &grant.Vending{}
	if _, err := grant.New(c); err == nil {
		t.Error("made without its parts")
	}
}

// A subject token counts as introspection says, at this moment.
func TestVendForTokensThatCountNoMore(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *lender){
		"expired": func(_ *testing.T, l *lender) { l.now = l.now.Add(11 * time.Minute) },
		"revoked": func(_ *testing.T, l *lender) {
			for _, e := range l.journal.entries {
				if e.Token != nil {
					l.revoked[e.Token.ID] = true
				}
			}
		},
		"not recorded": func(_ *testing.T, l *lender) { l.journal.entries = nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLender(t)
			l.connects(t, l.alice(t), "alice", "read")
			a := l.exchange(t)
			end(t, l)
			wire := l.notLent(t, a, oauth.CodeSubjectTokenInvalid).Wire(issuer, "")
			if wire.Error != "invalid_request" { // RFC 8693 §2.2.2
				t.Errorf("answered %s", wire.Error)
			}
		})
	}
}

// The server to which the token was sent may ask too; another server may not.
func TestVendToTheResourcesServer(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	a := l.exchange(t).with("client_id", "notes-server")
	l.lent(t, a)
	event := l.journal.last(t).Event
	if event.Client != "notes-server" || event.Detail["for_client"] != "agent" {
		t.Errorf("recorded %+v", event)
	}
	var input struct {
		Client struct{ Name string }
		Actor  struct {
			Chain []struct{ Sub string }
		}
	}
	must(t, json.Unmarshal(l.journal.last(t).Decision.Input, &input))
	if input.Client.Name != "agent" || len(input.Actor.Chain) != 1 || input.Actor.Chain[0].Sub != "notes-server" {
		t.Errorf("policy saw %s", l.journal.last(t).Decision.Input)
	}
}

func TestVendForBoundTokens(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	own, others := newHolder(t), newHolder(t)
	bound := l.ask(t)
	bound.proofs = []string{own.proof(t, l.now, nil)}
	issued, err := l.send(t, bound)
	must(t, err)
	id := 1
	ask := func(h *holder, ath string) ask {
		a := l.exchange(t).with("subject_token", issued.AccessToken)
		if h != nil {
			id++
			a.proofs = []string{h.proof(t, l.now, func(claims map[string]any) {
				claims["jti"] = "vend-" + string(rune('a'+id))
				if ath != "" {
					claims["ath"] = ath
				}
			})}
		}
		return a
	}
	l.notLent(t, ask(nil, ""), oauth.CodeSubjectTokenBound)
	l.notLent(t, ask(&others, ""), oauth.CodeSubjectTokenBound)
	l.notLent(t, ask(&own, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"), oauth.CodeSubjectTokenBound)
	l.lent(t, ask(&own, ""))
}

func TestVendForTheClientItself(t *testing.T) {
	l := newLender(t)
	own := ask{trace: "trc_1"}
	own.form = map[string][]string{"grant_type": {"client_credentials"}, "client_id": {"agent"}, "client_secret": {secretText}, "resource": {notesURI}}
	issued, err := l.send(t, own)
	must(t, err)
	request := l.exchange(t).with("subject_token", issued.AccessToken)
	refusal := l.notLent(t, request, oauth.CodeConnectionRequired)
	if refusal.Members["interaction_uri"] != nil || len(l.links) != 0 {
		t.Error("a link that nobody can open")
	}
	l.connects(t, l.alice(t), "alice", "read") // hers is not the client's
	l.notLent(t, request, oauth.CodeConnectionRequired)
	l.connects(t, connection.Owner{Kind: connection.Client, UID: l.uidOf(t, "Client", "agent")}, "robot", "read")
	if response := l.lent(t, request); !strings.Contains(response.Vended.Account, "robot") {
		t.Errorf("lent of %q", response.Vended.Account)
	}
	if e := l.journal.last(t).Event; e.OnBehalf != "" {
		t.Errorf("on behalf of %q", e.OnBehalf)
	}
}

func TestVendAsksToConnect(t *testing.T) {
	l := newLender(t)
	refusal := l.notLent(t, l.exchange(t), oauth.CodeConnectionRequired)
	wire := refusal.Wire(issuer, "trc_2")
	if wire.Status != 400 || wire.Error != "interaction_required" || wire.Members["interaction_uri"] != issuer+"/interact/lnk_01KAK6Z5G00000000000000000" ||
		wire.Members["provider"] != "tracker" || wire.Members["expires_in"] != int64(300) {
		t.Errorf("answered %+v", wire)
	}
	if len(l.links) != 1 || l.links[0].UserUID != l.alice(t).UID || l.links[0].ClientUID != l.uidOf(t, "Client", "agent") || !slices.Equal(l.links[0].Scopes, []string{"read"}) {
		t.Errorf("ordered %+v", l.links)
	}
	event := l.journal.last(t).Event
	if event.Type != audit.TypeTokenRefused || event.Outcome != audit.Challenged || event.Code != "connection_required" || event.Detail["provider"] != "tracker" {
		t.Errorf("recorded %+v", event)
	}
	if text, _ := json.Marshal(event); strings.Contains(string(text), "lnk_") {
		t.Error("the link is in the record")
	}
	if !slices.Equal(l.vends, []string{"tracker|connection_required"}) {
		t.Errorf("counted %v", l.vends)
	}
}

// What a person enters by hand he is asked for at a link too; it is lent as it is. For what is the company's own there is none.
func TestVendOfWhatIsEntered(t *testing.T) {
	l := newLender(t, change{"manifest: linear\n  client_id: client-1\n  client_secret: {env: TRACKER_SECRET}", "manifest: static"})
	refusal := l.notLent(t, l.exchange(t), oauth.CodeConnectionRequired)
	if refusal.Members["interaction_uri"] == nil || len(l.links) != 1 || l.links[0].ProviderUID != l.uidOf(t, "Provider", "tracker") {
		t.Errorf("members %v, ordered %+v", refusal.Members, l.links)
	}
	own := newLenderOf(t, "client-credentials")
	own.server.Set(func(s *providertest.Switches) { s.WrongSecret = true })
	if refusal := own.notLent(t, own.exchange(t), oauth.CodeProviderMisconfigured); refusal.Members["interaction_uri"] != nil || len(own.links) > 0 {
		t.Errorf("members %v, ordered %+v", refusal.Members, own.links)
	}
}

func TestVendTellsStatesApart(t *testing.T) {
	for name, test := range map[string]struct {
		status connection.Status
		code   oauth.Code
		link   bool
	}{
		"suspended":  {connection.Suspended, oauth.CodeConnectionSuspended, false},
		"to connect": {connection.ReauthorizationRequired, oauth.CodeReauthorizationRequired, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLender(t)
			made := l.connects(t, l.alice(t), "alice", "read")
			must(t, l.memory.SetStatus(t.Context(), made.Tenant, made.ID, test.status, "invalid_grant"))
			refusal := l.notLent(t, l.exchange(t), test.code)
			if (refusal.Members["interaction_uri"] != nil) != test.link {
				t.Errorf("members %v", refusal.Members)
			}
			if test.link && (refusal.Members["reason"] != "invalid_grant" || l.links[0].Account != made.Account.ID) {
				t.Errorf("members %v, ordered %+v", refusal.Members, l.links)
			}
		})
	}
}

func TestVendAsksForMore(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	refusal := l.notLent(t, l.exchange(t).with("scope", "issues:write"), oauth.CodeInsufficientProviderScope)
	missing, _ := refusal.Members["missing"].([]string)
	if !slices.Equal(missing, []string{"write"}) || refusal.Members["interaction_uri"] == nil || !slices.Equal(l.links[0].Scopes, []string{"read", "write"}) {
		t.Errorf("members %v, ordered %+v", refusal.Members, l.links)
	}
	l.lent(t, l.exchange(t)) // what is covered is lent
}

func TestVendAmongAccounts(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	second := l.connects(t, l.alice(t), "alice-at-work", "read")
	refusal := l.notLent(t, l.exchange(t), oauth.CodeAccountAmbiguous)
	if accounts, _ := refusal.Members["accounts"].([]string); len(accounts) != 2 {
		t.Errorf("members %v", refusal.Members)
	}
	if response := l.lent(t, l.exchange(t).with("account", second.Account.ID)); response.Vended.Account != second.Account.Label {
		t.Errorf("lent of %q", response.Vended.Account)
	}
	l.notLent(t, l.exchange(t).with("account", "nobody"), oauth.CodeConnectionRequired)
}

// Policy has the word before anybody is sent to connect, and before anything is opened.
func TestVendAsksPolicyFirst(t *testing.T) {
	deny := policyOf(`{"allow": input.action != "vend", "scopes": input.resource.scopes}`)
	l := newLender(t, deny)
	refusal := l.notLent(t, l.exchange(t), oauth.CodePolicyDenied)
	if wire := refusal.Wire(issuer, ""); wire.Error != "access_denied" {
		t.Errorf("answered %s", wire.Error)
	}
	if len(l.links) != 0 {
		t.Error("somebody was sent to connect for what is denied")
	}
	l.connects(t, l.alice(t), "alice", "read")
	l.outage = errors.New("opened")
	l.notLent(t, l.exchange(t), oauth.CodePolicyDenied)
}

// Policy may demand that what is lent can do no more than was asked for: it is told whether the provider can give less.
func TestVendPolicyDemandsNarrowing(t *testing.T) {
	demand := policyOf(`{"allow": count([1 | input.action != "vend"]) + count([1 | input.connection.narrowing == "native"]) > 0, "scopes": input.resource.scopes}`)
	for manifest, native := range map[string]bool{"linear": false, "client-credentials": true} {
		t.Run(manifest, func(t *testing.T) {
			l := newLenderOf(t, manifest, demand)
			if native {
				l.lent(t, l.exchange(t))
				return
			}
			l.connects(t, l.alice(t), "alice", "read")
			l.notLent(t, l.exchange(t), oauth.CodePolicyDenied)
		})
	}
}

func TestVendPolicyTakesAway(t *testing.T) {
	l := newLender(t, policyOf(`{"allow": true, "scopes": [s | s := input.resource.scopes[_]; s != "issues:write"], "lifetime": 60}`))
	l.connects(t, l.alice(t), "alice", "read", "write")
	response := l.lent(t, l.exchange(t).with("scope", "issues:read issues:write"))
	if response.Scope != "issues:read" {
		t.Errorf("lent %q", response.Scope)
	}
	if want := l.now.Add(time.Minute).Truncate(time.Second); !response.Vended.CacheUntil.Equal(want) {
		t.Errorf("to be kept until %s, want %s", response.Vended.CacheUntil, want)
	}
}

// What cannot be had now says when it can.
func TestVendOutages(t *testing.T) {
	for name, test := range map[string]struct {
		code  oauth.Code
		fault func(*lender)
	}{
		"a provider that fails": {oauth.CodeProviderUnavailable, func(l *lender) { l.server.Break("refresh", providertest.Fault{Kind: "status", Status: 503}) }},
		"a provider that has enough": {oauth.CodeProviderRateLimited, func(l *lender) {
			l.server.Break("refresh", providertest.Fault{Kind: "status", Status: 429, Header: map[string]string{"Retry-After": "7"}})
		}},
		"a registration that is none": {oauth.CodeProviderMisconfigured, func(l *lender) { l.server.Set(func(s *providertest.Switches) { s.WrongSecret = true }) }},
		"a store that is away":        {oauth.CodeTenantUnavailable, func(l *lender) { l.findErr = errStoreAway }},
		"a vault that is sealed":      {oauth.CodeVaultUnavailable, func(l *lender) { l.outage = sealed{} }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLenderOf(t, "microsoft") // whose refresh token stays good: what is lost ends nothing
			l.connects(t, l.alice(t), "alice", "read")
			l.now = l.now.Add(23*time.Hour + 59*time.Minute + 30*time.Second)
			test.fault(l)
			refusal := l.notLent(t, l.exchange(t), test.code)
			if wire := refusal.Wire(issuer, ""); wire.Status != 503 || wire.Error != "temporarily_unavailable" || refusal.Wait() <= 0 {
				t.Errorf("answered %+v, wait %s", wire, refusal.Wait())
			}
			if len(l.links) != 0 {
				t.Error("a person was sent away for what he cannot mend")
			}
		})
	}
}

var errStoreAway = errors.New("the store is away")

type sealed struct{}

func (sealed) Error() string             { return "vault is sealed" }
func (sealed) RetryAfter() time.Duration { return 30 * time.Second }

// A dead credential sends its person back, once it is known to be dead.
func TestVendOfADeadCredential(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	l.now = l.now.Add(24 * time.Hour)
	l.server.Break("refresh", providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_grant"}})
	l.notLent(t, l.exchange(t), oauth.CodeReauthorizationRequired)
	l.notLent(t, l.exchange(t), oauth.CodeReauthorizationRequired)
	if n := l.server.Count("refresh"); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestVendLongEnough(t *testing.T) {
	l := newLenderOf(t, "microsoft")
	l.connects(t, l.alice(t), "alice", "read")
	l.notLent(t, l.exchange(t).with("min_ttl", "43200"), oauth.CodeLifetimeTooShort)
	l.lent(t, l.exchange(t).with("min_ttl", "60"))
}

// What is decided on an older picture is decided again, and a refresh that came of the first try is not lost.
func TestVendStale(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	l.now = l.now.Add(24 * time.Hour)
	a := l.exchange(t)
	l.journal.answers = []error{ledger.ErrStale, ledger.ErrStale, nil}
	l.lent(t, a)
	if n := l.server.Count("refresh"); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// A connection that ends between the first look and the commit is not lent: what ends it raises the version.
func TestVendOfWhatEndsMeanwhile(t *testing.T) {
	for name, end := range map[string]func(context.Context, *lender, connection.Connection) error{
		"removed": func(ctx context.Context, l *lender, c connection.Connection) error {
			return l.memory.Remove(ctx, c.Tenant, c.ID)
		},
		"suspended": func(ctx context.Context, l *lender, c connection.Connection) error {
			return l.memory.SetStatus(ctx, c.Tenant, c.ID, connection.Suspended, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLender(t)
			made := l.connects(t, l.alice(t), "alice", "read")
			a := l.exchange(t)
			first := l.journal.calls
			l.journal.before = func(n int) {
				if n == first {
					must(t, end(t.Context(), l, made))
					l.journal.answers = []error{ledger.ErrStale}
				}
			}
			response, err := l.send(t, a)
			if err == nil || response != (grant.Response{}) {
				t.Fatalf("lent: %v", response)
			}
			for _, e := range l.journal.entries {
				if e.Event.Type == audit.TypeTokenVended {
					t.Error("a lease was recorded")
				}
			}
		})
	}
}

// Where the ledger cannot be written nothing leaves.
func TestVendIsRecordedOrNotLent(t *testing.T) {
	l := newLender(t)
	l.connects(t, l.alice(t), "alice", "read")
	a := l.exchange(t)
	l.journal.answers = []error{ledger.ErrUnavailable}
	l.notLent(t, a, oauth.CodeLedgerUnavailable)
}

func TestVendNarrowed(t *testing.T) {
	l := newLenderOf(t, "microsoft", change{`scope_map: {"issues:read": [read], "issues:write": [read, write], "admin": [admin]}`, `scope_map: {"issues:read": [Mail.Read], "issues:write": [Mail.Read, Mail.Send]}`})
	l.connects(t, l.alice(t), "alice", "Mail.Read", "Mail.Send")
	response := l.lent(t, l.exchange(t))
	if !response.Vended.Narrowed || l.journal.last(t).Event.Detail["narrowed"] != "true" {
		t.Errorf("lent %+v", response.Vended)
	}
	l.server.Set(func(s *providertest.Switches) { s.IgnoreNarrow = true })
	if response := l.lent(t, l.exchange(t)); response.Vended.Narrowed {
		t.Error("said to be narrowed")
	}
}

func TestVendOnlyNarrowed(t *testing.T) {
	l := newLender(t, change{"  manifest: linear\n", "  manifest: linear\n  require_narrowed: true\n"})
	l.connects(t, l.alice(t), "alice", "read", "write")
	l.notLent(t, l.exchange(t), oauth.CodeNarrowingUnavailable)
	response := l.lent(t, l.exchange(t).with("scope", "issues:write")) // it has nothing else
	if !response.Vended.Narrowed {
		t.Errorf("lent %+v", response.Vended)
	}
}

// RFC 9470, as at every other grant.
func TestVendStepUp(t *testing.T) {
	l := newLender(t, policyOf(`object.union({"allow": true, "scopes": input.resource.scopes}, {k: v | some k, v in {"step_up": {"acr_values": ["phr"]}}; input.action == "vend"})`))
	l.connects(t, l.alice(t), "alice", "read")
	refusal := l.notLent(t, l.exchange(t), oauth.CodeStepUpRequired)
	if wire := refusal.Wire(issuer, ""); wire.Error != "insufficient_user_authentication" || wire.Members["acr_values"] != "phr" {
		t.Errorf("answered %+v", wire)
	}
}
