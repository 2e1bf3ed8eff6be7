package storetest_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
)

func messageOf(t tenant.UID, n string) webhook.Message {
	return webhook.Message{Tenant: t, ID: "msg_" + n, EventID: "evt_" + n, Endpoint: "https://acme.com/hook", Type: "connection.revoked", Body: []byte(`{"n":"` + n + `"}`)}
}

// TestWebhooks: a message is made once, one of many sends it, and it stays until it was delivered or given up.
func TestWebhooks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		mine, ctx := d.Tenant(t, "mine"), t.Context()
		first, second := d.Store.Webhooks(), d.Store.Webhooks()
		if d.Role != "" {
			second = d.Open(t).Webhooks()
		}
		again := messageOf(mine, "1")
		again.ID = "msg_other"
		must(t, first.Queue(ctx, mine, []webhook.Message{messageOf(mine, "1"), messageOf(mine, "2"), again}))
		due, err := first.TakeDue(ctx, mine, 10, time.Minute)
		if err != nil || len(due) != 2 || string(due[0].Body) != `{"n":"1"}` || due[0].CreatedAt.IsZero() || due[0].Tenant != mine {
			t.Fatalf("%+v %v", due, err)
		}
		if others, err := second.TakeDue(ctx, mine, 10, time.Minute); err != nil || len(others) != 0 {
			t.Fatalf("two take one: %v %v", others, err)
		}
		if others, err := second.TakeDue(ctx, d.Default, 10, time.Minute); err != nil || len(others) != 0 {
			t.Fatalf("another tenant's: %v %v", others, err)
		}
		must(t, first.Delivered(ctx, due[0], "204"))
		must(t, first.Failed(ctx, due[1], "answered with status 500", time.Nanosecond*1000))
		due = nil
		for by := time.Now().Add(5 * time.Second); len(due) == 0 && time.Now().Before(by); { // SQLite's clock has milliseconds
			if due, err = second.TakeDue(ctx, mine, 10, 0); err != nil {
				t.Fatal(err)
			}
		}
		if len(due) != 1 || due[0].ID != "msg_2" || due[0].Attempts != 1 {
			t.Fatalf("%+v %v", due, err)
		}
		must(t, second.Failed(ctx, due[0], "no", 0))
		if rest, err := first.TakeDue(ctx, mine, 10, 0); err != nil || len(rest) != 0 {
			t.Fatalf("what is over is sent: %v %v", rest, err)
		}
		// Another message for an address that failed waits with it.
		must(t, first.Queue(ctx, mine, []webhook.Message{messageOf(mine, "3"), messageOf(mine, "4")}))
		due, err = first.TakeDue(ctx, mine, 1, 0)
		if err != nil || len(due) != 1 {
			t.Fatalf("%v %v", due, err)
		}
		must(t, first.Failed(ctx, due[0], "no", time.Hour))
		if rest, err := first.TakeDue(ctx, mine, 10, 0); err != nil || len(rest) != 0 {
			t.Fatalf("%v %v", rest, err)
		}
		if n, err := first.Replay(ctx, mine, time.Now().Add(-time.Hour), "https://acme.com/hook"); err != nil || n != 2 {
			t.Fatalf("%d %v", n, err)
		}
		if n, err := first.Replay(ctx, mine, time.Now().Add(time.Hour), ""); err != nil || n != 0 {
			t.Fatalf("%d %v", n, err)
		}
		listed, err := second.List(ctx, mine, webhook.Filter{Limit: 10})
		if err != nil || len(listed) != 4 || listed[0].ID != "msg_4" || listed[3].Endpoint != "https://acme.com/hook" || listed[3].CreatedAt.IsZero() || listed[3].NextAt == nil || listed[3].DeliveredAt != nil {
			t.Fatalf("%+v %v", listed, err)
		}
		if page, err := first.List(ctx, mine, webhook.Filter{Before: "msg_3", State: webhook.Pending, Endpoint: "https://acme.com/hook", Limit: 1}); err != nil || len(page) != 1 || page[0].ID != "msg_2" {
			t.Fatalf("%+v %v", page, err)
		}
		for _, f := range []webhook.Filter{{State: webhook.GivenUp, Limit: 9}, {Endpoint: "https://acme.com/other", Limit: 9}} {
			if none, err := first.List(ctx, mine, f); err != nil || len(none) != 0 {
				t.Errorf("%+v %v", none, err)
			}
		}
		if none, err := first.List(ctx, d.Default, webhook.Filter{Limit: 9}); err != nil || len(none) != 0 {
			t.Errorf("another tenant's: %+v %v", none, err)
		}
		if due, err = first.TakeDue(ctx, mine, 10, 0); err != nil || len(due) != 2 || due[0].Attempts != 0 {
			t.Fatalf("%v %v", due, err)
		}
		must(t, first.Delivered(ctx, due[0], "204"))
		must(t, first.Purge(ctx, mine, 0, 10))
		if n, err := first.Replay(ctx, mine, time.Now().Add(-time.Hour), ""); err != nil || n != 0 {
			t.Errorf("%d are left that were over: %v", n, err)
		}
	})
}

