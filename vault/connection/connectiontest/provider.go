package connectiontest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Provider refreshes as real ones do. With single_use a refresh token that comes twice ends its whole family; with
// reuse_window that is so behind the window; with none a token stays good.
type Provider struct {
	mu       sync.Mutex
	now      func() time.Time
	rotation provider.Rotation
	window   time.Duration
	life     time.Duration
	live     string // the refresh token that counts
	former   string // and the one before
	usedAt   time.Time
	ended    bool
	calls    int
	revoked  int

	// During runs within a refresh, before it is answered.
	During func()
	// Answer, if it returns an error, takes the place of the answer: before anything is used up, or (lost) after it.
	Answer func(call int) (err error, lost bool)
}

var _ connection.Provider = (*Provider)(nil)

// Window is the reuse window of providers made here.
const Window = time.Minute

// NewProvider makes a provider whose access tokens live so long.
func NewProvider(rotation provider.Rotation, life time.Duration, now func() time.Time) *Provider {
	return &Provider{rotation: rotation, life: life, window: Window, now: now}
}

// Downstream implements connection.Providers: it is every provider.
func (p *Provider) Downstream(context.Context, string, string) (connection.Downstream, error) {
	return connection.Downstream{Provider: p, Rotation: p.rotation, ReuseWindow: p.window}, nil
}

// Connect gives the first credential.
func (p *Provider) Connect() provider.Credential {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issue()
}

func (p *Provider) issue() provider.Credential {
	if p.live == "" || p.rotation != provider.RotationNone {
		p.former, p.live = p.live, fmt.Sprintf("refresh-%d", p.calls)
	}
	now := p.now().UTC().Truncate(time.Microsecond)
	return provider.Credential{
		Origin: provider.FromPerson, Access: provider.NewSecret(fmt.Sprintf("access-%d", p.calls)), Refresh: provider.NewSecret(p.live),
		Scopes: []string{"repo"}, IssuedAt: now, ExpiresAt: now.Add(p.life),
	}
}

// Refresh implements connection.Provider.
func (p *Provider) Refresh(ctx context.Context, c provider.Credential) (provider.Credential, error) {
	if p.During != nil {
		p.During()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if err := ctx.Err(); err != nil {
		return provider.Credential{}, err
	}
	var said error
	var lost bool
	if p.Answer != nil {
		said, lost = p.Answer(p.calls)
	}
	if said != nil && !lost {
		return provider.Credential{}, said
	}
	token := c.Refresh.Reveal()
	again := token == p.former && p.rotation == provider.RotationWindow && p.now().Sub(p.usedAt) < p.window
	if p.ended || token != p.live && !again {
		p.ended = true // RFC 9700 §4.14.2: a token that comes twice was stolen
		return provider.Credential{}, &provider.Error{Provider: "fake", Outcome: provider.Terminal, Code: "invalid_grant"}
	}
	if !again {
		p.usedAt = p.now()
	}
	next := p.issue()
	if again {
		p.former = token
	}
	if said != nil {
		return provider.Credential{}, said
	}
	return next, nil
}

// Revoke implements connection.Provider.
func (p *Provider) Revoke(context.Context, provider.Credential) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked++
	p.ended = true
	return nil
}

// Calls is how many refreshes came.
func (p *Provider) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// Revoked is how many revocations came.
func (p *Provider) Revoked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revoked
}

// Works tells whether a credential is the newest of a family that lives.
func (p *Provider) Works(c provider.Credential) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended && c.Refresh.Reveal() == p.live && p.now().Before(c.ExpiresAt)
}
