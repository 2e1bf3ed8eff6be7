package rehearsal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// book is the journal of tests, and a prober that knows whether it was written first.
type book struct {
	t       *testing.T
	door    *fetch.Client
	entries []ledger.Entry
	fail    error
	probes  int
}

func (b *book) Commit(_ context.Context, e ledger.Entry) error {
	b.entries = append(b.entries, e)
	return b.fail
}

func (b *book) Probe(ctx context.Context, rawURL string, n fetch.Network, limit fetch.Limit) (fetch.Response, fetch.Sight, error) {
	if len(b.entries) != 1 {
		b.t.Error("something left before it was recorded in whose name")
	}
	b.probes++
	return b.door.Probe(ctx, rawURL, n, limit)
}

// A test is recorded once, with who had it made and of what, before anything leaves; what cannot be recorded is not made.
func TestWhoTestsIsRecorded(t *testing.T) {
	s := newScene(t, "client_secret_post")
	draft := &object.Object{
		APIVersion: object.APIVersion, Kind: object.KindIdentityProvider, Metadata: object.Metadata{Name: "new"},
		Spec: &object.IdentityProviderSpec{Issuer: "https://idp.invalid"},
	}
	for name, c := range map[string]struct {
		ask              rehearsal.TestAsk
		idp              string
		draft, assertion string
	}{
		"a saved entry":      {rehearsal.TestAsk{Name: "acme"}, "acme", "false", "false"},
		"a draft":            {rehearsal.TestAsk{Draft: draft}, "new", "true", "false"},
		"an assertion":       {rehearsal.TestAsk{Assertion: s.idp.IDJAG("alice")}, "acme", "false", "true"},
		"nobody's assertion": {rehearsal.TestAsk{Assertion: "a.b.c"}, "", "false", "true"},
		"an entry and a JAG": {rehearsal.TestAsk{Name: "acme", Assertion: s.idp.IDJAG("alice")}, "acme", "false", "true"},
		"an issuer twice":    {rehearsal.TestAsk{Draft: taken(draft, s.idp.Issuer())}, "new", "true", "false"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &book{t: t, door: fetch.New(fetch.Policy{Mode: "allow"})}
			tests := rehearsal.Tests{Pictures: s.source, Tester: diagnose.Tester{Fetch: b, Now: s.stage.Now}, Stage: s.stage, Journal: b}
			c.ask.Tenant, c.ask.By, c.ask.Trace = "default", audit.Principal{Kind: "token", Name: "admin"}, "trc_1"
			if _, err := tests.IdP(t.Context(), c.ask); err != nil {
				t.Fatal(err)
			}
			if len(b.entries) != 1 || len(b.entries[0].Redemptions) != 0 || b.entries[0].Token != nil || b.entries[0].Decision != nil {
				t.Fatalf("recorded %+v", b.entries)
			}
			e := b.entries[0].Event
			if e.Type != audit.TypeIdPTested || e.IdP != c.idp || e.Principal != c.ask.By || e.Trace != "trc_1" || e.Detail["draft"] != c.draft ||
				e.Detail["assertion"] != c.assertion || (e.Detail["issuer"] == "") != (c.idp == "") || e.Tenant != b.entries[0].Tenant {
				t.Errorf("%+v", e)
			}
			b.entries, b.fail, b.probes = nil, ledger.ErrUnavailable, 0
			if _, err := tests.IdP(t.Context(), c.ask); !errors.Is(err, ledger.ErrUnavailable) || b.probes != 0 {
				t.Errorf("%v, %d probes", err, b.probes)
			}
		})
	}
}

// In a tenant that is not active nothing is decided, so nothing is tested either.
func TestInactiveTenant(t *testing.T) {
	s := newScene(t, "client_secret_post")
	b := &book{t: t, door: fetch.New(fetch.Policy{Mode: "allow"})}
	tests := rehearsal.Tests{Pictures: s.source, Tester: diagnose.Tester{Fetch: b, Now: s.stage.Now}, Stage: s.stage, Journal: b}
	if _, err := tests.IdP(t.Context(), rehearsal.TestAsk{Tenant: "suspended", Name: "acme"}); !errors.Is(err, rehearsal.ErrInactive) || b.probes != 0 {
		t.Errorf("%v, %d probes", err, b.probes)
	}
}

func taken(draft *object.Object, issuer string) *object.Object {
	again := *draft
	again.Spec = &object.IdentityProviderSpec{Issuer: issuer}
	return &again
}
