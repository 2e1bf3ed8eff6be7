package oauth_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestParseScope(t *testing.T) {
	for in, want := range map[string][]string{
		"":                nil,
		"a":               {"a"},
		"a b":             {"a", "b"},
		"b a b":           {"b", "a"},
		"notes:read !#[]": {"notes:read", "!#[]"},
	} {
		if got, err := oauth.ParseScope(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{" ", " a", "a ", "a  b", "a\tb", "a\nb", `a"`, `a\b`, "ä", "a\x00", "a\x7f"} {
		_, err := oauth.ParseScope(in)
		if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != oauth.CodeScopeMalformed {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestIntersect(t *testing.T) {
	a := []string{"c", "a", "b"}
	if got := oauth.Intersect(a, []string{"a", "c", "x"}); !slices.Equal(got, []string{"c", "a"}) {
		t.Errorf("%v", got)
	}
	if got := oauth.Intersect(a, nil); len(got) != 0 { // absent means none
		t.Errorf("%v", got)
	}
	if !slices.Equal(a, []string{"c", "a", "b"}) {
		t.Error("the operand was changed")
	}
}

func TestCanonicalResource(t *testing.T) {
	for in, want := range map[string]string{
		"https://mcp.example/notes":      "https://mcp.example/notes",
		"HTTPS://MCP.Example/notes":      "https://mcp.example/notes",
		"https://mcp.example:443/notes":  "https://mcp.example/notes",
		"https://mcp.example:8443/notes": "https://mcp.example:8443/notes",
		"https://mcp.example":            "https://mcp.example/",
		"https://mcp.example:/notes":     "https://mcp.example/notes", // an empty port is none
		"https://mcp.example/":           "https://mcp.example/",
		"https://mcp.example/Notes":      "https://mcp.example/Notes",
		"https://mcp.example/notes/":     "https://mcp.example/notes/", // not the same resource as without the slash
		"http://127.0.0.1:80/mcp":        "http://127.0.0.1/mcp",
		"https://mcp.example/a?b=c":      "https://mcp.example/a?b=c",
		"https://mcp.example/a%2Fb":      "https://mcp.example/a%2Fb",
	} {
		if got, err := oauth.CanonicalResource(in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "notes", "/notes", "https://", "https://a/#f", "https://a/#", "https://u:p@a/", "mailto:a@b", "https://a\x00", "://a", "//a/b",
		"https://m\u212ap.example/notes", "https://mcp.example/n\u00f6tes", "https://mcp.example/a b", " https://mcp.example/", // folding would make others' names ours
	} {
		if got, err := oauth.CanonicalResource(in); err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}
