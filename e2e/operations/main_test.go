// Package operations runs a server as an operator does: what stops a start and how
// it says so, how it ends, what its log and its files give away, and what it does
// while the database or an IdP is gone. It is tests only.
package operations

import (
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
