package grant_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authzen"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/policy"
)

// gate is a lender's world in which resources ask.
type gate struct{ *lender }

func newGate(t *testing.T, changes ...change) *gate {
	t.Helper()
	l := newLender(t, append([]change{{"groups_from: [claim]", "groups_from: [claim, directory]"}}, changes...)...)
	subjects, ok := l.Vending.Subjects.(*introspect.Endpoints)
	if !ok {
		t.Fatal("no subjects")
	}
	c := l.Config
	c.Questions, c.Policy = &grant.Questions{Subjects: subjects, Clients: l.source.Clients()}, policy.NewInProcess(5*time.Second, policy.WithApprovals())
	var err error
	l.Grants, err = grant.New(c)
	must(t, err)
	return &gate{l}
}

// query is a valid question: may agent do notes:read for alice, who showed her token?
func (g *gate) query(t *testing.T) authzen.Evaluation {
	t.Helper()
	return authzen.Evaluation{
		Subject: authzen.Entity{Type: "user", ID: g.uidOf(t, "User", "alice")}, Action: "notes:read",
		Resource: authzen.Entity{Type: "resource", ID: notesURI},
		Context:  authzen.Context{AccessToken: g.token(t)},
	}
}

// unshown is the same without the token.
func (g *gate) unshown(t *testing.T) authzen.Evaluation {
	t.Helper()
	e := g.query(t)
	e.Context = authzen.Context{ClientID: "agent"}
	return e
}

func (g *gate) request(t *testing.T, semantic authzen.Semantic, questions ...authzen.Evaluation) grant.EvaluationRequest {
	t.Helper()
	m := authzen.Request{Semantic: semantic, Boxed: len(questions) > 1}
	for _, q := range questions {
		m.Items = append(m.Items, authzen.Item{Evaluation: q})
	}
	return grant.EvaluationRequest{
		Tenant: g.picture(t), Trace: "trc_gate", Remote: "192.0.2.9", RequestID: "req-1", Message: m,
		Authorization: []string{basic("notes-server", secretText)},
	}
}

