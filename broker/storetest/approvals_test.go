package storetest_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func approvalOf(t tenant.UID, n byte) approval.Approval {
	now := whole(time.Now())
	return approval.Approval{
		ID: id.New(id.Approval, now), Tenant: t, Binding: [32]byte{n}, UserUID: "usr_1", ClientUID: "cli_1", ClientID: "claude", ResourceUID: "res_1",
		Scopes: []string{"notes:read", "notes:write"}, Policies: []approval.Policy{{UID: "pol_1", Name: "notes", Revision: 3, Hash: "aa"}},
		Groups: []string{"legal", "security"}, Within: 5 * time.Minute, Lifetime: time.Minute, DecisionID: "dec_1", State: approval.Waiting,
		BegunAt: now, ExpiresAt: now.Add(5 * time.Minute),
	}
}

func wordOf(who, group string, allow bool) approval.Word {
	return approval.Word{Group: group, UserUID: "usr_" + who, Name: who, IdPUID: "idp_1", Allow: allow, At: whole(time.Now())}
}

// keepApprovals keeps one, with a word.
func keepApprovals(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	asked := d.Store.Approvals(d.Ledger(t, d.Store))
	a, err := asked.Begin(t.Context(), approvalOf(uid, 1), 8, eventOf(uid, audit.TypeApprovalRequested))
	kept(t, err)
	_, err = asked.Say(t.Context(), uid, a.ID, wordOf("carol", "security", true), eventOf(uid, audit.TypeApprovalAllowed))
	kept(t, err)
}

