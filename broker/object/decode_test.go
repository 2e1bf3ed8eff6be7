package object_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

func TestDecodeTakesEveryKind(t *testing.T) {
	objects := decode(t, allDocs()+"---\n"+tenantDoc)
	if len(objects) != 6 {
		t.Fatalf("%d objects", len(objects))
	}
	c, ok := objects[1].Spec.(*object.ClientSpec)
	if !ok || c.ClientID != "claude" {
		t.Fatalf("client_id defaults to the name: %+v", objects[1].Spec)
	}
	idp, ok := objects[2].Spec.(*object.IdentityProviderSpec)
	if !ok || idp.Assertions.MaxLifetime.String() != "5m" {
		t.Fatalf("max_lifetime: %+v", objects[2].Spec)
	}
}

// What is written reads back the same, in both forms.
func TestEncodeReadsBack(t *testing.T) {
	objects := decode(t, allDocs()+"---\n"+tenantDoc)
	var first bytes.Buffer
	if err := object.Encode(&first, objects, false); err != nil {
		t.Fatal(err)
	}
	again := decode(t, first.String())
	var second bytes.Buffer
	if err := object.Encode(&second, again, false); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Fatal("the written form is not stable")
	}
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := object.Decode(bytes.NewReader(text), object.Options{Format: object.JSON})
	if err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(fromJSON)
	if err != nil || !bytes.Equal(text, back) {
		t.Fatalf("JSON reads back differently: %v\n%s\n%s", err, text, back)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, says string }{
		"a wrong apiVersion":        {clientDoc, "chancery/v1", "chancery/v2", `apiVersion: received "chancery/v2", expected chancery/v1`},
		"no apiVersion":             {clientDoc, "apiVersion: chancery/v1\n", "", "apiVersion: received nothing"},
		"a wrong kind":              {clientDoc, "kind: Client", "kind: Klient", `kind: received "Klient", expected Tenant`},
		"a kind of later":           {clientDoc, "kind: Client", "kind: EventStream", "EventStream is not served yet"},
		"an unknown member":         {clientDoc, "display_name", "displayname", `unknown field "displayname" (nearest known: "display_name") (line 5)`},
		"an unknown inner member":   {clientDoc, "audience: issuer", "audiance: issuer", `(nearest known: "audience")`},
		"an unknown outer member":   {clientDoc, "spec:", "sepc:", `unknown field "sepc" (nearest known: "spec")`},
		"an unknown metadata":       {clientDoc, "{name: claude}", "{name: claude, namespace: x}", `unknown field "namespace"`},
		"a member twice":            {clientDoc, "  type: confidential\n", "  type: confidential\n  type: public\n", "duplicate member name"},
		"members that fold":         {clientDoc, "  type: confidential\n", "  type: confidential\n  Type: public\n", "differ only by case"},
		"a number for text":         {clientDoc, "display_name: Claude", "display_name: 12", "expected a string"},
		"text for a list":           {clientDoc, "resources: [notes]", "resources: notes", "expected a list"},
		"a list without value":      {clientDoc, "resources: [notes]", "resources:", "spec.resources: has no value"},
		"an inline secret":          {clientDoc, "secret: {}", "secret: hunter2hunter2hunter2", "never written inline"},
		"a secret in Vault":         {clientDoc, "secret: {}", `secret: {vault: "kv/a"}`, "is not MOUNT/PATH#KEY"},
		"two places of a secret":    {clientDoc, "secret: {}", "secret: {env: A, file: /b}", "more than one place"},
		"an unknown place":          {clientDoc, "secret: {}", "secret: {value: x}", `unknown field "value"`},
		"a name in upper case":      {clientDoc, "{name: claude}", "{name: Claude}", "metadata.name"},
		"no name":                   {clientDoc, "{name: claude}", "{}", "metadata.name"},
		"a duration without unit":   {resourceDoc, "lifetime: 10m", `lifetime: "10"`, "expected a duration"},
		"a duration of nothing":     {resourceDoc, "lifetime: 10m", "lifetime: 0s", "expected a positive duration"},
		"a merge key":               {clientDoc, "  type: confidential\n", "  <<: {type: public}\n", "merge keys"},
		"an unknown tag":            {clientDoc, "display_name: Claude", "display_name: !!binary aGk=", "unknown tag"},
		"an octal number":           {userDoc, "floor: 3", "floor: 0x3", "no decimal number"},
		"an infinite number":        {userDoc, "floor: 3", "floor: .inf", "no decimal number"},
		"a number as a member name": {userDoc, "floor: 3", "3: floor", "write it in quotes"},
		"yes for true":              {idpDoc, "disabled: false", "disabled: no", "expected a boolean"},
		"a number that is a list":   {userDoc, "floor: 3", `floor: !!int "[3]"`, "no decimal number"},
		"a number that is text":     {userDoc, "floor: 3", `floor: !!float "\"3\""`, "no decimal number"},
		"an object that is nothing": {clientDoc, "apiVersion: chancery/v1\n", "!!null\napiVersion: chancery/v1\n", "unknown tag"},
		"text that is nothing":      {"a: b\n", "a: b", "!!null text", "expected an object"},
		"broken YAML":               {clientDoc, "[notes]", "[notes", "malformed YAML"},
		"a NUL":                     {clientDoc, "display_name: Claude", `display_name: "a\0b"`, "U+0000"},
	} {
		t.Run(name, func(t *testing.T) {
			err := decodeError(t, mutate(t, test.doc, test.from, test.to))
			if !strings.Contains(err.Error(), test.says) {
				t.Fatalf("it says %q, not %q", err, test.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatal("the secret is repeated")
			}
		})
	}
}