// basic is RFC 6749 §2.3.1; nothing in these names needs escapes.
func basic(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

func (g *gate) evaluate(t *testing.T, e authzen.Evaluation) grant.Verdict {
	t.Helper()
	verdicts, err := g.Evaluate(t.Context(), g.request(t, authzen.ExecuteAll, e))
	if err != nil || len(verdicts) != 1 {
		t.Fatalf("%v %v", verdicts, err)
	}
	return verdicts[0]
}

// input is what policy saw at the last decision.
func (g *gate) input(t *testing.T) map[string]any {
	t.Helper()
	d := g.journal.last(t).Decision
	if d == nil {
		t.Fatal("policy was not asked")
	}
	var in map[string]any
	must(t, json.Unmarshal(d.Input, &in))
	return in
}

func TestEvaluate(t *testing.T) {
	g := newGate(t)
	e := g.query(t)
	e.Context.IP = netip.MustParseAddr("203.0.113.5")
	v := g.evaluate(t, e)
	if !v.Allow || v.Refusal != nil || v.Unasked || !strings.HasPrefix(v.Decision, "dec_") {
		t.Fatalf("%+v", v)
	}
	entry := g.journal.last(t)
	event := entry.Event
	if entry.Token != nil || len(entry.Redemptions) != 0 || entry.Decision.ID != v.Decision || entry.Decision.Action != "evaluate" || !entry.Decision.Allow {
		t.Errorf("%+v", entry)
	}
	if event.Type != audit.TypeEvaluated || event.Outcome != audit.Allowed || event.Principal.Name != "notes-server" || event.Client != "notes-server" ||
		event.Resource != "notes" || event.Scope != "notes:read" || event.OnBehalf != e.Subject.ID || event.Decision != v.Decision || event.Trace != "trc_gate" ||
		event.Detail["for_client"] != "agent" || event.Detail["request_id"] != "req-1" || event.Detail["token_shown"] != "true" || event.IdP != "acme" || event.AssertionBy != "" {
		t.Errorf("%+v", event)
	}
	in := g.input(t)
	want := map[string]string{
		"action": `"evaluate"`, "client": `{"dpop":false,"environment":"","id":"agent"`, "network": `{"ip":"203.0.113.5"}`,
		"requested": `{"scopes":["notes:read"]}`, "available_scopes": `["notes:read","notes:write"]`, "asserted": `{"scopes":["notes:read","notes:write"]}`,
		"issuer": `{"id":"https://idp.acme.com","name":"acme","preset":"generic"}`,
	}
	for name, expected := range want {
		got, err := json.Marshal(in[name])
		must(t, err)
		if name == "client" {
			c, _ := in["client"].(map[string]any)
			if c["id"] != "agent" || c["plan"] != "pro" || c["auth_method"] != nil {
				t.Errorf("client %s", got)
			}
			continue
		}
		if string(got) != expected {
			t.Errorf("%s %s, want %s", name, got, expected)
		}
	}
	user, _ := in["user"].(map[string]any)
	said, _ := in["assertion"].(map[string]any)
	if user["id"] != e.Subject.ID || user["groups_state"] != "complete" || said["profile"] != "access-token" || in["grant_type"] != nil {
		t.Errorf("user %v, assertion %v", user, said)
	}
	if strings.Contains(string(entry.Decision.Input), e.Context.AccessToken) {
		t.Error("the token is written down")
	}
}

// Without a token nothing is known of a sign-in, nor of what was asserted; and the caller's address is not the subject's.
func TestEvaluateWithoutAToken(t *testing.T) {
	g := newGate(t)
	e := g.unshown(t)
	if v := g.evaluate(t, e); !v.Allow {
		t.Fatalf("%+v", v.Refusal)
	}
	in := g.input(t)
	for _, absent := range []string{"assertion", "asserted", "network", "grant_type", "actor"} {
		if in[absent] != nil {
			t.Errorf("%s is %v", absent, in[absent])
		}
	}
	user, _ := in["user"].(map[string]any)
	if user["groups_source"] != "directory" || user["id"] != e.Subject.ID {
		t.Errorf("user %v", user)
	}
	e.Subject.Type = "identity"
	e.Resource = authzen.Entity{Type: "mcp_server", ID: notesURI}
	if v := g.evaluate(t, e); !v.Allow {
		t.Errorf("as gateways for MCP ask: %+v", v.Refusal)
	}
	e.Resource = authzen.Entity{Type: "resource", ID: "notes"}
	if v := g.evaluate(t, e); !v.Allow {
		t.Errorf("by the name of the Resource: %+v", v.Refusal)
	}
}

func TestEvaluateOfAClient(t *testing.T) {
	for _, kind := range []string{"client", "identity"} {
		g := newGate(t)
		e := g.query(t)
		e.Subject, e.Context = authzen.Entity{Type: kind, ID: "agent"}, authzen.Context{}
		if v := g.evaluate(t, e); !v.Allow {
			t.Fatalf("%+v", v.Refusal)
		}
		in := g.input(t)
		actor, _ := in["actor"].(map[string]any)
		if in["user"] != nil || actor["kind"] != "client" {
			t.Errorf("user %v, actor %v", in["user"], actor)
		}
		e.Context.AccessToken = g.ownToken(t)
		if v := g.evaluate(t, e); !v.Allow {
			t.Errorf("with its token: %+v", v.Refusal)
		}
	}
}

// ownToken is an access token of the agent's for itself (RFC 6749 §4.4).
func (g *gate) ownToken(t *testing.T) string {
	t.Helper()
	response, err := g.send(t, ask{trace: "trc_3", form: map[string][]string{
		"grant_type": {oauth.GrantTypeClientCredentials}, "scope": {"notes:read"}, "resource": {notesURI}, "client_id": {"agent"}, "client_secret": {secretText},
	}})
	must(t, err)
	return response.AccessToken
}

// Each changes one thing of a question that is answered with yes.
func TestEvaluateDenies(t *testing.T) {
	for name, test := range map[string]struct {
		changes []change
		edit    func(t *testing.T, g *gate, e *authzen.Evaluation)
		code    oauth.Code
		unasked bool
		policy  bool // a decision was recorded
	}{
		"another's resource": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Resource.ID = wikiURI }, oauth.CodeEvaluationResourceNotOwn, true, false},
		"no such resource":   {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Resource.ID = "https://nowhere.example" }, oauth.CodeEvaluationResourceNotOwn, true, false},
		"another type":       {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Resource.Type = "tool" }, oauth.CodeEvaluationResourceNotOwn, true, false},
		"a name as mcp_server": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Resource = authzen.Entity{Type: "mcp_server", ID: "notes"}
		}, oauth.CodeEvaluationResourceNotOwn, true, false},
		"nobody's resource":  {[]change{{"  server: {client: notes-server}\n", ""}}, nil, oauth.CodeEvaluationResourceNotOwn, true, false},
		"no such action":     {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Action = "tools/call" }, oauth.CodeEvaluationActionUnknown, false, false},
		"outside the client": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Action = "notes:admin" }, oauth.CodeScopeEmpty, false, false},
		"outside the token": {nil, func(t *testing.T, g *gate, e *authzen.Evaluation) {
			response, err := g.send(t, g.ask(t).with("scope", "notes:read"))
			must(t, err)
			e.Context.AccessToken, e.Action = response.AccessToken, "notes:write"
		}, oauth.CodeScopeEmpty, false, false},
		"no token of ours": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Context.AccessToken = "a.b.c" }, oauth.CodeEvaluationTokenInvalid, false, false},
		"a revoked token": {nil, func(t *testing.T, g *gate, _ *authzen.Evaluation) {
			for _, entry := range g.journal.entries {
				if entry.Token != nil {
					g.revoked[entry.Token.ID] = true
				}
			}
		}, oauth.CodeEvaluationTokenInvalid, false, false},
		"an expired token":               {nil, func(_ *testing.T, g *gate, _ *authzen.Evaluation) { g.now = g.now.Add(time.Hour) }, oauth.CodeEvaluationTokenInvalid, false, false},
		"another subject's token":        {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Subject.ID = "usr_01KAK6Z5G00000000000000000" }, oauth.CodeEvaluationTokenInvalid, false, false},
		"a person's token as a client's": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Subject.Type = "client" }, oauth.CodeEvaluationTokenInvalid, false, false},
		"a subject of another type":      {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Subject.Type = "group" }, oauth.CodeEvaluationTokenInvalid, false, false},
		"another client's token":         {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Context.ClientID = "other" }, oauth.CodeEvaluationTokenInvalid, false, false},
		"a client's token as a person's": {nil, func(t *testing.T, g *gate, e *authzen.Evaluation) {
			e.Context.AccessToken, e.Subject.ID = g.ownToken(t), "agent"
		}, oauth.CodeEvaluationTokenInvalid, false, false},
		"no client":      {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Context = authzen.Context{} }, oauth.CodeEvaluationClientUnknown, false, false},
		"no such client": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) { e.Context = authzen.Context{ClientID: "nobody"} }, oauth.CodeEvaluationClientUnknown, false, false},
		"two clients": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Subject, e.Context = authzen.Entity{Type: "client", ID: "agent"}, authzen.Context{ClientID: "other"}
		}, oauth.CodeEvaluationClientUnknown, false, false},
		"a disabled client": {[]change{{"  plan: pro\n", "  plan: pro\n  disabled: true\n"}}, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Context = authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationClientUnknown, false, false},
		"a client that does not reach": {[]change{{"resources: [notes, wiki, old]\n  plan", "resources: [wiki]\n  plan"}}, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Context = authzen.Context{ClientID: "agent"}
		}, oauth.CodeResourceNotAllowed, false, false},
		"nobody": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Subject.ID, e.Context = "usr_01KAK6Z5G00000000000000000", authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"his name at the IdP": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Subject.ID, e.Context = "00u1alice", authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"his address": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Subject.ID, e.Context = "alice@acme.com", authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"a person as a client": {nil, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Subject.Type, e.Context = "client", authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"a person of no IdP": {[]change{{"identities: [{idp: acme, sub: 00u1alice}]", "identities: []"}}, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Context = authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"a suspended person": {[]change{{"status: active", "status: disabled"}}, func(_ *testing.T, _ *gate, e *authzen.Evaluation) {
			e.Context = authzen.Context{ClientID: "agent"}
		}, oauth.CodeEvaluationSubjectUnknown, false, false},
		"policy":       {[]change{policyOf(`{"allow": input.action != "evaluate", "scopes": input.resource.scopes, "deny": [d | d := "never"; input.action == "evaluate"]}`)}, nil, oauth.CodePolicyDenied, false, true},
		"no policy":    {[]change{{"  role: grant\n", "  role: grant\n  applies_to: {actions: [issue]}\n"}}, nil, oauth.CodePolicyNone, false, true},
		"other scopes": {[]change{policyOf(`{"allow": true, "scopes": [s | some s in input.resource.scopes; not input.action == "evaluate"]}`)}, nil, oauth.CodeScopeEmpty, false, true},
		"approval":     {[]change{policyOf(`object.union({"allow": true, "scopes": input.resource.scopes}, {k: v | some k, v in {"approval": {"group": "security", "within": 600}}; input.action == "evaluate"})`)}, nil, oauth.CodeApprovalRequired, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, test.changes...)
			e := g.questionFor(t, test.edit)
			before := len(g.journal.entries)
			v := g.evaluate(t, e)
			if v.Allow || v.Refusal == nil || v.Refusal.Code != test.code || v.Unasked != test.unasked || (v.Decision != "") != test.policy {
				t.Fatalf("%+v %v, want %s", v, v.Refusal, test.code)
			}
			entry := g.journal.last(t)
			if len(g.journal.entries) != before+1 || entry.Event.Type != audit.TypeEvaluated || entry.Event.Outcome == audit.Allowed || entry.Event.Code != string(test.code) || (entry.Decision != nil) != test.policy {
				t.Errorf("recorded %+v", entry.Event)
			}
			if entry.Event.Principal.Name != "notes-server" {
				t.Errorf("by %+v", entry.Event.Principal)
			}
		})
	}
}

