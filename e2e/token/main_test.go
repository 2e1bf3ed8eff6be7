// Package token drives the token endpoint and the public documents of a real
// server over HTTP: what is granted, to whom, bound to what, and how each refusal
// reads. It is tests only, on both engines.
package token

import (
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// each runs a test on a world of its own on each engine.
func each(t *testing.T, objects string, test func(t *testing.T, w *harness.World)) {
	t.Helper()
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		test(t, harness.Start(t, harness.Options{Engine: e, Objects: objects}))
	})
}
