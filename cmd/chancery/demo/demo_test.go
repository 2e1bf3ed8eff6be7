package demo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/demo"
)

// TestEveryStepHolds runs the demo as `chancery demo --output json` does.
func TestEveryStepHolds(t *testing.T) {
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Out: &out, JSON: true}); err != nil {
		t.Errorf("%v", err)
	}
	var steps []string
	said := out.String()
	decoder := json.NewDecoder(&out)
	for {
		var record struct {
			Name      string
			OK        bool
			Error     string
			Notes     []string
			Exchanges []struct{ To, Path string }
		}
		if err := decoder.Decode(&record); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if steps = append(steps, record.Name); !record.OK {
			t.Errorf("%s: %s", record.Name, record.Error)
		}
		if len(record.Notes) == 0 || len(record.Exchanges) == 0 && record.Name != "audit" {
			t.Errorf("%s shows nothing", record.Name)
		}
	}
	want := []string{
		"sign_in", "tool_call", "policy_refusal", "replay", "wrong_audience", "step_up",
		"browser_sign_in", "browser_saml", "browser_step_up", "refresh", "logout",
		"connection_required", "connect", "vend", "audit",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("%v, want %v", steps, want)
	}
	for _, hidden := range []string{"SAMLResponse\":\"PD", "\"refresh_token\":\"rft_", "\"code\":\"c", "eyJ"} {
		if strings.Contains(said, hidden) {
			t.Errorf("a secret is shown: %s", hidden)
		}
	}
}

// TestTextIsForPeople runs the demo as `make demo` does.
func TestTextIsForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Out: &out}); err != nil {
		t.Error(err)
	}
	t.Log(out.String())
	if !bytes.Contains(out.Bytes(), []byte("Every step did what it must.")) {
		t.Error("the demo does not say how it ended")
	}
}
