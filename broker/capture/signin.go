package capture

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/signin"
)

// KindSignIn marks what was seen of a person's sign-in; an assertion has no mark.
const KindSignIn = "sign-in"

var _ signin.Captures = (*Watch)(nil)

// OfferSignIn implements signin.Captures. Like Offer it costs one load where nobody waits.
func (w *Watch) OfferSignIn(s signin.Sighting) {
	for _, a := range *w.armed.Load() {
		if a.Tenant != s.Tenant || a.IdP != s.IdPUID || !w.Now().Before(a.ExpiresAt) || !w.claim(a) {
			continue
		}
		seen := Seen{
			Kind: KindSignIn, At: s.At.UTC(), Trace: s.Trace, Granted: s.Code == "", Code: string(s.Code), Verified: s.Verified,
			Claims: s.Said, Rows: rowsOf(s.Checks, s.Code),
		}
		w.writes.Go(func() { w.recordSignIn(a, s, seen) })
		return
	}
}

func (w *Watch) recordSignIn(a Arm, s signin.Sighting, seen Seen) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	err := w.keep(ctx, a, w.event(audit.TypeCaptureRecorded, a.Tenant, a.ID, s.IdP, system(), s.Trace), seen)
	if err != nil && !errors.Is(err, ErrGone) {
		w.Log.Warn("a captured sign-in could not be kept", "trace_id", s.Trace, "error", err)
	}
}
