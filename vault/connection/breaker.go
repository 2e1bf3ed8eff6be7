package connection

import (
	"sync"
	"time"
)

// A provider that fails so often is left alone so long; then one may try.
const (
	breakAfter       = 5
	breakFor         = 10 * time.Second
	misconfiguredFor = time.Minute
)

// breaker leaves alone providers that do not answer, or that refuse us all: in this process, each replica learns by itself.
// It remembers only providers in trouble.
type breaker struct {
	mu       sync.Mutex
	troubled map[door]*trouble
	now      func() time.Time
	hold     time.Duration // how long one that tries is waited for
}

// door is one tenant's provider.
type door struct{ tenant, provider string }

type trouble struct {
	failures int
	code     Code
	until    time.Time
}

func newBreaker(now func() time.Time, hold time.Duration) *breaker {
	return &breaker{troubled: map[door]*trouble{}, now: now, hold: hold}
}

// enter says whether the provider may be asked. Whoever comes first after a pause tries for all.
func (b *breaker) enter(d door) *Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.troubled[d]
	if t == nil || t.until.IsZero() {
		return nil
	}
	now := b.now()
	if left := t.until.Sub(now); left > 0 {
		return &Refusal{Code: t.code, Reason: "the provider is left alone for a moment", RetryAfter: left}
	}
	t.until = now.Add(b.hold)
	return nil
}

// leave: whoever was to try did not.
func (b *breaker) leave(d door) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.troubled[d]; t != nil && !t.until.IsZero() {
		t.until = b.now()
	}
}

// answered forgets all trouble.
func (b *breaker) answered(d door) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.troubled, d)
}

// failed counts a provider that did not answer.
func (b *breaker) failed(d door) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.troubled[d]
	if t == nil {
		t = &trouble{}
		b.troubled[d] = t
	}
	t.failures++
	if t.failures >= breakAfter || !t.until.IsZero() {
		t.code, t.until = CodeUnavailable, b.now().Add(breakFor)
	}
}

// refused stops a provider that does not take our registration; true the first time.
func (b *breaker) refused(d door) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.troubled[d]
	first := t == nil || t.code != CodeMisconfigured
	b.troubled[d] = &trouble{failures: breakAfter, code: CodeMisconfigured, until: b.now().Add(misconfiguredFor)}
	return first
}
