package strict_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/strict"
)

// refusedDeliberately lists valid documents of JSONTestSuite that are refused,
// with the rule: RFC 8259 §4 only recommends unique names, we demand them.
func refusedDeliberately() map[string]error {
	return map[string]error{
		"y_object_duplicated_key.json":           strict.ErrDuplicate,
		"y_object_duplicated_key_and_value.json": strict.ErrDuplicate,
	}
}

// TestJSONTestSuite runs the documents of nst/JSONTestSuite: y_ must parse, n_
// must be refused, i_ may do either, and none may panic.
func TestJSONTestSuite(t *testing.T) {
	root := os.Getenv("CHANCERY_CORPORA")
	if root == "" {
		t.Skip("CHANCERY_CORPORA is unset: JSONTestSuite is not run")
	}
	files, err := filepath.Glob(filepath.Join(root, "jsontestsuite", "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("the corpus has %d documents: %v", len(files), err)
	}
	deliberate := refusedDeliberately()
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(text)
		_, err = strict.Value(text)
		switch rule, listed := deliberate[name]; {
		case listed && !errors.Is(err, rule):
			t.Errorf("%s: got %v, want %v", name, err, rule)
		case listed:
		case strings.HasPrefix(name, "y_") && err != nil:
			t.Errorf("%s must parse: %v", name, err)
		case strings.HasPrefix(name, "n_") && err == nil:
			t.Errorf("%s must be refused", name)
		}
		if !bytes.Equal(text, before) {
			t.Errorf("%s was changed by reading it", name)
		}
		var into struct{}
		if err := strict.Decode(text, &into); err == nil && strings.HasPrefix(name, "n_") {
			t.Errorf("%s must be refused by Decode", name)
		}
		if _, err := strict.Object(text, strict.Limits{}); err == nil && strings.HasPrefix(name, "n_") {
			t.Errorf("%s must be refused by Object", name)
		}
	}
}