// questionFor is a valid question with one thing changed. Where no token can be had, none is shown.
func (g *gate) questionFor(t *testing.T, edit func(*testing.T, *gate, *authzen.Evaluation)) authzen.Evaluation {
	t.Helper()
	e := authzen.Evaluation{
		Subject: authzen.Entity{Type: "user", ID: g.uidOf(t, "User", "alice")}, Action: "notes:read", Resource: authzen.Entity{Type: "resource", ID: notesURI},
		Context: authzen.Context{ClientID: "agent"},
	}
	if response, err := g.send(t, g.ask(t, idptest.WithClaim("groups", []string{"staff"}))); err == nil {
		e.Context = authzen.Context{AccessToken: response.AccessToken}
	}
	if edit != nil {
		edit(t, g, &e)
	}
	return e
}

func TestEvaluateSaysWhatAStepUpTakes(t *testing.T) {
	demand := policyOf(`object.union({"allow": true, "scopes": input.resource.scopes}, {k: v | some k, v in {"step_up": {"acr_values": ["phr"], "max_age": 300}}; input.action == "evaluate"})`)
	g := newGate(t, demand)
	v := g.evaluate(t, g.query(t))
	if v.Allow || v.Refusal.Code != oauth.CodeStepUpRequired || v.Refusal.Members["acr_values"] != "phr" || v.Refusal.Members["max_age"] != int64(300) && v.Refusal.Members["max_age"] == nil {
		t.Fatalf("%+v %v", v, v.Refusal)
	}
	if _, link := v.Refusal.Members["interaction_uri"]; link || g.journal.last(t).Event.Outcome != audit.Challenged {
		t.Errorf("%v", v.Refusal.Members)
	}
	// Whoever's token says so has met it.
	met, err := g.send(t, g.ask(t, idptest.WithClaim("acr", "phr"), idptest.WithClaim("auth_time", g.now.Add(-time.Minute).Unix())))
	must(t, err)
	e := g.query(t)
	e.Context.AccessToken = met.AccessToken
	if v := g.evaluate(t, e); !v.Allow {
		t.Errorf("met, and %v", v.Refusal)
	}
	g.now = g.now.Add(5 * time.Minute) // the token lives on, the authentication is too old
	if v := g.evaluate(t, e); v.Allow || v.Refusal.Code != oauth.CodeStepUpRequired {
		t.Errorf("%+v", v)
	}
	// Nobody can prove anything for a program.
	e.Subject, e.Context = authzen.Entity{Type: "client", ID: "agent"}, authzen.Context{}
	if v := g.evaluate(t, e); v.Allow || v.Refusal.Code != oauth.CodePolicyDenied {
		t.Errorf("%+v", v)
	}
}

