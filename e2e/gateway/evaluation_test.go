package gateway

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	one     = "/access/v1/evaluation"
	many    = "/access/v1/evaluations"
	wikiURI = "https://mcp.acme.example/wiki"
)

// objects adds two servers, a resource of the other one, and a policy of any action that wants a fresh sign-in for writing.
const objects = `
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_basic}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-signer}
spec: {auth: {method: private_key_jwt, jwks: {{signer}}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: wiki-server}
spec: {auth: {method: client_secret_basic}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.example/wiki", scopes: {"notes:read": {}}, server: {client: wiki-server}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: signed}
spec: {uri: "https://mcp.acme.example/signed", scopes: {"signed:read": {}}, server: {client: notes-signer}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, groups: [notes-editors], identities: [{idp: okta, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-readers], resource: notes, scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: fresh}
spec:
  role: guard
  applies_to: {resources: [notes], actions: [evaluate]}
  modules:
    fresh.rego: |
      package chancery.authz

      writes if "notes:write" in input.requested.scopes

      decision := {"allow": true, "step_up": {"acr_values": ["phr"], "max_age": 300}} if writes

      decision := {"allow": true} if not writes
---`

// door is a world with its gateway's credentials.
type door struct {
	*harness.World
	signer *harness.Signer
	secret map[string]string
}

func newDoor(t *testing.T, e harness.Engine) *door {
	t.Helper()
	d := &door{World: harness.Start(t, harness.Options{Engine: e}), signer: harness.NewSigner(t, "k1"), secret: map[string]string{}}
	text := strings.Replace(objects, "{{signer}}", d.signer.Set(), 1) +
		strings.Replace(harness.DefaultResource, "  default_scopes", "  server: {client: notes-server}\n  default_scopes", 1)
	d.Apply(d.Server(), text)
	for _, name := range []string{"notes-server", "wiki-server"} {
		d.secret[name] = d.NewSecret("", name)
	}
	return d
}

// token is an access token for notes.
func (d *door) token(t *testing.T, who string) (compact, subject string) {
	t.Helper()
	compact = d.Send(d.Server(), d.NewCall(d.IdP.IDJAG(who))).Granted(t).AccessToken
	subject, _ = harness.Decode(t, compact).Claims["sub"].(string)
	return compact, subject
}

// uid is what a user is called here.
func (d *door) uid(t *testing.T, name string) string {
	t.Helper()
	var user struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal([]byte(d.AdminRequest(http.MethodGet, "/admin/v1/users/"+name, nil).Body), &user); err != nil || user.Metadata.UID == "" {
		t.Fatalf("no user %s: %v", name, err)
	}
	return user.Metadata.UID
}

// reply is what a question is answered with.
type reply struct {
	harness.Answer
	Decision    bool           `json:"decision"`
	Context     map[string]any `json:"context"`
	Evaluations []reply        `json:"evaluations"`
}

func (r reply) code() string {
	code, _ := r.Context["code"].(string)
	return code
}

// ask asks as a client by Basic; "" by nothing.
func (d *door) ask(t *testing.T, path, as string, message any) reply {
	t.Helper()
	text, raw := message.(string)
	if !raw {
		encoded, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		text = string(encoded)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Server().Base+path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Request-ID", "bfe9eb29-ab87")
	if as != "" {
		request.SetBasicAuth(as, d.secret[as])
	}
	answer, err := harness.Do(http.DefaultClient, request)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{Answer: answer}
	if answer.Status == http.StatusOK {
		if err := json.Unmarshal([]byte(answer.Body), &got); err != nil {
			t.Fatalf("%v: %s", err, answer.Body)
		}
	}
	if answer.Header.Get("X-Request-ID") != "bfe9eb29-ab87" {
		t.Errorf("%s: the request's id is not echoed: %v", path, answer.Header)
	}
	if answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: it may be kept: %v", path, answer.Header)
	}
	return got
}

func question(subject, action, resource string, context map[string]any) map[string]any {
	return map[string]any{
		"subject": map[string]any{"type": "user", "id": subject}, "action": map[string]any{"name": action},
		"resource": map[string]any{"type": "resource", "id": resource}, "context": context,
	}
}

