// Package gateway asks a real server what policy would say, as a resource or the gateway in front of it does (AuthZEN). It is
// tests only, on both engines.
package gateway

import (
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
