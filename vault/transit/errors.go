package transit

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/sony/gobreaker/v2"

	"github.com/chancery-dev/chancery/vault"
)

// Kind tells outages apart.
type Kind string

// The kinds.
const (
	Sealed      Kind = "sealed"      // Vault is sealed: somebody must unseal it
	Standby     Kind = "standby"     // this node does not answer, and names none that does
	Throttled   Kind = "throttled"   // too many requests
	Denied      Kind = "denied"      // our token may not do this, or is no token any more
	Slow        Kind = "slow"        // no answer in time
	Unreachable Kind = "unreachable" // no connection
	Failing     Kind = "failing"     // Vault answers with an error of its own
	Refused     Kind = "refusing"    // Vault does not take this request; others it may
	Resting     Kind = "resting"     // it failed so often that it is left alone for a moment
)

// Outage is why Vault could not be asked. Nothing was sealed or opened.
type Outage struct {
	Kind  Kind
	Cause error // without a token, a secret or a ciphertext
}

// Error implements error.
func (o *Outage) Error() string { return "vault is " + string(o.Kind) + ": " + o.Cause.Error() }

// Unwrap gives the cause.
func (o *Outage) Unwrap() error { return o.Cause }

// Is tells every outage for vault.ErrUnavailable, so that whoever needs a secret can fail closed without knowing of Vault.
func (o *Outage) Is(target error) bool { return target == vault.ErrUnavailable }

// Unavailable tells rooms that know no Vault that the same request may succeed in a moment.
func (o *Outage) Unavailable() bool { return true }

// RetryAfter is when it may be worth asking again.
func (o *Outage) RetryAfter() time.Duration {
	if o.Kind == Denied || o.Kind == Sealed {
		return 30 * time.Second
	}
	return 5 * time.Second
}

// ErrVersion says that the key's min_decryption_version does not let this blob open any more. It is not lost: lowering
// the bound brings it back.
var ErrVersion = errors.New("sealed with a version of the key that Vault does not use any more (min_decryption_version)")

var errFailed = errors.New("the request failed")

// answered turns what the library says into what callers can act on. Vault's own words are kept where they are about keys,
// and dropped where they could hold what was sent.
func answered(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &Outage{Resting, errFailed}
	}
	response, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) || isTimeout(err) {
			return &Outage{Slow, context.DeadlineExceeded}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Outage{Unreachable, errFailed}
	}
	switch status := response.StatusCode; {
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return &Outage{Denied, errors.New("permission denied")}
	case status == http.StatusTooManyRequests:
		return &Outage{Throttled, errFailed}
	case status == http.StatusServiceUnavailable && says(response, "sealed"):
		return &Outage{Sealed, errFailed}
	case status == http.StatusBadRequest && says(response, "too old"):
		return ErrVersion
	case status == http.StatusBadRequest && (says(response, "message authentication failed") || says(response, "invalid ciphertext")):
		return vault.ErrUnopened
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == 472 || status == 473 || status == 412:
		return &Outage{Standby, errFailed}
	case status >= http.StatusInternalServerError && says(response, "local node not active"):
		return &Outage{Standby, errFailed}
	case status == http.StatusBadRequest || status == http.StatusNotFound:
		return &Outage{Refused, errFailed}
	default:
		return &Outage{Failing, errFailed}
	}
}

func says(r *api.ResponseError, what string) bool {
	return slices.ContainsFunc(r.Errors, func(s string) bool { return strings.Contains(strings.ToLower(s), what) })
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// counts tells whether an error says that Vault is not well: what it refuses for a reason does not.
func counts(err error) bool {
	outage, ok := errors.AsType[*Outage](err)
	return ok && outage.Kind != Denied && outage.Kind != Refused
}
