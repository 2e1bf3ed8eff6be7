package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestLentProviders(t *testing.T) {
	got, err := lentProviders([]string{"github=repo:read repo:write", "my-tracker"})
	if err != nil || len(got) != 2 || got[0].Provider != "github" || strings.Join(got[0].Scopes, "|") != "repo:read|repo:write" || len(got[1].Scopes) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	for name, given := range map[string][]string{
		"no name":       {"=repo:read"},
		"no variable":   {"git hub"},
		"named twice":   {"github", "github=repo:read"},
		"one variable":  {"my-tracker", "my_tracker"},
		"an assignment": {"A$(x)"},
	} {
		if _, err := lentProviders(given); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if v := leaseVariable("my-tracker"); v != "CHANCERY_MY_TRACKER_TOKEN" {
		t.Error(v)
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"gho_16C7e42F": "gho_16C7e42F", "a b": "'a b'", "": "''", "it's $HOME": `'it'\''s $HOME'`, "dXNlcjpwYXNz==": "dXNlcjpwYXNz=="} {
		if got := shellWord(in); got != want {
			t.Errorf("%q became %s", in, got)
		}
	}
}

func TestVendArguments(t *testing.T) {
	for _, args := range [][]string{{"vend"}, {"vend", "github", "--format", "yaml"}, {"vend", "github", "--resource", "https://mcp.acme.com/notes", "--issuer", "https://127.0.0.1:1"}} {
		var out, errs bytes.Buffer
		c := &command{stdout: &out, stderr: &errs, environ: nil}
		root := c.root()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(&errs)
		if err := root.Execute(); err == nil || out.Len() > 0 {
			t.Errorf("%v: %v, printed %q", args, err, out.String())
		}
	}
}
