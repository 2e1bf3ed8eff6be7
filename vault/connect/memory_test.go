package connect_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connect/connecttest"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
)

func TestMemory(t *testing.T) {
	connecttest.Contract(t, func(*testing.T) connecttest.Fixture {
		held := connectiontest.NewMemory(time.Now)
		m := connecttest.NewMemory(held)
		return connecttest.Fixture{
			Store: m, Second: m, Tenant: "ten_1", Other: "ten_2", User: "usr_1", Provider: "prv_1", Version: 3, Find: held.Find,
			End: func(_ *testing.T, uid string) { m.End(uid, 4) }, Now: time.Now,
		}
	})
}
