package demo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/demo"
)

// TestEveryStepHolds runs the demo as `chancery demo --output json` does.
func TestEveryStepHolds(t *testing.T) {
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Out: &out, JSON: true}); err != nil {
		t.Errorf("%v", err)
	}
	steps := 0
	decoder := json.NewDecoder(&out)
	for {
		var record struct {
			Name  string
			OK    bool
			Error string
		}
		if err := decoder.Decode(&record); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if steps++; !record.OK {
			t.Errorf("%s: %s", record.Name, record.Error)
		}
	}
	if steps != 7 {
		t.Errorf("%d steps, want 7", steps)
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
