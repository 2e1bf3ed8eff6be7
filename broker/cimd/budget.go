package cimd

import (
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// What unknown client_ids may cost in a minute: fetches for one tenant, and
// fetches from one host for all of them together. Nobody has to authenticate to
// ask, so that this is how much of our traffic an attacker can direct (T53).
const (
	budgetPerTenant = 60
	budgetPerHost   = 30
	budgetWindow    = time.Minute
)

// budget counts in windows. It is as large as one window's traffic.
type budget struct {
	began   time.Time
	tenants map[tenant.UID]int
	hosts   map[string]int
}

// take pays for one fetch, or says when there is more.
func (b *budget) take(t tenant.UID, host string, now time.Time) (wait time.Duration, ok bool) {
	if since := now.Sub(b.began); b.tenants == nil || since < 0 || since >= budgetWindow {
		b.began, b.tenants, b.hosts = now, map[tenant.UID]int{}, map[string]int{}
	}
	if b.tenants[t] >= budgetPerTenant || b.hosts[host] >= budgetPerHost {
		return budgetWindow - now.Sub(b.began), false
	}
	b.tenants[t]++
	b.hosts[host]++
	return 0, true
}
