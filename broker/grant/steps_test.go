package grant_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// steps notes what a request says that it does.
type steps struct{ ended []string }

func (s *steps) Begin(ctx context.Context, name string) (context.Context, trace.Span) {
	return ctx, span{s, name}
}

type span struct {
	steps *steps
	name  string
}

func (s span) End(code string) {
	s.steps.ended = append(s.steps.ended, strings.TrimSpace(s.name+" "+code))
}

// TestSteps: each step of a request is told of once, with the code of what it ended in, and nothing else.
func TestSteps(t *testing.T) {
	w := newWorld(t)
	tell := func(a ask) string {
		t.Helper()
		told := &steps{}
		_, _ = w.sendWith(t, trace.With(t.Context(), told), a) // what comes of it is told by the steps
		return strings.Join(told.ended, ", ")
	}
	a := w.ask(t)
	if got := tell(a); got != "client.authenticate, dpop.verify, assertion.verify, policy.decide, token.mint, ledger.commit" {
		t.Errorf("a grant: %s", got)
	}
	if got := tell(a); !strings.HasSuffix(got, "token.mint, ledger.commit jti_replayed") {
		t.Errorf("a replay: %s", got)
	}
	if got := tell(w.ask(t, idptest.WithClaim("aud", "https://x.example"))); got != "client.authenticate, dpop.verify, assertion.verify aud_not_us, ledger.commit" {
		t.Errorf("for another: %s", got)
	}
	if got := tell(w.ask(t).with("client_secret", "wrong")); got != "client.authenticate client_authentication_failed" {
		t.Errorf("a client that fails: %s", got)
	}
}

// TestChecksAreCounted: what is counted is what is recorded, the lost race too.
func TestChecksAreCounted(t *testing.T) {
	w := newWorld(t)
	a := w.ask(t)
	w.granted(t, a)
	failed := func(c audit.Check) bool { return !c.OK }
	if !slices.ContainsFunc(w.seen.checked, func(c audit.Check) bool { return c.Name == "policy" && c.OK }) || slices.ContainsFunc(w.seen.checked, failed) {
		t.Errorf("a grant: %+v", w.seen.checked)
	}
	w.seen.checked = nil
	w.refused(t, a, "jti_replayed")
	if i := slices.IndexFunc(w.seen.checked, failed); i < 0 || w.seen.checked[i].Name != "once" {
		t.Errorf("a replay: %+v", w.seen.checked)
	}
	w.seen.checked = nil
	w.refused(t, w.ask(t, idptest.WithClaim("aud", "https://x.example")), "aud_not_us")
	if i := slices.IndexFunc(w.seen.checked, failed); i != len(w.seen.checked)-1 || i < 0 {
		t.Errorf("a refusal: %+v", w.seen.checked)
	}
}
