package strictjson_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/sdk/go/internal/strictjson"
)

func TestObject(t *testing.T) {
	got, err := strictjson.Object([]byte(` {"s":"é","n":7,"f":1.5,"z":-0,"b":true,"x":null,"l":[1,{"a":[]}],"big":9223372036854775808} `), 1024, "s")
	want := map[string]any{
		"s": "é", "n": int64(7), "f": json.Number("1.5"), "z": json.Number("-0"), "b": true, "x": nil,
		"l": []any{int64(1), map[string]any{"a": []any{}}}, "big": json.Number("9223372036854775808"),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
}

func TestObjectRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":                 {``, strictjson.ErrSyntax},
		"array":                 {`[]`, strictjson.ErrSyntax},
		"null":                  {`null`, strictjson.ErrSyntax},
		"trailing text":         {`{}x`, strictjson.ErrSyntax},
		"two objects":           {`{}{}`, strictjson.ErrSyntax},
		"trailing comma":        {`{"a":1,}`, strictjson.ErrSyntax},
		"leading zero":          {`{"a":01}`, strictjson.ErrSyntax},
		"byte order mark":       {"\ufeff{}", strictjson.ErrSyntax},
		"invalid UTF-8":         {"{\"a\":\"\xff\"}", strictjson.ErrSyntax},
		"control character":     {"{\"a\":\"\n\"}", strictjson.ErrSyntax},
		"duplicate":             {`{"a":1,"a":1}`, strictjson.ErrNames},
		"duplicate by escape":   {`{"a":1,"\u0061":1}`, strictjson.ErrNames},
		"duplicate below":       {`{"x":[{"a":1,"a":2}]}`, strictjson.ErrNames},
		"differ by case":        {`{"private":1,"Private":1}`, strictjson.ErrNames},
		"differ by case below":  {`{"x":{"a":1,"A":2}}`, strictjson.ErrNames},
		"long s":                {`{"pas":1,"paſ":1}`, strictjson.ErrNames},
		"kelvin":                {`{"kid":1,"` + "\u212a" + `id":1}`, strictjson.ErrNames},
		"like a registered one": {`{"ISS":"a"}`, strictjson.ErrNames},
		"NUL":                   {`{"a":"\u0000"}`, strictjson.ErrText},
		"NUL in a name":         {`{"\u0000":1}`, strictjson.ErrText},
		"half a surrogate":      {`{"a":"\udc00"}`, strictjson.ErrText},
		"too deep":              {strings.Repeat(`{"a":`, 33) + `1` + strings.Repeat(`}`, 33), strictjson.ErrDepth},
		"too large":             {`{"a":"` + strings.Repeat("a", 1024) + `"}`, strictjson.ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := strictjson.Object([]byte(c.text), 1024, "iss"); !errors.Is(err, c.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	if _, err := strictjson.Object([]byte(strings.Repeat(`{"a":`, 32)+`1`+strings.Repeat(`}`, 32)), 1024); err != nil {
		t.Error(err)
	}
	if _, err := strictjson.Object([]byte(`{"x":{"ISS":1}}`), 1024, "iss"); err != nil { // reserved on the outside only
		t.Error(err)
	}
}

// What is read is what encoding/json reads, and nothing crashes.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,2,{"b":null}]}`, `{"a":1,"A":2}`, `{"a":"\ud800"}`, `[`, `{"a":-0}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := strictjson.Object(text, 4096)
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(text, &plain); err != nil || len(plain) != len(got) {
			t.Errorf("%q: %v %v %v", text, got, plain, err)
		}
	})
}
