package grant_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/jws"
)

// journal keeps what is committed, and redeems once as the ledger does: what a loser brought is taken back unless it is
// used up always.
type journal struct {
	mu        sync.Mutex
	entries   []ledger.Entry
	conflicts []audit.Event
	redeemed  map[string]bool
	answers   []error     // what the next commits answer before anything is recorded
	before    func(n int) // called before the nth commit, from 0
	calls     int
	families  *families // nil: there are none
}

func (j *journal) Commit(ctx context.Context, e ledger.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.calls
	j.calls++
	if j.before != nil {
		j.before(n)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(j.answers) > 0 {
		err := j.answers[0]
		j.answers = j.answers[1:]
		if err != nil {
			return err
		}
	}
	if j.redeemed == nil {
		j.redeemed = map[string]bool{}
	}
	var lost *ledger.Redemption
	for i, r := range e.Redemptions {
		if j.redeemed[key(r)] && lost == nil {
			lost = &e.Redemptions[i]
		}
	}
	if lost == nil && j.families != nil {
		if err := j.families.settle(e); err != nil {
			return err
		}
	}
	for _, r := range e.Redemptions {
		if lost == nil || r.Always {
			j.redeemed[key(r)] = true
		}
	}
	if lost != nil && lost.Origin != "" {
		j.families.end(lost.Origin, ledger.EndedByReuse)
	}
	if lost != nil {
		j.conflicts = append(j.conflicts, e.Conflict(*lost))
		return &ledger.Conflict{Lost: *lost}
	}
	j.entries = append(j.entries, e)
	return nil
}

func key(r ledger.Redemption) string { return r.Tenant.String() + string(r.Space) + string(r.Key[:]) }

// last is the newest entry.
func (j *journal) last(t *testing.T) ledger.Entry {
	t.Helper()
	if len(j.entries) == 0 {
		t.Fatal("nothing was committed")
	}
	return j.entries[len(j.entries)-1]
}

func spaces(e ledger.Entry) []ledger.Space {
	all := []ledger.Space{}
	for _, r := range e.Redemptions {
		all = append(all, r.Space)
	}
	return all
}

// lane keeps the refusals of those who are not known.
type lane struct {
	events  []audit.Event
	sources []string
}

func (l *lane) Add(e audit.Event, source string) {
	l.events, l.sources = append(l.events, e), append(l.sources, source)
}

func (l *lane) last(t *testing.T) audit.Event {
	t.Helper()
	if len(l.events) == 0 {
		t.Fatal("nothing is in the lane")
	}
	return l.events[len(l.events)-1]
}

// observer keeps what was counted.
type observer struct {
	mu      sync.Mutex
	granted []string // grant|issuer|code
	decided []string
	checked []audit.Check
}

func (o *observer) Granted(grantType, issuer string, code oauth.Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.granted = append(o.granted, grantType+"|"+issuer+"|"+string(code))
}

func (o *observer) Checked(checks []audit.Check) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checked = append(o.checked, checks...)
}

func (o *observer) Decided(_ time.Duration, code string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.decided = append(o.decided, code)
}

// proof makes a DPoP proof; change edits its claims.
func (h holder) proof(t *testing.T, at time.Time, change func(claims map[string]any)) string {
	t.Helper()
	claims := map[string]any{"jti": "proof-1", "htm": "POST", "htu": issuer + "/token", "iat": at.Unix()}
	if change != nil {
		change(claims)
	}
	header, err := json.Marshal(map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": h.jwk})
	must(t, err)
	compact, err := jws.SignHeader("ES256", header, h.key, claims)
	must(t, err)
	return compact
}
