package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chancery-dev/chancery/policy"
)

func schemaOf(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// The hand-written decoder and the published schema take and refuse the same.
func TestDecisionSchemaAgreesWithDecoder(t *testing.T) {
	schema := schemaOf(t, policy.DecisionSchema)
	long := func(n int) string { return strings.Repeat("ä", n) }
	many := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	for text, fits := range map[string]bool{
		`{"allow": true}`: true, `{"allow": false}`: true, `{}`: false, `[]`: false, `true`: false, `"allow"`: false, `null`: false,
		`{"allow": "true"}`: false, `{"allow": 1}`: false, `{"allow": null}`: false, `{"allow": [true]}`: false,
		`{"allow": true, "more": 1}`: false, `{"allow": true, "Scopes": []}`: false, `{"allow": true, "": 1}`: false,

		`{"allow": true, "scopes": []}`: true, `{"allow": true, "scopes": ["notes:read"]}`: true,
		`{"allow": true, "scopes": "notes:read"}`: false, `{"allow": true, "scopes": [1]}`: false, `{"allow": true, "scopes": [""]}`: false,
		`{"allow": true, "scopes": null}`: false, `{"allow": true, "scopes": {"notes:read": true}}`: false, `{"allow": true, "scopes": [["notes:read"]]}`: false,
		`{"allow": true, "scopes": ` + many(1024, `"notes:read"`) + `}`: true, `{"allow": true, "scopes": ` + many(1025, `"notes:read"`) + `}`: false,

		`{"allow": true, "deny": []}`: true, `{"allow": true, "deny": ["x"]}`: true, `{"allow": true, "deny": "x"}`: false, `{"allow": true, "deny": [{}]}`: false,
		`{"allow": true, "deny": [false]}`: false, `{"allow": true, "deny": ` + many(65, `"x"`) + `}`: false,
		`{"allow": true, "deny": ["` + long(1024) + `"]}`: true, `{"allow": true, "deny": ["` + long(1025) + `"]}`: false,

		`{"allow": true, "step_up": {"acr_values": ["phr"], "max_age": 300}}`: true, `{"allow": true, "step_up": {"max_age": 0}}`: true,
		`{"allow": true, "step_up": {"acr_values": ["phr"]}}`: true, `{"allow": true, "step_up": {}}`: false, `{"allow": true, "step_up": {"acr_values": []}}`: false,
		`{"allow": true, "step_up": {"acr_values": "phr"}}`: false, `{"allow": true, "step_up": {"acr_values": [""]}}`: false, `{"allow": true, "step_up": {"acr": "phr"}}`: false,
		`{"allow": true, "step_up": {"max_age": -1}}`: false, `{"allow": true, "step_up": {"max_age": 1.5}}`: false, `{"allow": true, "step_up": {"max_age": "300"}}`: false,
		`{"allow": true, "step_up": {"max_age": 3e2}}`: true, `{"allow": true, "step_up": true}`: false, `{"allow": true, "step_up": null}`: false,
		`{"allow": true, "step_up": {"acr_values": ` + many(17, `"x"`) + `}}`: false, `{"allow": true, "step_up": {"max_age": 300, "more": 1}}`: false,

		`{"allow": true, "approval": {"group": "security", "within": 600}}`: true, `{"allow": true, "approval": {"group": "security"}}`: true,
		`{"allow": true, "approval": {"within": 600}}`: false, `{"allow": true, "approval": {}}`: false, `{"allow": true, "approval": {"group": ""}}`: false,
		`{"allow": true, "approval": {"group": "security", "within": 0}}`: false, `{"allow": true, "approval": {"group": ["security"]}}`: false,
		`{"allow": true, "approval": {"group": "security", "by": 1}}`: false, `{"allow": true, "approval": "security"}`: false,

		`{"allow": true, "lifetime": 1}`: true, `{"allow": true, "lifetime": 600.0}`: true, `{"allow": true, "lifetime": 6e2}`: true, `{"allow": true, "lifetime": 1e30}`: true,
		`{"allow": true, "lifetime": 0}`: false, `{"allow": true, "lifetime": -600}`: false, `{"allow": true, "lifetime": 1.5}`: false, `{"allow": true, "lifetime": 0.5}`: false,
		`{"allow": true, "lifetime": "600"}`: false, `{"allow": true, "lifetime": null}`: false, `{"allow": true, "lifetime": true}`: false,

		`{"allow": true, "claims": {}}`: true, `{"allow": true, "claims": {"team": "notes", "n": [1, null, {"x": true}]}}`: true,
		`{"allow": true, "claims": []}`: false, `{"allow": true, "claims": "x"}`: false, `{"allow": true, "claims": null}`: false,

		`{"allow": true, "reasons": []}`: true, `{"allow": true, "reasons": [{"code": "c"}]}`: true, `{"allow": true, "reasons": [{"code": "c", "detail": "d"}]}`: true,
		`{"allow": true, "reasons": [{"detail": "d"}]}`: false, `{"allow": true, "reasons": [{"code": ""}]}`: false, `{"allow": true, "reasons": [{"code": "c", "detail": 1}]}`: false,
		`{"allow": true, "reasons": ["c"]}`: false, `{"allow": true, "reasons": {"code": "c"}}`: false, `{"allow": true, "reasons": [{"code": "c", "rule": "x"}]}`: false,
		`{"allow": true, "reasons": [{"code": "` + long(64) + `"}]}`: true, `{"allow": true, "reasons": [{"code": "` + long(65) + `"}]}`: false,
		`{"allow": true, "reasons": [{"code": "c", "detail": ""}]}`: false, `{"allow": true, "reasons": ` + many(65, `{"code": "c"}`) + `}`: false,
	} {
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := schema.Validate(instance) == nil; got != fits {
			t.Errorf("schema: %.80s fits is %t", text, got)
		}
		src := grant("decision := data.policy.result")
		var result any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&result); err != nil {
			t.Fatal(err)
		}
		src.Data = map[string]any{"result": result}
		d := decide(t, alice(), src)
		if got := d.Code != policy.CodeResultInvalid; got != fits {
			t.Errorf("decoder: %.80s fits is %t: %+v", text, got, d)
		}
		if !fits && d.Allow {
			t.Errorf("allowed: %.80s", text)
		}
	}
}

