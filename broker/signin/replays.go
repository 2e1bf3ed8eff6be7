package signin

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
)

// replaysKept is of how many messages it is remembered that they came again.
const replaysKept = 4096

// replays remembers what was found to be used up already. That a signed message came again is on record the first time, with
// all that it says; whoever goes on sending it is a stranger, and counted as one: the message is no secret of the IdP's, and
// without this the log would grow with each copy for as long as it is valid.
type replays struct {
	mu    sync.Mutex
	known map[[32]byte]time.Time // until when it is remembered
}

// check answers what the database would: what is used up stays so.
func (r *replays) check(all []ledger.Redemption, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		if until, ok := r.known[replayKey(one)]; ok && now.Before(until) {
			return &ledger.Conflict{Lost: one}
		}
	}
	return nil
}

func (r *replays) note(one ledger.Redemption, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= replaysKept {
		for key, until := range r.known {
			if !now.Before(until) {
				delete(r.known, key)
			}
		}
	}
	if r.known == nil || len(r.known) >= replaysKept { // they are asked of the database again, and told once more
		r.known = map[[32]byte]time.Time{}
	}
	r.known[replayKey(one)] = one.ExpiresAt
}

// replayKey tells tenants and spaces apart.
func replayKey(r ledger.Redemption) [32]byte {
	return sha256.Sum256([]byte(r.Tenant.String() + "\x00" + string(r.Space) + "\x00" + string(r.Key[:])))
}