// TestEvaluation: allow, deny, step-up, nobody, another's, over the wire; recorded, explained, and replayed without a flip.
func TestEvaluation(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		d := newDoor(t, e)
		token, alice := d.token(t, idptest.Alice)
		shown := map[string]any{"access_token": token}

		yes := d.ask(t, one, "notes-server", question(alice, "notes:read", harness.Notes, shown))
		if yes.Status != http.StatusOK || strings.TrimSpace(yes.Body) != `{"decision":true}` {
			id, _ := yes.Context["decision_id"].(string)
			t.Fatalf("%d %s: %v", yes.Status, yes.Body, d.Run("explain", id))
		}
		stepUp := d.ask(t, one, "notes-server", question(alice, "notes:write", harness.Notes, shown))
		if stepUp.Decision || stepUp.code() != "step_up_required" || stepUp.Context["acr_values"] != "phr" || stepUp.Context["max_age"] != float64(300) {
			t.Errorf("%s", stepUp.Body)
		}
		// Without the token: who she is and what is kept of her is known here, her sign-in is not.
		named := map[string]any{"client_id": harness.ClientID}
		if unshown := d.ask(t, one, "notes-server", question(alice, "notes:read", harness.Notes, named)); !unshown.Decision {
			t.Errorf("%s", unshown.Body)
		}
		denied := d.ask(t, one, "notes-server", question(d.uid(t, "eve"), "notes:read", harness.Notes, named))
		if denied.Decision || denied.Status != http.StatusOK || denied.code() != "policy_denied" {
			t.Errorf("%s", denied.Body)
		}
		for name, test := range map[string]struct {
			as     string
			ask    any
			status int
			code   string
		}{
			"nobody known":       {"notes-server", question("usr_01KAK6Z5G00000000000000000", "notes:read", harness.Notes, map[string]any{"client_id": "claude"}), 200, "evaluation_subject_unknown"},
			"no client":          {"notes-server", question(alice, "notes:read", harness.Notes, map[string]any{}), 200, "evaluation_client_unknown"},
			"no such action":     {"notes-server", question(alice, "tools/call", harness.Notes, shown), 200, "evaluation_action_unknown"},
			"nonsense as token":  {"notes-server", question(alice, "notes:read", harness.Notes, map[string]any{"access_token": "x"}), 200, "evaluation_token_invalid"},
			"another's resource": {"notes-server", question(alice, "notes:read", wikiURI, shown), 403, "evaluation_resource_not_own"},
			"another's server":   {"wiki-server", question(alice, "notes:read", harness.Notes, shown), 403, "evaluation_resource_not_own"},
			"no such resource":   {"notes-server", question(alice, "notes:read", "https://nowhere.example", shown), 403, "evaluation_resource_not_own"},
			"nobody asks":        {"", question(alice, "notes:read", harness.Notes, shown), 401, "client_authentication_required"},
			"no subject":         {"notes-server", `{"action":{"name":"a"},"resource":{"type":"resource","id":"notes"}}`, 400, "evaluation_subject_missing"},
			"no JSON":            {"notes-server", `{"subject":`, 400, "evaluation_malformed"},
			"twice":              {"notes-server", `{"subject":{"type":"user","type":"client","id":"a"}}`, 400, "evaluation_malformed"},
			"nothing":            {"notes-server", "", 400, "evaluation_malformed"},
			"large":              {"notes-server", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "body_too_large"},
		} {
			got := d.ask(t, one, test.as, test.ask)
			code := got.code()
			if got.Status != http.StatusOK {
				code = got.Code()
			}
			if got.Status != test.status || got.Decision || code != test.code {
				t.Errorf("%s: %d %s, want %d %s", name, got.Status, got.Body, test.status, test.code)
			}
			if test.status == 401 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: %v", name, got.Header)
			}
		}

		db := d.DB.Open(t)
		if n := harness.Count(t, db, "select count(*) from decisions where action = 'evaluate'"); n != 4 {
			t.Errorf("%d decisions, want 4", n)
		}
		if rows := harness.Strings(t, db, "select input from decisions where action = 'evaluate'"); slices.ContainsFunc(rows, func(s string) bool { return strings.Contains(s, token) }) {
			t.Error("a token is written down")
		}
		id, _ := stepUp.Context["decision_id"].(string)
		told := d.Run("explain", id)
		for _, want := range []string{"challenged step_up_required", "client notes-server", "acting client", "claude", "fresh.rego"} {
			if told.Status != 0 || !strings.Contains(told.Stdout, want) {
				t.Errorf("explain: %q is missing: %v", want, told)
			}
		}
		id, _ = denied.Context["decision_id"].(string)
		if told := d.Run("explain", id); told.Status != 0 || !strings.Contains(told.Stdout, "group") {
			t.Errorf("explain: %v", told)
		}
		// Decided again under what decided: no flips.
		replayed := d.Run("policy", "replay", "--since", "1h", "--max-flips", "0", "--output", "json")
		var report struct {
			Complete              bool
			Compared, Same, Flips int
		}
		if err := json.Unmarshal([]byte(replayed.Stdout), &report); err != nil || replayed.Status != 0 || !report.Complete || report.Flips != 0 || report.Same != 5 || report.Compared != 5 {
			t.Errorf("replay: %v %v", err, replayed)
		}
	})
}

