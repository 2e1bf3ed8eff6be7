package config_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// TestTemplate: what init writes explains every setting, changes none that it
// was not told to, and its comments hold what is in force.
func TestTemplate(t *testing.T) {
	for _, profile := range []config.Profile{config.Dev, config.Production, config.Regulated} {
		t.Run(string(profile), func(t *testing.T) {
			settings := map[string]any{"profile": string(profile), "vault.keyring.file": "/tmp/ring: # odd", "objects": []string{"a", "b c"}}
			text, err := config.Template(settings)
			if err != nil {
				t.Fatal(err)
			}
			want, err := config.Load(config.Sources{File: "/dev/null", Flags: settings})
			if err != nil {
				t.Fatal(err)
			}
			for name, written := range map[string]string{
				"as it is":        string(text),
				"with everything": regexp.MustCompile(`(?m)^( *)#([a-z_]+: )`).ReplaceAllString(withoutReferences(string(text)), "$1$2"),
			} {
				got, err := load(t, written, nil, nil)
				if err != nil {
					t.Fatalf("%s: %v\n%s", name, err, written)
				}
				if fmt.Sprintf("%+v", got.Config) != fmt.Sprintf("%+v", want.Config) {
					t.Errorf("%s:\n%+v\n%+v", name, got.Config, want.Config)
				}
			}
			for _, leaf := range config.Leaves() {
				doc, _, _ := strings.Cut(leaf.Doc, " (name of an environment variable)")
				doc, _, _ = strings.Cut(doc, " (path of a file)")
				doc, _, _ = strings.Cut(doc, " (MOUNT/PATH#KEY")
				if !strings.Contains(string(text), doc) {
					t.Errorf("%s is not explained", leaf.Key)
				}
			}
		})
	}
}

// withoutReferences leaves the three ways of naming a credential as they are: each excludes the others.
func withoutReferences(text string) string {
	return regexp.MustCompile(`(?m)^ *#(env|file|vault): .*\n`).ReplaceAllString(text, "")
}

func TestTemplateRefuses(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"an unknown profile": {"profile": "prod"},
		"an unknown setting": {"server.lisen": "x"},
		"what would not run": {"server.public_url": "http://auth.acme.com"},
	} {
		if text, err := config.Template(settings); err == nil {
			t.Errorf("%s is written:\n%s", name, text)
		}
	}
}
