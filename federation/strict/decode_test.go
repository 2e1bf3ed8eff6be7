package strict_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/strict"
)

type embedded struct {
	Revision int `json:"revision"`
}

type subject struct {
	embedded

	Name   string            `json:"name"`
	Scopes []string          `json:"scopes"`
	Limit  *int              `json:"limit"`
	Labels map[string]string `json:"labels"`
	Nested struct {
		Lifetime string `json:"lifetime"`
	} `json:"nested"`
	Free map[string]any `json:"free"`
	Any  any            `json:"any"`
}

const validSubject = `{"name":"n","scopes":["a"],"limit":3,"labels":{"k":"v"},"nested":{"lifetime":"5m"},` +
	`"free":{"i":1,"f":1.5,"l":[2]},"any":7,"revision":4}`

func TestDecode(t *testing.T) {
	var got subject
	if err := strict.Decode([]byte(validSubject), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "n" || *got.Limit != 3 || got.Nested.Lifetime != "5m" || got.Revision != 4 {
		t.Errorf("got %+v", got)
	}
	want := map[string]any{"i": int64(1), "f": json.Number("1.5"), "l": []any{int64(2)}}
	if !reflect.DeepEqual(got.Free, want) || got.Any != int64(7) {
		t.Errorf("untyped members: %#v, %#v", got.Free, got.Any)
	}
}

func TestDecodeUnknownField(t *testing.T) {
	for name, c := range map[string]struct {
		old, replacement string
		want             strict.UnknownField
	}{
		"slip":             {`"scopes"`, `"scope"`, strict.UnknownField{Name: "scope", Nearest: "scopes"}},
		"capital":          {`"name"`, `"Name"`, strict.UnknownField{Name: "Name", Nearest: "name"}},
		"long s":           {`"scopes"`, `"ſcopes"`, strict.UnknownField{Name: "ſcopes", Nearest: "scopes"}},
		"of embedded":      {`"revision"`, `"revison"`, strict.UnknownField{Name: "revison", Nearest: "revision"}},
		"below":            {`"lifetime"`, `"life_time"`, strict.UnknownField{Path: "/nested", Name: "life_time", Nearest: "lifetime"}},
		"nothing close":    {`"scopes"`, `"zzzzzz"`, strict.UnknownField{Name: "zzzzzz"}},
		"escaped in path":  {`"scopes"`, `"a/b~c"`, strict.UnknownField{Name: "a/b~c"}},
		"very long a name": {`"scopes"`, `"` + strings.Repeat("s", 5000) + `"`, strict.UnknownField{Name: strings.Repeat("s", 5000)}},
	} {
		t.Run(name, func(t *testing.T) {
			err := strict.Decode([]byte(strings.Replace(validSubject, c.old, c.replacement, 1)), &subject{})
			got, ok := errors.AsType[*strict.UnknownField](err)
			if !ok || *got != c.want {
				t.Fatalf("got %+v, want %+v", err, c.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		old, replacement string
		rule             error
	}{
		"duplicate":               {`"any":7`, `"any":7,"any":8`, strict.ErrDuplicate},
		"duplicate label":         {`"k":"v"`, `"k":"v","k":"w"`, strict.ErrDuplicate},
		"fold collision in free":  {`"i":1`, `"i":1,"I":2`, strict.ErrFold},
		"string for a list":       {`["a"]`, `"a"`, strict.ErrMember},
		"number for a string":     {`"n"`, `1`, strict.ErrMember},
		"string for a number":     {`3`, `"3"`, strict.ErrMember},
		"fraction for an integer": {`3`, `3.5`, strict.ErrMember},
		"list for an object":      {`{"lifetime":"5m"}`, `[]`, strict.ErrMember},
		"trailing text":           {`"revision":4}`, `"revision":4} {}`, strict.ErrSyntax},
		"NUL":                     {`"n"`, `"n\u0000"`, strict.ErrNUL},
		"depth":                   {`"any":7`, `"any":` + strings.Repeat("[", 32) + strings.Repeat("]", 32), strict.ErrDepth},
		"invalid UTF-8":           {`"n"`, "\"\xff\"", strict.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(validSubject, c.old, c.replacement, 1)
			if text == validSubject {
				t.Fatal("nothing was broken")
			}
			if err := strict.Decode([]byte(text), &subject{}); !errors.Is(err, c.rule) {
				t.Fatalf("got %v, want %v", err, c.rule)
			}
		})
	}
}

func TestDecodeNamesPathAndExpectation(t *testing.T) {
	err := strict.Decode([]byte(`{"nested":{"lifetime":300}}`), &subject{})
	if want := `member of the wrong type at "/nested/lifetime": expected a string`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = strict.Decode([]byte(`{"limit":"canary"}`), &subject{})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the value is quoted: %v", err)
	}
}