func TestEvaluateTurnsAwayWhoProvesNothing(t *testing.T) {
	g := newGate(t)
	for name, headers := range map[string][]string{
		"nobody": nil, "a wrong secret": {basic("notes-server", "wrong")}, "no such client": {basic("nobody", secretText)}, "two": {basic("notes-server", secretText), basic("notes-server", secretText)},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.request(t, authzen.ExecuteAll, g.unshown(t))
			r.Authorization = headers
			before, turned := len(g.journal.entries), len(g.lane.events)
			_, err := g.Evaluate(t.Context(), r)
			if status := oauth.Public(oauth.AsError(err).Code).Status; err == nil || status != 401 && status != 400 {
				t.Fatalf("%v", err)
			}
			if len(g.journal.entries) != before || len(g.lane.events) != turned+1 || g.lane.last(t).Principal.Kind != "anonymous" {
				t.Error("recorded as somebody's")
			}
		})
	}
	r := g.request(t, authzen.ExecuteAll, g.unshown(t))
	r.Authorization, r.Message.ClientID = nil, "notes-server" // a name is no proof
	if _, err := g.Evaluate(t.Context(), r); oauth.Public(oauth.AsError(err).Code).Status != 401 {
		t.Errorf("%v", err)
	}
	// Who serves another resource, or none, is told the same of this one as of none at all.
	r = g.request(t, authzen.ExecuteAll, g.unshown(t))
	r.Authorization = []string{basic("other", secretText)}
	if verdicts, err := g.Evaluate(t.Context(), r); err != nil || verdicts[0].Refusal.Code != oauth.CodeEvaluationResourceNotOwn {
		t.Errorf("%v %v", verdicts, err)
	}
}

