package authzen_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/authzen"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// question is a valid one; each test changes one thing.
func question() map[string]any {
	return map[string]any{
		"subject":  map[string]any{"type": "user", "id": "usr_1", "properties": map[string]any{"groups": []any{"admins"}}},
		"action":   map[string]any{"name": "notes:read", "properties": map[string]any{"method": "GET"}},
		"resource": map[string]any{"type": "resource", "id": "https://mcp.acme.com/notes"},
		"context":  map[string]any{"client_id": "claude", "agent": "claude", "ip": "::ffff:192.0.2.7", "access_token": "a.b.c", "time": "1985-10-26T01:22-07:00"},
		"unknown":  map[string]any{"a": 1},
	}
}

func encoded(t *testing.T, message any) []byte {
	t.Helper()
	b, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// want is what question says.
func want() authzen.Evaluation {
	e := authzen.Evaluation{
		Subject: authzen.Entity{Type: "user", ID: "usr_1"}, Action: "notes:read",
		Resource: authzen.Entity{Type: "resource", ID: "https://mcp.acme.com/notes"},
		Context:  authzen.Context{AccessToken: "a.b.c", ClientID: "claude"},
	}
	return e
}

func TestOneQuestion(t *testing.T) {
	for _, boxed := range []bool{false, true} {
		r, err := authzen.Parse(encoded(t, question()), boxed)
		if err != nil || len(r.Items) != 1 || r.Boxed || r.Semantic != authzen.ExecuteAll {
			t.Fatalf("%v %+v", err, r.Items)
		}
		got := r.Items[0].Evaluation
		if got.Context.IP.String() != "192.0.2.7" {
			t.Errorf("ip %v", got.Context.IP)
		}
		got.Context.IP = want().Context.IP
		if got != want() || r.Items[0].Malformed != nil {
			t.Errorf("%+v", got)
		}
	}
}

// A list where only one question is served is a member that is not known (§10.1.1).
func TestOneQuestionBesideAList(t *testing.T) {
	m := question()
	m["evaluations"], m["options"] = []any{1}, "x"
	if r, err := authzen.Parse(encoded(t, m), false); err != nil || r.Boxed || len(r.Items) != 1 {
		t.Fatal(err)
	}
	m["evaluations"] = []any{}
	if r, err := authzen.Parse(encoded(t, m), true); err != nil || r.Boxed || len(r.Items) != 1 { // §7.1: an empty list is none
		t.Fatal(err)
	}
}

func TestCredentials(t *testing.T) {
	m := question()
	m["client_id"], m["client_assertion"], m["client_assertion_type"] = "srv", "x.y.z", "type"
	r, err := authzen.Parse(encoded(t, m), false)
	if err != nil || r.ClientID != "srv" || r.Assertion != "x.y.z" || r.AssertionType != "type" {
		t.Fatalf("%v", err)
	}
	for _, text := range []string{r.String(), r.GoString()} {
		if strings.Contains(text, "x.y.z") {
			t.Error(text)
		}
	}
}

func set(path string, value any) func(map[string]any) {
	return func(m map[string]any) {
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			m, _ = m[name].(map[string]any)
		}
		if value == nil {
			delete(m, names[len(names)-1])
			return
		}
		m[names[len(names)-1]] = value
	}
}

type null struct{}

