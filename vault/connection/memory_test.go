package connection_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
)

func TestMemory(t *testing.T) {
	connectiontest.Contract(t, func(*testing.T) connectiontest.Fixture {
		m := connectiontest.NewMemory(time.Now)
		return connectiontest.Fixture{
			Store: m, Second: m, Tenant: "ten_1", Other: "ten_2", Now: time.Now, Create: m.Create, Remove: m.Remove, SetStatus: m.SetStatus,
		}
	})
}
