// Package input sends bad input to a real server: every mutation of a valid
// assertion with its exact answer, and the documents of JSONTestSuite through
// every place where JSON from outside is read. It is tests only.
package input

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// each runs a test on a world of its own on each engine; the log says at its end whether anything panicked.
func each(t *testing.T, o harness.Options, test func(t *testing.T, w *harness.World)) {
	t.Helper()
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		o := o
		o.Engine = e
		w := harness.Start(t, o)
		test(t, w)
		for line := range strings.SplitSeq(w.Server().Log(), "\n") {
			if strings.Contains(line, `"msg":"panic"`) || strings.Contains(line, "goroutine ") {
				t.Errorf("%.2000s", line)
			}
		}
	})
}
