package authorize

import (
	"net/netip"
	"time"

	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// Rate is how often one address may have something put by that nobody has authenticated for: a browser's request or a public
// client's, or the way to an IdP. Each rests for ten minutes at most, so that of one address no more rest than a disk can hold; an
// office behind one address begins its day within it.
func Rate() limit.Rate { return limit.Rate{Count: 20, Per: time.Second, Burst: 1000} }

// room refuses an address that fills the store. Who is on this machine is not counted.
func (d *Desk) room(v Visit) error {
	if address, err := netip.ParseAddr(v.Remote); err == nil && address.IsLoopback() {
		return nil
	}
	if wait, ok := d.Budget.Take(limit.Address(v.Remote)); !ok {
		return &oauth.Error{Code: oauth.CodeAddressRateExceeded, RetryAfter: wait}
	}
	return nil
}

// TurnAway records a form that could not be read, or that another site sent.
func (d *Desk) TurnAway(v Visit, err error) { d.record(v, nil, oauth.AsError(err)) }
