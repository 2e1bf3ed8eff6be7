package broker_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// oracle answers what a test says.
type oracle struct {
	verdicts []grant.Verdict
	err      error
	got      grant.EvaluationRequest
	away     []error
}

func (o *oracle) Evaluate(_ context.Context, r grant.EvaluationRequest) ([]grant.Verdict, error) {
	o.got = r
	return o.verdicts, o.err
}

func (o *oracle) TurnAwayEvaluation(_ grant.EvaluationRequest, err error) {
	o.away = append(o.away, err)
}

const questionText = `{"subject":{"type":"user","id":"usr_1"},"action":{"name":"notes:read"},"resource":{"type":"resource","id":"notes"},"context":{"access_token":"` + tokenText + `"}}`

// question is a valid one; change edits it.
func (h *house) question(t *testing.T, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-ID", "bfe9eb29")
	if change != nil {
		change(r)
	}
	return h.serve(r)
}

func newOracle(t *testing.T) (*house, *oracle) {
	t.Helper()
	o := &oracle{verdicts: []grant.Verdict{{Allow: true, Decision: "dec_1"}}}
	return newHouse(t, func(c *broker.Config) { c.Evaluations = o }), o
}

func denied(code oauth.Code) grant.Verdict {
	return grant.Verdict{Refusal: oauth.Refuse(code, "the secret cause", "what is expected"), Decision: "dec_2"}
}

