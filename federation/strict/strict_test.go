package strict_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/strict"
)

func TestObjectKeepsValues(t *testing.T) {
	const text = `{"s":"é","n":1700000000,"neg":-7,"zero":0,"negzero":-0,"f":1.0,"e":1e3,"big":9223372036854775808,` +
		`"max":9223372036854775807,"t":true,"nul":null,"list":[1,"a",{}],"o":{"deep":[[]]}}`
	got, err := strict.Object([]byte(text), strict.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"s": "é", "n": int64(1700000000), "neg": int64(-7), "zero": int64(0),
		"negzero": json.Number("-0"), "f": json.Number("1.0"), "e": json.Number("1e3"),
		"big": json.Number("9223372036854775808"), "max": int64(9223372036854775807),
		"t": true, "nul": nil, "list": []any{int64(1), "a", map[string]any{}},
		"o": map[string]any{"deep": []any{[]any{}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(again), `"negzero":-0`) || !strings.Contains(string(again), `"f":1.0`) {
		t.Errorf("numbers change when re-encoded: %s", again)
	}
}

func TestObjectRefuses(t *testing.T) {
	limits := strict.Limits{Reserved: strict.Reserve("iss", "sub", "aud", "kid", "jwk"), NoNUL: true}
	const valid = `{"sub":"a","other":{"x":1}}`
	if _, err := strict.Object([]byte(valid), limits); err != nil {
		t.Fatalf("the valid object: %v", err)
	}
	for name, c := range map[string]struct {
		text string
		rule error
	}{
		"empty":                      {``, strict.ErrSyntax},
		"white space only":           {" \n", strict.ErrSyntax},
		"array":                      {`[]`, strict.ErrNotObject},
		"string":                     {`"a"`, strict.ErrNotObject},
		"null":                       {`null`, strict.ErrNotObject},
		"trailing text":              {valid + `x`, strict.ErrSyntax},
		"trailing object":            {valid + `{}`, strict.ErrSyntax},
		"trailing comma":             {`{"sub":"a",}`, strict.ErrSyntax},
		"trailing NUL":               {valid + "\x00", strict.ErrSyntax},
		"comment":                    {`{"sub":"a"/**/}`, strict.ErrSyntax},
		"single quotes":              {`{'sub':'a'}`, strict.ErrSyntax},
		"bare name":                  {`{sub:"a"}`, strict.ErrSyntax},
		"unclosed":                   {`{"sub":"a"`, strict.ErrSyntax},
		"closed by bracket":          {`{"sub":"a"]`, strict.ErrSyntax},
		"byte order mark":            {"\ufeff" + valid, strict.ErrSyntax},
		"UTF-16":                     {"{\x00\"\x00s\x00", strict.ErrSyntax},
		"invalid UTF-8 in value":     {"{\"sub\":\"\xff\"}", strict.ErrSyntax},
		"invalid UTF-8 in name":      {"{\"s\xc0\":\"a\"}", strict.ErrSyntax},
		"overlong UTF-8":             {"{\"sub\":\"\xc1\xb3\"}", strict.ErrSyntax},
		"surrogate in UTF-8":         {"{\"sub\":\"\xed\xa0\x80\"}", strict.ErrSyntax},
		"unpaired surrogate escape":  {`{"sub":"\ud800"}`, strict.ErrSyntax},
		"raw control character":      {"{\"sub\":\"a\nb\"}", strict.ErrSyntax},
		"NaN":                        {`{"x":NaN}`, strict.ErrSyntax},
		"Infinity":                   {`{"x":Infinity}`, strict.ErrSyntax},
		"hexadecimal":                {`{"x":0x10}`, strict.ErrSyntax},
		"leading zero":               {`{"x":012}`, strict.ErrSyntax},
		"leading plus":               {`{"x":+1}`, strict.ErrSyntax},
		"number beyond a double":     {`{"x":1e309}`, strict.ErrNumber},
		"number with huge exponent":  {`{"x":1e999999999}`, strict.ErrNumber},
		"number with tiny exponent":  {`{"x":1E-999999999}`, strict.ErrNumber},
		"number with many digits":    {`{"x":` + strings.Repeat("9", 200) + `}`, strict.ErrNumber},
		"duplicate":                  {`{"sub":"a","sub":"b"}`, strict.ErrDuplicate},
		"duplicate, same value":      {`{"sub":"a","sub":"a"}`, strict.ErrDuplicate},
		"duplicate by escape":        {`{"sub":"a","\u0073ub":"b"}`, strict.ErrDuplicate},
		"duplicate below":            {`{"o":{"a":1,"a":2}}`, strict.ErrDuplicate},
		"duplicate in list":          {`{"o":[{"a":1,"a":2}]}`, strict.ErrDuplicate},
		"fold collision":             {`{"private":1,"Private":2}`, strict.ErrFold},
		"fold collision upper first": {`{"PRIVATE":1,"private":2}`, strict.ErrFold},
		"fold collision by long s":   {`{"pass":1,"pa\u017fs":2}`, strict.ErrFold},
		"fold collision by kelvin":   {`{"kind":1,"\u212aind":2}`, strict.ErrFold},
		"fold collision not ASCII":   {`{"ß":1,"ẞ":2}`, strict.ErrFold},
		"fold collision below":       {`{"o":{"a":1,"A":2}}`, strict.ErrFold},
		"reserved, capital":          {`{"Sub":"a"}`, strict.ErrReserved},
		"reserved beside its like":   {`{"sub":"a","Sub":"admin"}`, strict.ErrReserved},
		"reserved by long s":         {`{"\u017fub":"a"}`, strict.ErrReserved},
		"reserved by long s, raw":    {`{"i` + "ſ" + `s":"a"}`, strict.ErrReserved},
		"reserved by kelvin":         {`{"\u212aid":"a"}`, strict.ErrReserved},
		"reserved, all capitals":     {`{"AUD":"a"}`, strict.ErrReserved},
		"NUL in value":               {`{"sub":"a\u0000b"}`, strict.ErrNUL},
		"NUL in name":                {`{"a\u0000":1}`, strict.ErrNUL},
		"33 levels":                  {strings.Repeat(`{"a":`, 33) + `1` + strings.Repeat(`}`, 33), strict.ErrDepth},
		"100000 levels":              {`{"a":` + strings.Repeat(`[`, 20000), strict.ErrDepth},
		"too large":                  {`{"a":"` + strings.Repeat("a", strict.MaxBytes) + `"}`, strict.ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := strict.Object([]byte(c.text), limits)
			if !errors.Is(err, c.rule) {
				t.Fatalf("got %v, %v; want %v", got, err, c.rule)
			}
			if _, ok := errors.AsType[*strict.Error](err); !ok {
				t.Errorf("%T is not a *strict.Error", err)
			}
		})
	}
}

func TestObjectAllows(t *testing.T) {
	limits := strict.Limits{Reserved: strict.Reserve("sub")}
	for name, text := range map[string]string{
		"32 levels":                     strings.Repeat(`{"a":`, 32) + `1` + strings.Repeat(`}`, 32),
		"reserved exactly":              `{"sub":"a"}`,
		"reserved name's like below":    `{"o":{"Sub":"a"}}`,
		"one name in capitals":          `{"URL":"a"}`,
		"same name in sibling objects":  `{"a":{"x":1},"b":{"x":1}}`,
		"like names in sibling objects": `{"a":{"x":1},"b":{"X":1}}`,
		"NUL where it is not refused":   `{"a":"\u0000"}`,
		"white space around":            " \t\r\n{ } \n",
	} {
		if _, err := strict.Object([]byte(text), limits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFold(t *testing.T) {
	for _, like := range []string{"kiss", "KISS", "Kiss", "\u212aiss", "ki\u017fs", "\u212aI\u017fS"} {
		if got := strict.Fold(like); got != "kiss" {
			t.Errorf("Fold(%q) = %q", like, got)
		}
	}
	for _, other := range []string{"kis", "kıss", "k_iss", "kißs", ""} {
		if strict.Fold(other) == "kiss" {
			t.Errorf("%q folds to kiss", other)
		}
	}
}

func TestNames(t *testing.T) {
	names := strict.Reserve("sub", "x5t#S256")
	for name, registered := range map[string]string{"Sub": "sub", "x5t#s256": "x5t#S256"} {
		if got, ok := names.Resembles(name); !ok || got != registered {
			t.Errorf("Resembles(%q) = %q, %v", name, got, ok)
		}
		if names.Has(name) {
			t.Errorf("Has(%q)", name)
		}
	}
	for _, name := range []string{"sub", "x5t#S256", "subject"} {
		if _, ok := names.Resembles(name); ok {
			t.Errorf("Resembles(%q)", name)
		}
	}
	if !names.Has("sub") || names.Has("subject") || names.Has("") || (strict.Names{}).Has("") {
		t.Error("Has is not exact")
	}
}

func TestErrorsDoNotQuoteValues(t *testing.T) {
	for _, text := range []string{`{"a":"canary`, `{"a":"canary"}canary`, `{"a":canary}`, `{"a":{"b":"canary\u0000"}}`} {
		_, err := strict.Object([]byte(text), strict.Limits{NoNUL: true})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
