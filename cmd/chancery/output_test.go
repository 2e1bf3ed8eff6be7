package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestYAMLSaysWhatJSONSays: what is text stays text, whatever it looks like.
func TestYAMLSaysWhatJSONSays(t *testing.T) {
	record := map[string]any{
		"texts": []any{
			"", " ", "true", "null", "~", "1", "1.5", "0x1F", "1e3", "2030-01-31", "<<", "- a", "a: b", "#", "a\nb\n", "\ttab", "é…", "\u2028", "\u0085", "\x7f", "\x00\x1b[2J", "😀", "<&>",
			"[a]", "{a}", "*a", "&a", "!a", "|", ">", "%", "@", "`", "'", `"`, `\`, "=", "yes", "on",
		},
		"numbers": []any{float64(0), float64(-1), 1.5, float64(1 << 40)}, "bools": []any{true, false}, "none": nil, "empty": map[string]any{}, "nothing": []any{},
		"nested": map[string]any{"<<": map[string]any{"a": "b"}, "true": "x"},
	}
	var b bytes.Buffer
	if err := printYAML(&b, record); err != nil {
		t.Fatal(err)
	}
	var again any
	if err := yaml.Unmarshal(b.Bytes(), &again); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	text, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, record) {
		t.Errorf("%v\n%q\n%q", err, got, record)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("YAML moves the cursor")
	}
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 😀 text":   "plain é 😀 text",
		"\x1b[2J":          `\u001b[2J`,
		"a\nb\tc\r":        `a\u000ab\u0009c\u000d`,
		"\u202eright":      `\u202eright`,
		"\u200bzero":       `\u200bzero`,
		"\u009bcsi":        `\u009bcsi`,
		"bad \xff\xfebyte": "bad \ufffdbyte",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := visible(text); strings.ContainsFunc(got, hidden) {
			t.Errorf("%q: %q is not visible", text, got)
		}
	}
}
