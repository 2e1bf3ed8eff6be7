package assembly

import (
	"net/netip"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// bucketsKept is how many clients, and how many addresses, are remembered at once: 16 MiB at most for each of the two.
const bucketsKept = 1 << 16

// limited counts what limits turned away, by the limit.
const limited = "chancery_rate_limited_total"

// budgets gives each client that proves itself its rate, if the configuration says one.
func (s *Server) budgets(a *client.Authenticator) (grant.Clients, error) {
	if s.Config.Limits.PerClient == "" {
		return a, nil
	}
	buckets, err := newLimiter[client.Key](s.Config.Limits.PerClient, s.Now)
	if err != nil {
		return nil, err
	}
	s.countLimited("client", buckets.Refused)
	return client.Limit(a, buckets)
}

// openDoor gives each network address its rate, if the configuration says one.
func (s *Server) openDoor() (broker.Door, error) {
	if s.Config.Limits.PerAddress == "" {
		return nil, nil
	}
	buckets, err := newLimiter[netip.Prefix](s.Config.Limits.PerAddress, s.Now)
	if err != nil {
		return nil, err
	}
	s.countLimited("address", buckets.Refused)
	return &door{buckets: buckets, lane: s.refusals, root: s.root, now: s.Now}, nil
}

func newLimiter[K comparable](text string, now func() time.Time) (*limit.Limiter[K], error) {
	rate, err := limit.ParseRate(text)
	if err != nil {
		return nil, err
	}
	return limit.New[K](rate, bucketsKept, now)
}

func (s *Server) countLimited(by string, refused func() uint64) {
	s.metrics.Counter(limited, "Requests turned away by a rate of limits.", metrics.Labels{"limit": by}, func() float64 { return float64(refused()) })
}

// door keeps addresses to their rate. Who is turned away is recorded in the bounded lane, for tenant default: which tenant
// he wanted is not looked up.
type door struct {
	buckets *limit.Limiter[netip.Prefix]
	lane    *ledger.Refusals
	root    tenant.UID
	now     func() time.Time
}

func (d *door) Enter(address, trace string) (time.Duration, bool) {
	key := limit.Address(address)
	wait, ok := d.buckets.Take(key)
	if !ok {
		now := d.now()
		d.lane.Add(audit.Event{
			ID: id.New(id.Event, now), At: now, Tenant: d.root, Trace: trace, Type: audit.TypeRequestRefused, Outcome: audit.Refused,
			Code: string(oauth.CodeAddressRateExceeded), Principal: audit.Principal{Kind: "anonymous"}, Remote: address,
		}, key.String()) // a site of IPv6 is one source, however many addresses it uses
	}
	return wait, ok
}

// nonces are asked for if the configuration says so; all replicas derive the same keys, and so make and recognise the same.
func (s *Server) nonces() (broker.Nonces, error) {
	if s.Config.DPoP.Nonce != config.NonceRequired {
		return nil, nil
	}
	return dpop.NewNonces(s.secrets.derived, s.Now)
}