func TestEverySchemaMemberIsDescribedByTheContract(t *testing.T) {
	for _, text := range [][]byte{policy.InputSchema, policy.DecisionSchema} {
		var schema struct {
			AdditionalProperties *bool `json:"additionalProperties"`
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		if schema.AdditionalProperties == nil || *schema.AdditionalProperties {
			t.Error("unknown members must not fit")
		}
	}
}

// What is recorded is what policy saw, and both fit the published schema, whatever
// is present and whatever is absent.
func TestInputValueAgreesWithJSONAndSchema(t *testing.T) {
	schema := schemaOf(t, policy.InputSchema)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		in := randomInput(r)
		value, err := in.Value()
		if err != nil {
			t.Fatal(err)
		}
		text, err := in.JSON()
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := ast.ValueFromReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if recorded.Compare(value) != 0 {
			t.Fatalf("input %d\n seen     %v\n recorded %v", i, value, recorded)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		if bytes.Contains(text, []byte("null")) {
			t.Fatalf("something absent is null: %s", text)
		}
	}
}

func randomInput(r *rand.Rand) *policy.Input {
	coin := func() bool { return r.IntN(2) == 0 }
	str := func() string {
		return []string{"", "a", "ä <b> & \u2028", `"quoted\"`, "https://x.example/ü", "😀", "\x00\x1f"}[r.IntN(7)]
	}
	strs := func() []string {
		switch r.IntN(3) {
		case 0:
			return nil
		case 1:
			return []string{}
		}
		return []string{str(), str()}
	}
	number := func() int64 {
		return []int64{0, 1, -1, 1 << 40, 1<<63 - 1, -1 << 63, r.Int64()}[r.IntN(7)]
	}
	anything := func() map[string]any {
		switch r.IntN(3) {
		case 0:
			return nil
		case 1:
			return map[string]any{}
		}
		return map[string]any{
			str(): str(), "n": r.NormFloat64() * 1e10, "i": number(), "b": coin(), "l": []any{1, str(), []any{}, 1.5, 1e21, 1e-9},
			"m": map[string]any{"x": json.Number("12.50"), "y": json.Number("1e2")}, "s": []string{str()}, "u": uint64(1 << 63), "f": float32(0.5),
		}
	}
	in := &policy.Input{
		Action: policy.Actions()[r.IntN(6)], Tenant: policy.Tenant{ID: str(), Plan: str()}, GrantType: str(), Available: strs(),
		Time: policy.At(noon.AddDate(0, 0, r.IntN(400)), nil),
	}
	if coin() {
		in.Issuer = &policy.Issuer{ID: str(), Name: str(), Preset: str()}
	}
	if coin() {
		in.Assertion = &policy.Assertion{Profile: str(), Type: str(), IssuedAt: number(), ExpiresAt: number(), AuthTime: number(), ACR: str(), AMR: strs(), Claims: anything()}
	}
	if coin() {
		in.User = &policy.User{
			ID: str(), Sub: str(), Email: str(), Kind: str(), Guest: coin(), HomeTenant: str(), Groups: strs(), GroupNames: strs(),
			GroupsState: []policy.GroupsState{"", policy.GroupsComplete, policy.GroupsAbsent, policy.GroupsOverage}[r.IntN(4)], GroupsSource: str(),
			Roles: strs(), Attributes: anything(), Status: str(),
		}
	}
	if coin() {
		in.Actor = &policy.Actor{Kind: str(), Facets: strs(), ParentApp: str(), Depth: r.IntN(5)}
		if coin() {
			in.Actor.Chain = []policy.ActorLink{{Sub: str(), Issuer: str(), ClientID: str()}, {}}
		}
	}
	if coin() {
		in.Subject, in.Workload = &policy.Subject{Kind: str()}, &policy.Workload{Name: str(), Sub: str()}
	}
	if coin() {
		in.Client = &policy.Client{ID: str(), Name: str(), Type: str(), AuthMethod: str(), DPoP: coin(), Plan: str(), Environment: str(), Scopes: strs()}
	}
	if coin() {
		in.Resource = &policy.Resource{Name: str(), URI: str(), Scopes: strs()}
		if coin() {
			in.Resource.Risk = map[string]string{str(): str()}
		}
	}
	if coin() {
		in.Requested = &policy.Requested{Scopes: strs()}
		if coin() {
			in.Requested.AuthorizationDetails = []map[string]any{{"type": str()}, {}}
		}
	}
	if coin() {
		in.Asserted = &policy.Asserted{Scopes: strs()}
	}
	if coin() {
		in.Connection = &policy.Connection{Provider: str(), Account: str(), Scopes: strs(), Narrowing: []string{"", "native", "none"}[r.IntN(3)]}
	}
	if coin() {
		in.Network = &policy.Network{IP: str()}
	}
	return in
}

func TestInputRefuses(t *testing.T) {
	for name, change := range map[string]func(*policy.Input){
		"not UTF-8":    func(in *policy.Input) { in.User.Email = "\xff" },
		"key":          func(in *policy.Input) { in.Assertion.Claims["\xff"] = 1 },
		"huge number":  func(in *policy.Input) { in.Assertion.Claims["n"] = json.Number("1e999999999") },
		"no number":    func(in *policy.Input) { in.Assertion.Claims["n"] = json.Number("0x10") },
		"too deep":     func(in *policy.Input) { in.Assertion.Claims = nested(policy.MaxDataDepth + 1) },
		"too large":    func(in *policy.Input) { in.User.Groups = make([]string, policy.MaxInputSize) },
		"long string":  func(in *policy.Input) { in.User.Sub = strings.Repeat("x", 65<<10) },
		"unknown type": func(in *policy.Input) { in.User.Attributes = map[string]any{"x": struct{}{}} },
	} {
		t.Run(name, func(t *testing.T) {
			in := alice()
			change(in)
			if _, err := in.Value(); err == nil {
				t.Error("Value took it")
			}
			if _, err := in.JSON(); err == nil {
				t.Error("JSON took it")
			}
			if d := decide(t, in, grant(`decision := {"allow": input.version == 1} if object.keys(input)`)); d.Allow || d.Code != policy.CodeError {
				t.Errorf("%+v", d)
			}
		})
	}
}

// A policy that names what it reads decides as one that is given everything.
func TestOnlyWhatIsReadIsBuilt(t *testing.T) {
	member := func(path string) policy.Source {
		return grant(fmt.Sprintf("decision := {\"allow\": true, \"claims\": {\"x\": object.get(%s, %q, \"absent\")}}", path[:strings.LastIndex(path, ".")], path[strings.LastIndex(path, ".")+1:]))
	}
	direct := func(path string) policy.Source {
		return grant("decision := {\"allow\": true, \"claims\": {\"x\": " + path + "}}")
	}
	for _, path := range []string{
		"input.version", "input.action", "input.tenant.plan", "input.grant_type", "input.issuer.preset", "input.assertion.claims.department",
		"input.assertion.acr", "input.user.groups", "input.user.guest", "input.client.scopes", "input.resource.risk", "input.requested.scopes",
		"input.asserted.scopes", "input.available_scopes", "input.network.ip", "input.time.hour", "input.user", "input.time", "input.resource.name",
	} {
		a, b := decide(t, alice(), direct(path)), decide(t, alice(), member(path))
		if !a.Allow || fmt.Sprint(a.Claims) != fmt.Sprint(b.Claims) || fmt.Sprint(a.Claims["x"]) == "absent" {
			t.Errorf("%s: %v and %v", path, a, b)
		}
	}
	for name, body := range map[string]string{
		"variable":      `decision := {"allow": x.user.id == "usr_1"} if x := input`,
		"bracket":       `decision := {"allow": true} if { some m in ["user"]; input[m].id == "usr_1" }`,
		"inner bracket": `decision := {"allow": true} if { some m in ["id"]; input.user[m] == "usr_1" }`,
		"nested":        `decision := {"allow": true} if input.resource.risk[input.requested.scopes[_]] == "high"`,
		"function":      "f(x) := x.user.id\n\ndecision := {\"allow\": true} if f(input) == \"usr_1\"",
		"comprehension": `decision := {"allow": true} if count({g | g := input.user.group_names[_]}) == 1`,
		"every":         `decision := {"allow": true} if every s in input.requested.scopes { s in input.available_scopes }`,
		"with":          "ok if input.user.id == \"usr_1\"\n\ndecision := {\"allow\": true} if ok with input as {\"user\": {\"id\": input.user.id}}",
		"with a member": "ok if input.user.email == \"alice@acme.com\"\n\ndecision := {\"allow\": true} if ok with input.user.id as \"x\"",
		"negation":      `decision := {"allow": true} if not input.user.guest`,
		"head":          "names[input.user.id] := input.client.name\n\ndecision := {\"allow\": names.usr_1 == \"claude\"}",
		"default":       "default decision := {\"allow\": false}\n\ndecision := {\"allow\": true} if { x := [1 | input.client.id == \"claude\"]; count(x) == 1 }",
		"else":          "decision := {\"allow\": false} if input.user.guest else := {\"allow\": input.client.type == \"confidential\"}",
	} {
		if d := decide(t, alice(), grant(body)); !d.Allow {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