func TestEvaluation(t *testing.T) {
	h, o := newOracle(t)
	w := h.question(t, "/access/v1/evaluation", questionText, func(r *http.Request) { r.Header.Set("Authorization", "Basic x") })
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"decision":true}` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("X-Request-ID") != "bfe9eb29" || w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		t.Errorf("%v", w.Header())
	}
	if o.got.RequestID != "bfe9eb29" || len(o.got.Authorization) != 1 || o.got.Message.Items[0].Evaluation.Action != "notes:read" || o.got.Trace == "" || o.got.Tenant == nil {
		t.Errorf("%+v", o.got)
	}
	if strings.Contains(h.log.String(), tokenText) {
		t.Error("the token is in the log")
	}
	if w := h.question(t, "/t/acme/access/v1/evaluation", questionText, nil); w.Code != http.StatusOK || !strings.HasSuffix(o.got.Tenant.Issuer, "/t/acme") {
		t.Errorf("%d of %s", w.Code, o.got.Tenant.Issuer)
	}
	if w := h.question(t, "/access/v1/evaluation", questionText, func(r *http.Request) { r.Header.Del("X-Request-ID") }); w.Code != http.StatusOK || w.Header().Get("X-Request-ID") != "" {
		t.Errorf("%v", w.Header())
	}
}

func TestEvaluationDenied(t *testing.T) {
	h, o := newOracle(t)
	o.verdicts = []grant.Verdict{denied(oauth.CodePolicyDenied)}
	w := h.question(t, "/access/v1/evaluation", questionText, nil)
	m := members(t, w)
	told, _ := m["context"].(map[string]any)
	if w.Code != http.StatusOK || m["decision"] != false || told["code"] != "policy_denied" || told["decision_id"] != "dec_2" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	forAdmin, _ := told["reason_admin"].(map[string]any)
	forUser, _ := told["reason_user"].(map[string]any)
	if text, _ := forAdmin["403"].(string); !strings.HasPrefix(text, "policy_denied: ") || !strings.Contains(text, "/errors/policy_denied?trace=trc_") || forUser["403"] != "Policy denies this request" {
		t.Errorf("%v %v", forAdmin, forUser)
	}
	if strings.Contains(w.Body.String(), "secret cause") {
		t.Error("the cause is told outside")
	}
	o.verdicts = []grant.Verdict{{Refusal: &oauth.Error{Code: oauth.CodeStepUpRequired, Members: map[string]any{"acr_values": "phr", "max_age": 300}}}}
	told, _ = members(t, h.question(t, "/access/v1/evaluation", questionText, nil))["context"].(map[string]any)
	if told["acr_values"] != "phr" || told["max_age"] != float64(300) || told["code"] != "step_up_required" || told["decision_id"] != nil {
		t.Errorf("%v", told)
	}
}

func TestEvaluations(t *testing.T) {
	h, o := newOracle(t)
	o.verdicts = []grant.Verdict{
		{Allow: true, Decision: "dec_1"},
		denied(oauth.CodeScopeEmpty),
		{Refusal: oauth.Refuse(oauth.CodeEvaluationActionMissing, "", ""), Unasked: true},
		{Refusal: oauth.Refuse(oauth.CodeEvaluationResourceNotOwn, "wiki", ""), Unasked: true},
	}
	list := strings.TrimSuffix(questionText, "}") + `,"evaluations":[{},{},{"action":{}},{"resource":{"type":"resource","id":"wiki"}}]}`
	w := h.question(t, "/access/v1/evaluations", list, nil)
	m := members(t, w)
	all, _ := m["evaluations"].([]any)
	if w.Code != http.StatusOK || len(all) != 4 || m["decision"] != nil || len(o.got.Message.Items) != 4 || w.Header().Get("X-Request-ID") != "bfe9eb29" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for at, want := range []float64{2: 400, 3: 403} {
		one, _ := all[at].(map[string]any)
		told, _ := one["context"].(map[string]any)
		failed, _ := told["error"].(map[string]any)
		if want != 0 && (one["decision"] != false || failed["status"] != want || failed["message"] == "") {
			t.Errorf("%d: %v", at, one)
		}
	}
	// Without a list it is one question, answered as one (§7.1).
	o.verdicts = o.verdicts[:1]
	if w := h.question(t, "/access/v1/evaluations", questionText, nil); strings.TrimSpace(w.Body.String()) != `{"decision":true}` {
		t.Errorf("%s", w.Body)
	}
}

// What is no question never reaches who answers.
func TestEvaluationRefused(t *testing.T) {
	for name, test := range map[string]struct {
		path, body string
		change     func(*http.Request)
		status     int
		code       oauth.Code
	}{
		"form":              {"", questionText, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400, oauth.CodeEvaluationContentType},
		"no content type":   {"", questionText, func(r *http.Request) { r.Header.Del("Content-Type") }, 400, oauth.CodeEvaluationContentType},
		"nothing":           {"", "", nil, 400, oauth.CodeEvaluationMalformed},
		"no subject":        {"", `{"action":{"name":"a"},"resource":{"type":"resource","id":"notes"}}`, nil, 400, oauth.CodeEvaluationSubjectMissing},
		"large":             {"", `{"a":"` + strings.Repeat("x", oauth.MaxBody) + `"}`, nil, 413, oauth.CodeBodyTooLarge},
		"many":              {"s", strings.TrimSuffix(questionText, "}") + `,"evaluations":[{}` + strings.Repeat(",{}", 50) + `]}`, nil, 400, oauth.CodeEvaluationsTooMany},
		"two request ids":   {"", questionText, func(r *http.Request) { r.Header.Add("X-Request-ID", "two") }, 400, oauth.CodeRequestIDMalformed},
		"a long request id": {"", questionText, func(r *http.Request) { r.Header.Set("X-Request-ID", strings.Repeat("x", 256)) }, 400, oauth.CodeRequestIDMalformed},
		"an odd request id": {"", questionText, func(r *http.Request) { r.Header.Set("X-Request-ID", "\x80") }, 400, oauth.CodeRequestIDMalformed},
		"an empty one":      {"", questionText, func(r *http.Request) { r.Header.Set("X-Request-ID", "") }, 400, oauth.CodeRequestIDMalformed},
		"no tenant":         {"/t/nobody", questionText, nil, 404, oauth.CodeTenantUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h, o := newOracle(t)
			path := "/access/v1/evaluation" + test.path
			if strings.HasPrefix(test.path, "/") {
				path = test.path + "/access/v1/evaluation"
			}
			w := h.question(t, path, test.body, test.change)
			row := oauth.Public(test.code)
			wantRefusal(t, w, test.status, row.Error, test.code)
			if o.got.Tenant != nil {
				t.Error("it was put to policy")
			}
			if test.code != oauth.CodeTenantUnknown && len(o.away) != 1 {
				t.Errorf("recorded %v", o.away)
			}
			if test.code != oauth.CodeRequestIDMalformed && w.Header().Get("X-Request-ID") != "bfe9eb29" {
				t.Error("the request's name is not echoed")
			}
		})
	}
}

func TestEvaluationOfNobodyAndOfAnothers(t *testing.T) {
	h, o := newOracle(t)
	o.err = oauth.Refuse(oauth.CodeClientAuthenticationRequired, "", "")
	w := h.question(t, "/access/v1/evaluation", questionText, nil)
	wantRefusal(t, w, 401, "invalid_client", oauth.CodeClientAuthenticationRequired)
	if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") || w.Header().Get("X-Request-ID") != "bfe9eb29" { // §11.3
		t.Errorf("%v", w.Header())
	}
	o.err, o.verdicts = nil, []grant.Verdict{{Refusal: oauth.Refuse(oauth.CodeEvaluationResourceNotOwn, "", ""), Unasked: true}}
	w = h.question(t, "/access/v1/evaluation", questionText, nil)
	wantRefusal(t, w, 403, "access_denied", oauth.CodeEvaluationResourceNotOwn)
	o.err = &oauth.Error{Code: oauth.CodeTenantUnavailable}
	if w := h.question(t, "/access/v1/evaluation", questionText, nil); w.Code != 503 || strings.Contains(w.Body.String(), "decision") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := h.get(t, "/access/v1/evaluation"); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}

// Only what works is told of: where no resource names its server nobody can ask, and where nothing is answered nothing is routed.
func TestDecisionPointMetadata(t *testing.T) {
	h, _ := newOracle(t)
	for path, prefix := range map[string]string{"/.well-known/authzen-configuration": "", "/.well-known/authzen-configuration/t/served": "/t/served", "/t/served/.well-known/authzen-configuration": "/t/served"} {
		w := h.get(t, path)
		m := members(t, w)
		issuer := publicURL + prefix
		if prefix == "" {
			if w.Code != 404 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			continue
		}
		if w.Code != 200 || m["policy_decision_point"] != issuer || m["access_evaluation_endpoint"] != issuer+"/access/v1/evaluation" ||
			m["access_evaluations_endpoint"] != issuer+"/access/v1/evaluations" || len(m) != 3 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	bare := newHouse(t)
	for _, path := range []string{"/t/served/.well-known/authzen-configuration", "/t/served/access/v1/evaluation"} {
		if w := bare.question(t, path, questionText, func(r *http.Request) {
			if strings.Contains(path, "well-known") {
				r.Method = http.MethodGet
			}
		}); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
