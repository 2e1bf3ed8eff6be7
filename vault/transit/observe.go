package transit

import (
	"errors"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/chancery-dev/chancery/vault"
)

// What is asked, as Config.Observe hears it.
const (
	OperationEncrypt = "encrypt"
	OperationDecrypt = "decrypt"
	OperationRewrap  = "rewrap"
	OperationKey     = "key"   // what the key is
	OperationToken   = "token" // what our token is
	OperationRead    = "read"  // of a KV engine
)

// How a call ends besides a Kind.
const (
	OutcomeDone     = "done"
	OutcomeUnopened = "unopened" // the ciphertext is another's, or was altered
	OutcomeVersion  = "version"  // below min_decryption_version
	OutcomeAbsent   = "absent"   // there is nothing at the path
	OutcomeAborted  = "aborted"  // by its caller
)

func (t *Client) observe(path string, err error, took time.Duration) {
	if t.config.Observe != nil {
		t.config.Observe(t.operation(path), outcome(err), took)
	}
}

func (t *Client) operation(path string) string {
	switch path {
	case t.path("encrypt"):
		return OperationEncrypt
	case t.path("decrypt"):
		return OperationDecrypt
	case t.path("rewrap"):
		return OperationRewrap
	case t.path("keys"):
		return OperationKey
	}
	if strings.HasPrefix(path, "auth/token/") {
		return OperationToken
	}
	return OperationRead
}

func outcome(err error) string {
	if err == nil {
		return OutcomeDone
	}
	if outage, ok := errors.AsType[*Outage](err); ok {
		return string(outage.Kind)
	}
	switch {
	case errors.Is(err, vault.ErrUnopened):
		return OutcomeUnopened
	case errors.Is(err, ErrVersion):
		return OutcomeVersion
	case errors.Is(err, errNothing):
		return OutcomeAbsent
	}
	return OutcomeAborted
}

// State is where the breaker stands: after several outages in a row Vault is left alone for a moment, then asked once.
type State string

// The states.
const (
	Closed   State = "closed"
	HalfOpen State = "half_open"
	Open     State = "open"
)

// State tells where the breaker stands.
func (t *Client) State() State {
	switch t.breaker.State() {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Closed
	}
}