func (null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// broken are questions with one thing wrong.
var broken = map[string]struct {
	change func(map[string]any)
	code   oauth.Code
}{
	"no subject":              {set("subject", nil), oauth.CodeEvaluationSubjectMissing},
	"no subject.type":         {set("subject.type", nil), oauth.CodeEvaluationSubjectMissing},
	"no subject.id":           {set("subject.id", nil), oauth.CodeEvaluationSubjectMissing},
	"subject a string":        {set("subject", "alice"), oauth.CodeEvaluationMalformed},
	"subject null":            {set("subject", null{}), oauth.CodeEvaluationMalformed},
	"subject.id a number":     {set("subject.id", 1), oauth.CodeEvaluationMalformed},
	"subject.id null":         {set("subject.id", null{}), oauth.CodeEvaluationMalformed},
	"subject.id empty":        {set("subject.id", ""), oauth.CodeEvaluationMalformed},
	"subject.type empty":      {set("subject.type", ""), oauth.CodeEvaluationMalformed},
	"subject.id long":         {set("subject.id", strings.Repeat("u", 256)), oauth.CodeEvaluationMalformed},
	"subject.id controls":     {set("subject.id", "usr\n1"), oauth.CodeEvaluationMalformed},
	"subject.properties list": {set("subject.properties", []any{}), oauth.CodeEvaluationMalformed},
	"no action":               {set("action", nil), oauth.CodeEvaluationActionMissing},
	"no action.name":          {set("action.name", nil), oauth.CodeEvaluationActionMissing},
	"action a string":         {set("action", "read"), oauth.CodeEvaluationMalformed},
	"action.name a list":      {set("action.name", []any{"a"}), oauth.CodeEvaluationMalformed},
	"action.name empty":       {set("action.name", ""), oauth.CodeEvaluationMalformed},
	"action.properties":       {set("action.properties", "x"), oauth.CodeEvaluationMalformed},
	"no resource":             {set("resource", nil), oauth.CodeEvaluationResourceMissing},
	"no resource.id":          {set("resource.id", nil), oauth.CodeEvaluationResourceMissing},
	"no resource.type":        {set("resource.type", nil), oauth.CodeEvaluationResourceMissing},
	"resource a list":         {set("resource", []any{}), oauth.CodeEvaluationMalformed},
	"resource.id long":        {set("resource.id", strings.Repeat("r", 2049)), oauth.CodeEvaluationMalformed},
	"context a list":          {set("context", []any{}), oauth.CodeEvaluationMalformed},
	"context null":            {set("context", null{}), oauth.CodeEvaluationMalformed},
	"token a number":          {set("context.access_token", 1), oauth.CodeEvaluationMalformed},
	"token empty":             {set("context.access_token", ""), oauth.CodeEvaluationMalformed},
	"token long":              {set("context.access_token", strings.Repeat("t", 16<<10+1)), oauth.CodeEvaluationMalformed},
	"two clients":             {set("context.agent", "other"), oauth.CodeEvaluationMalformed},
	"client a list":           {set("context.client_id", []any{"claude"}), oauth.CodeEvaluationMalformed},
	"ip a name":               {set("context.ip", "localhost"), oauth.CodeEvaluationMalformed},
	"ip of a zone":            {set("context.ip", "fe80::1%eth0"), oauth.CodeEvaluationMalformed},
	"ip with a port":          {set("context.ip", "192.0.2.1:80"), oauth.CodeEvaluationMalformed},
	"ip empty":                {set("context.ip", ""), oauth.CodeEvaluationMalformed},
}

func TestBrokenQuestions(t *testing.T) {
	for name, test := range broken {
		t.Run(name, func(t *testing.T) {
			m := question()
			test.change(m)
			_, err := authzen.Parse(encoded(t, m), false)
			if refusal := oauth.AsError(err); err == nil || refusal.Code != test.code {
				t.Fatalf("%v, want %s", err, test.code)
			}
		})
	}
}

// One that cannot be read does not spoil the others, and is in its place (§7.2.1).
func TestBrokenQuestionsInAList(t *testing.T) {
	for name, test := range broken {
		t.Run(name, func(t *testing.T) {
			m := question()
			test.change(m)
			r, err := authzen.Parse(encoded(t, map[string]any{"evaluations": []any{question(), m, question()}}), true)
			if err != nil || !r.Boxed || len(r.Items) != 3 {
				t.Fatal(err)
			}
			if r.Items[0].Malformed != nil || r.Items[2].Malformed != nil || r.Items[1].Malformed == nil || r.Items[1].Malformed.Code != test.code {
				t.Errorf("%v", r.Items[1].Malformed)
			}
			if r.Items[1].Evaluation != (authzen.Evaluation{}) {
				t.Errorf("a question that is none: %+v", r.Items[1].Evaluation)
			}
		})
	}
	if r, err := authzen.Parse(encoded(t, map[string]any{"evaluations": []any{"x", question()}}), true); err != nil || r.Items[0].Malformed == nil || r.Items[1].Malformed != nil {
		t.Errorf("%v", err)
	}
}

func TestBrokenMessages(t *testing.T) {
	list := func(n int) []any {
		all := []any{}
		for range n {
			all = append(all, map[string]any{})
		}
		return all
	}
	with := func(name string, value any) []byte {
		m := maps.Clone(question())
		m["evaluations"] = list(1)
		m[name] = value
		return encoded(t, m)
	}
	for name, test := range map[string]struct {
		body []byte
		code oauth.Code
	}{
		"nothing":               {nil, oauth.CodeEvaluationMalformed},
		"a list":                {[]byte(`[]`), oauth.CodeEvaluationMalformed},
		"half":                  {[]byte(`{"subject":`), oauth.CodeEvaluationMalformed},
		"two values":            {[]byte(`{}{}`), oauth.CodeEvaluationMalformed},
		"a member twice":        {[]byte(`{"subject":{"type":"user","id":"usr_1","id":"usr_2"}}`), oauth.CodeEvaluationMalformed},
		"no UTF-8":              {[]byte("{\"a\":\"\xff\"}"), oauth.CodeEvaluationMalformed},
		"a NUL":                 {[]byte(`{"a":"\u0000"}`), oauth.CodeEvaluationMalformed},
		"deep":                  {[]byte(strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)), oauth.CodeEvaluationMalformed},
		"large":                 {[]byte(`{"a":"` + strings.Repeat("x", authzen.MaxBody) + `"}`), oauth.CodeEvaluationMalformed},
		"evaluations an object": {with("evaluations", map[string]any{}), oauth.CodeEvaluationMalformed},
		"51 evaluations":        {with("evaluations", list(51)), oauth.CodeEvaluationsTooMany},
		"options a list":        {with("options", []any{}), oauth.CodeEvaluationMalformed},
		"semantic unknown":      {with("options", map[string]any{"evaluations_semantic": "all"}), oauth.CodeEvaluationMalformed},
		"semantic a number":     {with("options", map[string]any{"evaluations_semantic": 1}), oauth.CodeEvaluationMalformed},
		"client_id a number":    {with("client_id", 1), oauth.CodeEvaluationMalformed},
		"assertion a list":      {with("client_assertion", []any{}), oauth.CodeEvaluationMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := authzen.Parse(test.body, true)
			if refusal := oauth.AsError(err); err == nil || refusal.Code != test.code || len(r.Items) != 0 {
				t.Fatalf("%v, want %s", err, test.code)
			}
		})
	}
}