// TestEvaluations: the three semantics, defaults, and one that cannot be read among others.
func TestEvaluations(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		d := newDoor(t, e)
		token, alice := d.token(t, idptest.Alice)
		base := question(alice, "notes:read", harness.Notes, map[string]any{"access_token": token})
		no, foreign, broken := map[string]any{"action": map[string]any{"name": "notes:write"}}, map[string]any{"resource": map[string]any{"type": "resource", "id": wikiURI}}, map[string]any{"action": map[string]any{}}
		yes := map[string]any{}
		for _, test := range []struct {
			semantic string
			list     []any
			want     []bool
		}{
			{"", []any{yes, no, foreign, broken, yes}, []bool{true, false, false, false, true}},
			{"execute_all", []any{no, yes}, []bool{false, true}},
			{"deny_on_first_deny", []any{yes, no, yes}, []bool{true, false}},
			{"permit_on_first_permit", []any{foreign, yes, no}, []bool{false, true}},
		} {
			message := maps.Clone(base)
			message["evaluations"] = test.list
			if test.semantic != "" {
				message["options"] = map[string]any{"evaluations_semantic": test.semantic}
			}
			got := d.ask(t, many, "notes-server", message)
			var said []bool
			for _, r := range got.Evaluations {
				said = append(said, r.Decision)
			}
			if got.Status != http.StatusOK || !slices.Equal(said, test.want) {
				t.Errorf("%s: %d %s", test.semantic, got.Status, got.Body)
			}
		}
		message := maps.Clone(base)
		message["evaluations"] = []any{foreign, broken}
		got := d.ask(t, many, "notes-server", message)
		// Each of one message has a decision and a story of its own.
		message["evaluations"] = []any{yes, no, yes}
		id, _ := d.ask(t, many, "notes-server", message).Evaluations[1].Context["decision_id"].(string)
		if told := d.Run("explain", id); told.Status != 0 || !strings.Contains(told.Stdout, "scope notes:write") || !strings.Contains(told.Stdout, "challenged step_up_required") {
			t.Errorf("explain: %v", told)
		}
		for at, want := range []float64{403, 400} {
			failed, _ := got.Evaluations[at].Context["error"].(map[string]any)
			if failed["status"] != want {
				t.Errorf("%d: %v", at, got.Evaluations[at])
			}
		}
		message["evaluations"] = slices.Repeat([]any{yes}, 51)
		if got := d.ask(t, many, "notes-server", message); got.Status != 400 || got.Code() != "evaluations_too_many" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if got := d.ask(t, many, "notes-server", base); strings.TrimSpace(got.Body) != `{"decision":true}` {
			t.Errorf("one question is answered as one: %s", got.Body)
		}
	})
}

// TestEvaluationBySignature: private_key_jwt in the body; an assertion is good for one message.
func TestEvaluationBySignature(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		d := newDoor(t, e)
		message := question("usr_01KAK6Z5G00000000000000000", "signed:read", "signed", map[string]any{"client_id": "claude"})
		message["client_assertion"] = d.signer.ClientAssertion("notes-signer", d.Issuer, nil)
		message["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		message["evaluations"] = []any{map[string]any{}, map[string]any{}}
		if got := d.ask(t, many, "", message); got.Status != http.StatusOK || len(got.Evaluations) != 2 || got.Evaluations[0].code() != "evaluation_subject_unknown" {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		if got := d.ask(t, many, "", message); got.Status != http.StatusUnauthorized {
			t.Errorf("again: %d %s", got.Status, got.Body)
		}
	})
}

// TestDiscovery: what is served where somebody may ask, and nowhere else.
func TestDiscovery(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		if a := w.Server().Get("/.well-known/authzen-configuration"); a.Status != http.StatusNotFound {
			t.Errorf("nobody may ask: %d %s", a.Status, a.Body)
		}
		d := newDoor(t, e)
		a := d.Server().Get("/.well-known/authzen-configuration")
		var got map[string]string
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"policy_decision_point": d.Issuer, "access_evaluation_endpoint": d.Issuer + one, "access_evaluations_endpoint": d.Issuer + many}
		if a.Status != http.StatusOK || !maps.Equal(got, want) {
			t.Errorf("%d %v", a.Status, got)
		}
	})
}
