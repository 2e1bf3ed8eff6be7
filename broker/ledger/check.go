package ledger

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Bounds of one entry; what is larger is refused before it reaches its neighbours.
const (
	maxRedemptions = 16
	maxPictures    = 4
	maxRecorded    = 1 << 20 // bytes of a decision's input or result
	maxToken       = 16 << 10
)

// check refuses what would be recorded wrongly or checked against nothing.
func (e Entry) check() error {
	if err := e.Tenant.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if err := checkEvent(e.Event, e.Tenant); err != nil {
		return err
	}
	if len(e.Redemptions) > maxRedemptions || len(e.Pictures) > maxPictures {
		return fmt.Errorf("%w: too many redemptions or pictures", ErrUnfit)
	}
	for _, r := range e.Redemptions {
		if r.Tenant != e.Tenant || r.Space == "" || r.Key == [32]byte{} || r.ExpiresAt.IsZero() {
			return fmt.Errorf("%w: a redemption without tenant, space, key or expiry", ErrUnfit)
		}
		if err := checkTexts([]string{r.Origin}); err != nil {
			return err
		}
	}
	pictured := false
	for _, p := range e.Pictures {
		pictured = pictured || p.Tenant == e.Tenant
		if p.Tenant.IsZero() {
			return fmt.Errorf("%w: a picture of no tenant", ErrUnfit)
		}
	}
	if d := e.Decision; d != nil {
		if d.Tenant != e.Tenant || d.ID == "" || d.At.IsZero() {
			return fmt.Errorf("%w: a decision without tenant, id or time", ErrUnfit)
		}
		if err := plain(d.ID, d.Trace, d.Action, d.Code, string(d.Input), string(d.Result)); err != nil {
			return err
		}
	}
	if err := e.checkFamily(); err != nil {
		return err
	}
	t := e.Token
	if e.Event.Type == audit.TypeTokenVended && !pictured { // as with a token
		return fmt.Errorf("%w: a lease that was decided on no picture of its tenant", ErrUnfit)
	}
	if t == nil {
		return nil
	}
	// Without a picture nothing would be compared, and a token could commit after a revocation has.
	if !pictured {
		return fmt.Errorf("%w: a token that was decided on no picture of its tenant", ErrUnfit)
	}
	if t.Tenant != e.Tenant || t.ID == "" || t.IssuedAt.IsZero() || t.ExpiresAt.IsZero() {
		return fmt.Errorf("%w: a token without tenant, id or times", ErrUnfit)
	}
	texts := []string{
		t.ID, t.KeyID, t.GrantType, t.ClientUID, t.Subject, t.IdPUID, t.ResourceID, t.Audience, t.Scope,
		t.Thumbprint, t.DecisionID, t.Trace, t.Origin,
	}
	for _, text := range texts {
		if len(text) > maxToken {
			return fmt.Errorf("%w: a token's member is too long", ErrUnfit)
		}
	}
	return plain(texts...)
}

// check refuses a change that no event tells of.
func (c Change) check() error {
	if err := c.Tenant.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if c.Write == nil || len(c.Events) == 0 {
		return fmt.Errorf("%w: a change without rows or events", ErrUnfit)
	}
	for _, e := range c.Events {
		if err := checkEvent(e, c.Tenant); err != nil {
			return err
		}
	}
	return nil
}

func checkEvent(e audit.Event, t tenant.UID) error {
	if e.Tenant != t || e.ID == "" || e.At.IsZero() || e.Outcome == "" || !e.Type.Registered() {
		return fmt.Errorf("%w: an event without its tenant, id, time, outcome or a registered type (%q)", ErrUnfit, e.Type)
	}
	return nil
}

// plain refuses what a text column of either engine does not take.
func plain(texts ...string) error {
	for _, text := range texts {
		if len(text) > maxRecorded || strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
			return fmt.Errorf("%w: a text that is too long, no UTF-8 or holds a NUL byte", ErrUnfit)
		}
	}
	return nil
}
