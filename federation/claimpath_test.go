package federation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

func TestParseClaimPath(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"sub", []string{"sub"}},
		{"claims.sub", []string{"sub"}},
		{"claims.repository", []string{"repository"}},
		{`claims["kubernetes.io"].serviceaccount.name`, []string{"kubernetes.io", "serviceaccount", "name"}},
		{`claims["a"]["b"]`, []string{"a", "b"}},
		{`claims["a\"b\\c]"].d`, []string{`a"b\c]`, "d"}},
		{`claims["https://acme.example/x"]`, []string{"https://acme.example/x"}},
		{"claims.google.compute_engine.zone", []string{"google", "compute_engine", "zone"}},
		{"claims.https://acme", []string{"https://acme"}},
		{`claims["sub"]`, []string{"sub"}},
		{`claims.aws:PrincipalTag/team-name`, []string{"aws:PrincipalTag/team-name"}},
		{`claims["` + "\\u006bey" + `"].value`, []string{"key", "value"}},
	} {
		text, want := test.text, test.want
		path, err := federation.ParseClaimPath(text)
		if err != nil || !slices.Equal(path, want) {
			t.Errorf("%s: %q, %v", text, path, err)
			continue
		}
		again, err := federation.ParseClaimPath(federation.ClaimPath(path))
		if err != nil || !slices.Equal(again, want) {
			t.Errorf("%s: written as %s, read as %q, %v", text, federation.ClaimPath(path), again, err)
		}
	}
	for _, text := range []string{
		"", " sub", "Sub", "sub.x", "claims", "claims.", "claims..a", "claims.a.", "claims.a..b", "claims[]", "claims[a]", `claims['a']`, "claims[`a`]",
		`claims["a"`, `claims["a]`, `claims[""]`, `claims["a"]b`, "claims.a[", "claim.a", "claimsa", "repository", `claims."a"["b`, "iss",
	} {
		if path, err := federation.ParseClaimPath(text); err == nil {
			t.Errorf("%s: read as %q", text, path)
		}
	}
}

// What is written is read back, whatever the names are.
func FuzzClaimPath(f *testing.F) {
	for _, seed := range []string{"sub", "claims.a", "kubernetes.io\x00namespace", "a]b\x00[", " \x00\t", "é\x00\xff", `"\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		path := strings.Split(joined, "\x00")
		text := federation.ClaimPath(path)
		got, err := federation.ParseClaimPath(text)
		if slices.Contains(path, "") {
			return // no claim has an empty name
		}
		if err != nil || !slices.Equal(got, path) {
			t.Fatalf("%q written as %s, read as %q, %v", path, text, got, err)
		}
	})
}

func TestMatchWorkloads(t *testing.T) {
	claims := map[string]string{"sub": "repo:acme/app", "repository": "acme/app", "run_id": "7", "empty": ""}
	lookup := func(path []string) (string, bool) {
		value, found := claims[strings.Join(path, ".")]
		return value, found
	}
	equals := func(name, value string) federation.ClaimEquals {
		return federation.ClaimEquals{Path: []string{name}, Value: value}
	}
	valid := federation.Workload{Name: "build", IdPUID: "idp_1", Match: []federation.ClaimEquals{equals("sub", "repo:acme/app"), equals("run_id", "7")}}
	if found := federation.MatchWorkloads([]federation.Workload{valid}, "idp_1", lookup); len(found) != 1 || found[0].Name != "build" {
		t.Fatalf("matched %v", found)
	}
	for name, change := range map[string]func(*federation.Workload){
		"another IdP's":          func(w *federation.Workload) { w.IdPUID = "idp_2" },
		"no IdP's":               func(w *federation.Workload) { w.IdPUID = "" },
		"requires nothing":       func(w *federation.Workload) { w.Match = nil },
		"another value":          func(w *federation.Workload) { w.Match[1].Value = "8" },
		"a prefix":               func(w *federation.Workload) { w.Match[0].Value = "repo:acme/" },
		"a pattern":              func(w *federation.Workload) { w.Match[0].Value = "repo:acme/*" },
		"in other case":          func(w *federation.Workload) { w.Match[0].Value = "repo:Acme/app" },
		"an absent claim":        func(w *federation.Workload) { w.Match = append(w.Match, equals("absent", "")) },
		"a claim without a name": func(w *federation.Workload) { w.Match = append(w.Match, federation.ClaimEquals{}) },
	} {
		rule := valid
		rule.Match = slices.Clone(valid.Match)
		change(&rule)
		if found := federation.MatchWorkloads([]federation.Workload{rule}, "idp_1", lookup); found != nil {
			t.Errorf("%s: matched", name)
		}
	}
	if found := federation.MatchWorkloads([]federation.Workload{{Name: "w", Match: valid.Match}}, "", lookup); found != nil {
		t.Error("nobody's rule matched nobody's token")
	}
	if found := federation.MatchWorkloads([]federation.Workload{valid, valid}, "idp_1", lookup); len(found) != 2 {
		t.Errorf("%d of two matching rules", len(found)) // the caller must see that it is not one
	}
	if text := equals("kubernetes.io", "x").String(); text != `claims["kubernetes.io"]` {
		t.Errorf("written as %s", text)
	}
}

func TestListsClient(t *testing.T) {
	idp := okta()
	idp.Assertions.Clients = []string{"claude", "agents.example"}
	for _, test := range []struct {
		names []string
		want  bool
	}{
		{[]string{"claude"}, true}, {[]string{"x", "agents.example"}, true}, {[]string{"Claude"}, false}, {[]string{""}, false}, {nil, false}, {[]string{"claude "}, false},
	} {
		if got := idp.ListsClient(test.names); got != test.want {
			t.Errorf("%q: %v", test.names, got)
		}
	}
	idp.Assertions.Clients = []string{""} // no name names anybody
	if idp.ListsClient([]string{""}) {
		t.Error("an empty name is listed")
	}
	idp.Assertions.Clients = nil
	if idp.ListsClient([]string{"claude"}) {
		t.Error("an absent list lists somebody")
	}
}