func TestEvaluateMany(t *testing.T) {
	g := newGate(t)
	yes := g.query(t)
	no, foreign := yes, yes
	no.Action, foreign.Resource.ID = "notes:admin", wikiURI
	for _, test := range []struct {
		semantic authzen.Semantic
		ask      []authzen.Evaluation
		want     []bool
	}{
		{authzen.ExecuteAll, []authzen.Evaluation{yes, no, foreign, yes}, []bool{true, false, false, true}},
		{authzen.DenyOnFirstDeny, []authzen.Evaluation{yes, no, yes}, []bool{true, false}},
		{authzen.DenyOnFirstDeny, []authzen.Evaluation{foreign, yes}, []bool{false}},
		{authzen.DenyOnFirstDeny, []authzen.Evaluation{yes, yes}, []bool{true, true}},
		{authzen.PermitOnFirstPermit, []authzen.Evaluation{no, yes, no}, []bool{false, true}},
		{authzen.PermitOnFirstPermit, []authzen.Evaluation{no, foreign}, []bool{false, false}},
	} {
		before := len(g.journal.entries)
		verdicts, err := g.Evaluate(t.Context(), g.request(t, test.semantic, test.ask...))
		must(t, err)
		var got []bool
		for _, v := range verdicts {
			got = append(got, v.Allow)
		}
		if !slices.Equal(got, test.want) || len(g.journal.entries) != before+len(test.want) {
			t.Errorf("%s: %v, want %v; %d records", test.semantic, got, test.want, len(g.journal.entries)-before)
		}
	}
	r := g.request(t, authzen.ExecuteAll, yes, yes)
	r.Message.Items[0] = authzen.Item{Malformed: oauth.Refuse(oauth.CodeEvaluationActionMissing, "no action", "action")}
	before := len(g.journal.entries)
	verdicts, err := g.Evaluate(t.Context(), r)
	if err != nil || !verdicts[0].Unasked || verdicts[0].Allow || !verdicts[1].Allow || len(g.journal.entries) != before+1 {
		t.Errorf("%v %v", verdicts, err)
	}
}