// Each of the four members is taken whole, from the question or from the message: nothing of the two is mixed (§7.1.1).
func TestDefaults(t *testing.T) {
	m := question()
	m["options"] = map[string]any{"evaluations_semantic": "permit_on_first_permit", "another_option": "value"}
	m["evaluations"] = []any{
		map[string]any{},
		map[string]any{"subject": map[string]any{"type": "client", "id": "build"}, "context": map[string]any{}},
		map[string]any{"subject": map[string]any{"id": "usr_2"}},
		map[string]any{"action": map[string]any{"name": "notes:write"}, "resource": map[string]any{"type": "resource", "id": "wiki"}},
	}
	r, err := authzen.Parse(encoded(t, m), true)
	if err != nil || r.Semantic != authzen.PermitOnFirstPermit || len(r.Items) != 4 {
		t.Fatal(err)
	}
	first, second, third, fourth := r.Items[0].Evaluation, r.Items[1].Evaluation, r.Items[2], r.Items[3].Evaluation
	if first.Subject.ID != "usr_1" || first.Context.ClientID != "claude" {
		t.Errorf("%+v", first)
	}
	if second.Subject != (authzen.Entity{Type: "client", ID: "build"}) || second.Context != (authzen.Context{}) || second.Action != "notes:read" {
		t.Errorf("%+v", second)
	}
	if third.Malformed == nil || third.Malformed.Code != oauth.CodeEvaluationSubjectMissing {
		t.Errorf("a type was lent: %+v", third)
	}
	if fourth.Action != "notes:write" || fourth.Resource.ID != "wiki" || fourth.Subject.ID != "usr_1" {
		t.Errorf("%+v", fourth)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"subject":{"type":"user","id":"usr_1"},"action":{"name":"a"},"resource":{"type":"resource","id":"r"},"evaluations":[{},{"action":{"name":"b"}}]}`))
	f.Add([]byte(`{"evaluations":[1,null,{}],"options":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := authzen.Parse(body, true)
		if err != nil {
			return
		}
		if len(r.Items) == 0 || len(r.Items) > authzen.MaxEvaluations {
			t.Fatalf("%d questions", len(r.Items))
		}
		for _, item := range r.Items {
			if e := item.Evaluation; item.Malformed == nil && (e.Subject.Type == "" || e.Subject.ID == "" || e.Action == "" || e.Resource.ID == "") {
				t.Fatalf("a question with a gap: %+v", e)
			}
		}
	})
}
