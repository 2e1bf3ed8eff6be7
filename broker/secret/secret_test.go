package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/broker/secret"
)

const canary = "canary-9f2c"

type holder struct {
	Shown  secret.Text
	hidden secret.Text
}

// TestNeverPrinted: on its own, in exported and in unexported fields, by value and by pointer.
func TestNeverPrinted(t *testing.T) {
	text := secret.New(canary)
	h := holder{Shown: text, hidden: text}
	var printed strings.Builder
	for _, value := range []any{text, &text, h, &h, []secret.Text{text}, map[string]any{"a": h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&printed, verb, value)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "text", text, "holder", h, "pointer", &h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "text", text, "holder", h, "pointer", &h)
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"a": text})
	if err != nil {
		t.Fatal(err)
	}
	all := printed.String() + log.String() + string(asJSON) + string(asYAML)
	if strings.Contains(all, canary) || strings.Contains(all, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret was printed: %s", all)
	}
	if !strings.Contains(string(asJSON), "[redacted]") {
		t.Errorf("JSON: %s", asJSON)
	}
	if h.hidden.Reveal() != canary {
		t.Error("the secret is lost")
	}
}

func TestZero(t *testing.T) {
	var zero secret.Text
	if !zero.IsZero() || zero.Reveal() != "" || !secret.New("").IsZero() || secret.New("x").IsZero() {
		t.Error("IsZero")
	}
}
