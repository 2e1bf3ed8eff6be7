package webhook_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
)

// archive remembers what it was asked, in which order.
type archive struct {
	asked  []string
	filter webhook.Filter
	event  audit.Event
	fail   error
}

func (a *archive) List(_ context.Context, _ tenant.UID, f webhook.Filter) ([]webhook.Record, error) {
	a.asked, a.filter = append(a.asked, "list"), f
	return []webhook.Record{{ID: "msg_1"}}, nil
}

func (a *archive) Replay(context.Context, tenant.UID, time.Time, string) (int64, error) {
	a.asked = append(a.asked, "replay")
	return 3, nil
}

func (a *archive) Commit(_ context.Context, e ledger.Entry) error {
	a.asked, a.event = append(a.asked, "commit"), e.Event
	return a.fail
}

func newArchive(t *testing.T) (*archive, *webhook.Desk) {
	t.Helper()
	a := &archive{}
	d, err := webhook.NewDesk(webhook.Desk{Records: a, Journal: a, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a, d
}

func TestMessagesAreListed(t *testing.T) {
	a, d := newArchive(t)
	for _, state := range []string{"", webhook.Pending, webhook.Delivered, webhook.GivenUp} {
		if all, err := d.List(t.Context(), tenant.UID{}, webhook.Filter{State: state, Limit: 5}); err != nil || len(all) != 1 || a.filter.State != state || a.filter.Limit != 5 {
			t.Errorf("%q: %v %v", state, all, err)
		}
	}
	a.asked = nil
	if _, err := d.List(t.Context(), tenant.UID{}, webhook.Filter{State: "lost"}); !errors.Is(err, webhook.ErrQuery) || a.asked != nil {
		t.Errorf("%v %v", err, a.asked)
	}
}

// TestReplayIsWrittenDownFirst: nothing is sent again of which nobody could tell who wanted it.
func TestReplayIsWrittenDownFirst(t *testing.T) {
	a, d := newArchive(t)
	since := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	order := webhook.Order{Since: since, Endpoint: "https://acme.com/hook", By: audit.Principal{Kind: "admin", Name: "root"}, Trace: "trc_1"}
	n, err := d.Replay(t.Context(), tenant.UID{}, order)
	if err != nil || n != 3 || len(a.asked) != 2 || a.asked[0] != "commit" {
		t.Fatalf("%d %v %v", n, err, a.asked)
	}
	e := a.event
	if e.Type != audit.TypeWebhooksReplayed || e.Principal.Name != "root" || e.Trace != "trc_1" || e.Detail["since"] != "2026-11-21T12:00:00Z" || e.Detail["endpoint"] != order.Endpoint {
		t.Errorf("%+v", e)
	}
	a.asked, a.fail = nil, errors.New("away")
	if _, err := d.Replay(t.Context(), tenant.UID{}, order); !errors.Is(err, a.fail) || len(a.asked) != 1 {
		t.Errorf("%v %v", err, a.asked)
	}
	a.asked = nil
	if _, err := d.Replay(t.Context(), tenant.UID{}, webhook.Order{}); !errors.Is(err, webhook.ErrQuery) || a.asked != nil {
		t.Errorf("%v %v", err, a.asked)
	}
	if _, err := webhook.NewDesk(webhook.Desk{}); err == nil {
		t.Error("a desk of nothing")
	}
}