// TestWebhookReading: one replica reads at a time, and where it stopped the next goes on.
func TestWebhookReading(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		w, ctx := d.Store.Webhooks(), t.Context()
		if at, held, err := w.HoldReading(ctx, "one", time.Minute); err != nil || !held || at != "" {
			t.Fatalf("%q %v %v", at, held, err)
		}
		if _, held, err := w.HoldReading(ctx, "two", time.Minute); err != nil || held {
			t.Fatalf("two hold it: %v", err)
		}
		if err := w.Advance(ctx, "two", "", "9"); err == nil {
			t.Error("who does not hold it writes")
		}
		must(t, w.Advance(ctx, "one", "", "1"))
		if err := w.Advance(ctx, "one", "", "2"); err == nil {
			t.Error("from another place than it is at")
		}
		if _, held, err := w.HoldReading(ctx, "one", 0); err != nil || !held {
			t.Fatal(err)
		}
		if at, held, err := w.HoldReading(ctx, "two", time.Minute); err != nil || !held || at != "1" {
			t.Fatalf("%q %v %v", at, held, err)
		}
	})
}

func TestFollow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		mine, ctx := d.Tenant(t, "mine"), t.Context()
		book, journal := d.Store.Audit(), d.Ledger(t, d.Store)
		record := func(kind audit.Type) {
			e := storetest.Event(mine)
			e.Type = kind
			must(t, journal.Commit(ctx, ledger.Entry{Tenant: mine, Event: e}))
		}
		types := []audit.Type{audit.TypeConnectionRevoked, audit.TypeConnectionCreated}
		record(audit.TypeConnectionRevoked)
		events, at, err := book.Follow(ctx, types, "", 10)
		if err != nil || len(events) != 0 || at == "" {
			t.Fatalf("%v %q %v", events, at, err)
		}
		record(audit.TypeConnectionCreated)
		record(audit.TypeTokenRefused)
		record(audit.TypeConnectionRevoked)
		record(audit.TypeTokenRefused)
		var got []audit.Type
		for range 4 {
			events, next, err := book.Follow(ctx, types, at, 1)
			must(t, err)
			for _, e := range events {
				got = append(got, e.Type)
				if e.Tenant != mine {
					t.Errorf("%+v", e)
				}
			}
			at = next
		}
		if len(got) != 2 || got[0] != audit.TypeConnectionCreated || got[1] != audit.TypeConnectionRevoked {
			t.Errorf("%v", got)
		}
		if _, _, err := book.Follow(ctx, types, "nonsense", 10); err == nil {
			t.Error("a position of nobody's is read")
		}
	})
}

func keepWebhook(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	must(t, d.Store.Webhooks().Queue(t.Context(), uid, []webhook.Message{messageOf(uid, "walled")}))
}