func TestDecodeNamesEveryProblemAndItsLine(t *testing.T) {
	text := resourceDoc + "---\n" + mutate(t, clientDoc, "dpop: optional", "dpop: maybe") + "---\n" + mutate(t, idpDoc, "clock_skew: 30s", "clock_skew: 61s")
	invalid, ok := errors.AsType[*object.Invalid](decodeError(t, text))
	if !ok || len(invalid.Problems) != 2 {
		t.Fatalf("%v", invalid)
	}
	for i, want := range []object.Problem{{Object: "Client claude", Path: "spec.dpop"}, {Object: "IdentityProvider okta", Path: "spec.assertions.clock_skew"}} {
		got := invalid.Problems[i]
		line := strings.Split(text, "\n")[got.Line-1]
		if got.Object != want.Object || got.Path != want.Path || !strings.Contains(line, strings.TrimPrefix(got.Path[strings.LastIndex(got.Path, "."):], ".")) {
			t.Errorf("%+v at %q", got, line)
		}
	}
}

func TestDecodeBoundsAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: chancery/v1\nkind: User\nmetadata: {name: a}\nspec:\n  attributes:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "    a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	if err := decodeError(t, b.String()); !strings.Contains(err.Error(), "too much") {
		t.Fatal(err)
	}
	// A few aliases are fine.
	decode(t, mutate(t, mutate(t, clientDoc, "display_name: Claude", "display_name: &n Claude"), "type: confidential", "type: confidential\n  owner: *n"))
}

func TestDecodeBoundsSizes(t *testing.T) {
	long := mutate(t, clientDoc, "display_name: Claude", "display_name: "+strings.Repeat("x", object.MaxDocument))
	if err := decodeError(t, long); !errors.Is(err, object.ErrTooLarge) {
		t.Fatal(err)
	}
	if err := decodeError(t, strings.Repeat("---\n", object.MaxDocuments+2)); !errors.Is(err, object.ErrTooLarge) {
		t.Fatal(err)
	}
	if err := decodeError(t, strings.Repeat("[", 100_000)); err == nil {
		t.Fatal("nesting is not bounded")
	}
}

func TestDecodeTakesNothing(t *testing.T) {
	for _, text := range []string{"", "---\n", "# only a comment\n", "---\n---\n"} {
		if objects := decode(t, text); len(objects) != 0 {
			t.Errorf("%q gives %d objects", text, len(objects))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range []string{resourceDoc, clientDoc, idpDoc, userDoc, policyDoc, tenantDoc, workloadDoc, allDocs(), "[]", "{}", "a: &a [*a]", "? {}"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, err := object.Decode(bytes.NewReader(text), object.Options{})
		if err != nil {
			return
		}
		var written bytes.Buffer
		if err := object.Encode(&written, objects, false); err != nil {
			t.Fatalf("what was decoded cannot be written: %v", err)
		}
		again, err := object.Decode(bytes.NewReader(written.Bytes()), object.Options{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, written.Bytes())
		}
		var second bytes.Buffer
		if err := object.Encode(&second, again, false); err != nil || !bytes.Equal(written.Bytes(), second.Bytes()) {
			t.Fatalf("the written form is not stable:\n%s\n%s", written.Bytes(), second.Bytes())
		}
	})
}