// In order, whatever the number, and under the race detector.
func TestEvaluateKeepsTheOrder(t *testing.T) {
	g := newGate(t)
	yes := g.query(t)
	no := yes
	no.Action = "notes:admin"
	var all []authzen.Evaluation
	for i := range authzen.MaxEvaluations {
		all = append(all, []authzen.Evaluation{yes, no}[i%2])
	}
	verdicts, err := g.Evaluate(t.Context(), g.request(t, authzen.ExecuteAll, all...))
	must(t, err)
	seen := map[string]bool{}
	for i, v := range verdicts {
		if v.Allow != (i%2 == 0) || v.Allow && seen[v.Decision] {
			t.Fatalf("%d: %+v", i, v)
		}
		seen[v.Decision] = true
	}
}

// What cannot be written down is not answered.
func TestEvaluateUnrecorded(t *testing.T) {
	g := newGate(t)
	r := g.request(t, authzen.ExecuteAll, g.unshown(t))
	g.journal.answers = []error{errors.New("disk")}
	if verdicts, err := g.Evaluate(t.Context(), r); err == nil || verdicts != nil || oauth.AsError(err).Code != oauth.CodeLedgerUnavailable {
		t.Fatalf("%v %v", verdicts, err)
	}
	// One of several: the whole message is not answered.
	r = g.request(t, authzen.ExecuteAll, g.unshown(t), g.unshown(t))
	g.journal.answers = []error{nil, errors.New("disk")}
	if verdicts, err := g.Evaluate(t.Context(), r); err == nil || verdicts != nil {
		t.Fatalf("%v %v", verdicts, err)
	}
}

// Decided on an older picture: again on the newer one, with who asks looked at afresh.
func TestEvaluateAgainWhereTheTenantChanged(t *testing.T) {
	g := newGate(t)
	r := g.request(t, authzen.ExecuteAll, g.unshown(t))
	g.journal.answers = []error{ledger.ErrStale, ledger.ErrStale}
	if verdicts, err := g.Evaluate(t.Context(), r); err != nil || !verdicts[0].Allow {
		t.Fatalf("%v %v", verdicts, err)
	}
	g.journal.answers = slices.Repeat([]error{ledger.ErrStale}, 4)
	if _, err := g.Evaluate(t.Context(), r); err == nil || oauth.AsError(err).Code != oauth.CodeTenantUnavailable {
		t.Fatalf("%v", err)
	}
}

// A database that cannot be asked is no no.
func TestEvaluateNotKnown(t *testing.T) {
	g := newGate(t)
	e := g.query(t)
	g.behind = 1 // the token's record is of a newer picture than there is
	if verdicts, err := g.Evaluate(t.Context(), g.request(t, authzen.ExecuteAll, e)); err == nil {
		t.Fatalf("%v", verdicts)
	}
}

// The same question gives the same answer on what was recorded: nothing that policy saw is lost on the way into the log.
func TestEvaluateIsDecidedAgainTheSame(t *testing.T) {
	g := newGate(t)
	if v := g.evaluate(t, g.query(t)); !v.Allow {
		t.Fatal(v.Refusal)
	}
	d := g.journal.last(t).Decision
	in, _, err := policy.ParseRecorded(d.Input)
	must(t, err)
	again := policy.NewInProcess(5*time.Second).Decide(t.Context(), g.picture(t).Policies, in)
	if !again.Allow || in.Action != policy.ActionEvaluate {
		t.Errorf("%+v", again)
	}
}

func TestQuestionsValidate(t *testing.T) {
	g := newGate(t)
	for _, q := range []grant.Questions{{}, {Subjects: g.Vending.Subjects}, {Clients: g.source.Clients()}} {
		c := g.Config
		c.Questions = &q
		if _, err := grant.New(c); err == nil {
			t.Error("a check would be empty")
		}
	}
	l := newLender(t)
	if _, err := l.Evaluate(t.Context(), g.request(t, authzen.ExecuteAll)); err == nil {
		t.Error("answered where nobody asks")
	}
}