// An approval is kept, said to once for each group and of each person, found by its binding, and over when it is used.
func TestApprovals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		l := d.Ledger(t, d.Store)
		asked := d.Store.Approvals(l)
		a, now := approvalOf(d.Default, 1), time.Now()
		begun, err := asked.Begin(t.Context(), a, 8, eventOf(d.Default, audit.TypeApprovalRequested))
		kept(t, err)
		again := approvalOf(d.Default, 1)
		if second, err := asked.Begin(t.Context(), again, 8, eventOf(d.Default, audit.TypeApprovalRequested)); err != nil || second.ID != begun.ID {
			t.Fatalf("a second one of the binding: %+v %v", second, err)
		}
		found, err := asked.Live(t.Context(), d.Default, a.Binding, now)
		kept(t, err)
		if found.ID != a.ID || !slices.Equal(found.Scopes, a.Scopes) || !slices.Equal(found.Policies, a.Policies) || !slices.Equal(found.Groups, a.Groups) ||
			found.Within != a.Within || found.Lifetime != a.Lifetime || !found.ExpiresAt.Equal(a.ExpiresAt) || found.UserUID != "usr_1" || found.State != approval.Waiting || found.DecisionID != "dec_1" {
			t.Fatalf("%+v", found)
		}
		for name, find := range map[string]func() error{
			"another binding": func() error { _, err := asked.Live(t.Context(), d.Default, [32]byte{9}, now); return err },
			"too late":        func() error { _, err := asked.Live(t.Context(), d.Default, a.Binding, a.ExpiresAt); return err },
			"another id":      func() error { _, err := asked.Find(t.Context(), d.Default, "apr_x", now); return err },
			"another tenant": func() error {
				_, err := asked.Find(t.Context(), tenant.MustParseUID(id.New(id.Tenant, now)), a.ID, now)
				return err
			},
		} {
			if err := find(); !errors.Is(err, approval.ErrGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		say := func(w approval.Word) (approval.Approval, error) {
			return asked.Say(t.Context(), d.Default, a.ID, w, eventOf(d.Default, audit.TypeApprovalAllowed))
		}
		after, err := say(wordOf("carol", "security", true))
		kept(t, err)
		if after.State != approval.Waiting || len(after.Words) != 1 {
			t.Fatalf("%+v", after)
		}
		for name, test := range map[string]struct {
			word approval.Word
			want error
		}{
			"the group again":  {wordOf("dave", "security", true), approval.ErrNotAsked},
			"the person again": {wordOf("carol", "legal", true), approval.ErrNotAsked},
			"the subject":      {wordOf("1", "legal", true), approval.ErrSubject},
			"another group":    {wordOf("dave", "staff", true), approval.ErrNotAsked},
		} {
			if _, err := say(test.word); !errors.Is(err, test.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		after, err = say(wordOf("dave", "legal", true))
		kept(t, err)
		if after.State != approval.Allowed {
			t.Fatalf("%+v", after)
		}
		if _, err := say(wordOf("erin", "legal", false)); !errors.Is(err, approval.ErrSettled) {
			t.Errorf("after it is settled: %v", err)
		}
		found, err = asked.Live(t.Context(), d.Default, a.Binding, now)
		kept(t, err)
		if found.State != approval.Allowed || len(found.Words) != 2 || found.Words[0].Name != "carol" || !found.Words[1].Allow {
			t.Fatalf("%+v", found)
		}
		use := func() error {
			return l.Commit(t.Context(), ledger.Entry{
				Tenant: d.Default, Redemptions: []ledger.Redemption{found.Redemption()}, Event: eventOf(d.Default, audit.TypeTokenIssued),
				Conflict: func(ledger.Redemption) audit.Event { return eventOf(d.Default, audit.TypeTokenRefused) },
			})
		}
		kept(t, use())
		if conflict, ok := errors.AsType[*ledger.Conflict](use()); !ok || conflict.Lost.Code != "approval_used" {
			t.Fatalf("used twice: %+v", conflict)
		}
		if _, err := asked.Live(t.Context(), d.Default, a.Binding, now); !errors.Is(err, approval.ErrGone) {
			t.Errorf("it lives when it is used: %v", err)
		}
		if next, err := asked.Begin(t.Context(), again, 8, eventOf(d.Default, audit.TypeApprovalRequested)); err != nil || next.ID != again.ID {
			t.Errorf("the next one: %+v %v", next, err)
		}
	})
}

// TestApprovalIsAnsweredOnce, by however many at once, over two replicas on PostgreSQL; and one begins.
func TestApprovalIsAnsweredOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		stores := []*store.Store{d.Store}
		if d.Name == "postgres" {
			stores = append(stores, d.Open(t))
		}
		replicas := make([]*store.Approvals, len(stores))
		for i, s := range stores {
			replicas[i] = s.Approvals(d.Ledger(t, s))
		}
		var all sync.WaitGroup
		var ids sync.Map
		for i := range 12 {
			all.Go(func() {
				a, err := replicas[i%len(replicas)].Begin(t.Context(), approvalOf(d.Default, 1), 8, eventOf(d.Default, audit.TypeApprovalRequested))
				if err != nil {
					t.Error(err)
				}
				ids.Store(a.ID, true)
			})
		}
		all.Wait()
		var begun []string
		ids.Range(func(k, _ any) bool {
			if text, ok := k.(string); ok {
				begun = append(begun, text)
			}
			return true
		})
		if len(begun) != 1 {
			t.Fatalf("%d began: %v", len(begun), begun)
		}
		var yes, no, settled atomic.Int32
		for i := range 12 {
			all.Go(func() {
				w := wordOf("p"+string(rune('a'+i)), "security", i%2 == 0)
				_, err := replicas[i%len(replicas)].Say(t.Context(), d.Default, begun[0], w, eventOf(d.Default, audit.TypeApprovalAllowed))
				switch {
				case err == nil && w.Allow:
					yes.Add(1)
				case err == nil:
					no.Add(1)
				case errors.Is(err, approval.ErrSettled) || errors.Is(err, approval.ErrNotAsked):
					settled.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if yes.Load()+no.Load() != 1 || settled.Load() != 11 {
			t.Fatalf("%d yes, %d no, %d too late", yes.Load(), no.Load(), settled.Load())
		}
	})
}

func TestApprovalsAreFewAndGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		asked := d.Store.Approvals(d.Ledger(t, d.Store))
		for n := range byte(3) {
			a := approvalOf(d.Default, n+1)
			if n == 0 {
				a.BegunAt, a.ExpiresAt = a.BegunAt.Add(-time.Hour), a.BegunAt.Add(-time.Minute)
			}
			_, err := asked.Begin(t.Context(), a, 2, eventOf(d.Default, audit.TypeApprovalRequested))
			kept(t, err)
		}
		if _, err := asked.Begin(t.Context(), approvalOf(d.Default, 9), 2, eventOf(d.Default, audit.TypeApprovalRequested)); !errors.Is(err, approval.ErrCrowded) {
			t.Fatalf("%v", err)
		}
		waiting, err := asked.Waiting(t.Context(), d.Default, time.Now(), 100)
		if err != nil || len(waiting) != 2 {
			t.Fatalf("%v %v", waiting, err)
		}
		kept(t, asked.Lapse(t.Context(), d.Default, waiting[0].ID, eventOf(d.Default, audit.TypeApprovalLapsed)))
		if _, err := asked.Find(t.Context(), d.Default, waiting[0].ID, time.Now()); !errors.Is(err, approval.ErrGone) {
			t.Fatalf("%v", err)
		}
		if _, err := asked.Say(t.Context(), d.Default, waiting[0].ID, wordOf("carol", "security", true), eventOf(d.Default, audit.TypeApprovalAllowed)); !errors.Is(err, approval.ErrGone) {
			t.Fatalf("said to one that lapsed: %v", err)
		}
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if err != nil || swept.Approvals != 1 {
			t.Fatalf("%+v %v", swept, err)
		}
	})
}
