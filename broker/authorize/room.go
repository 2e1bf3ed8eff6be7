package authorize

import (
	"errors"
	"net/netip"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
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

// vouched tells whether a client is counted by itself, and not with all strangers: it showed a credential, and an administrator
// made it. Whoever registers himself, or puts a document somewhere, has as many credentials as he likes.
func vouched(who client.Authentication) bool {
	return who.Proved() && who.Client().Origin == client.OriginCompany
}

// crowded is unavailable for what was to be kept where too many are.
func crowded(err error) error {
	if errors.Is(err, ErrCrowded) || errors.Is(err, authorization.ErrCrowded) {
		return &oauth.Error{Code: oauth.CodeOverloaded, Cause: err, RetryAfter: retryAfter}
	}
	return unavailable(err)
}

// TurnAway records a form that could not be read, or that another site sent.
func (d *Desk) TurnAway(v Visit, err error) { d.record(v, nil, oauth.AsError(err)) }
