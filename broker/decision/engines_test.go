package decision_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

const (
	revisionA = "package chancery.authz\n\ndecision := {\"allow\": true, \"scopes\": [\"notes:read\"]} if \"editors\" in input.user.group_names\n"
	// revisionB takes from guests, and gives to those of a domain: it reads what A does not.
	revisionB = "package chancery.authz\n\ndecision := {\"allow\": true, \"scopes\": [\"notes:read\"]} if {\n\t\"editors\" in input.user.group_names\n\tnot input.user.guest\n}\n"
)

func policyObject(t *testing.T, text string) object.Object {
	t.Helper()
	found, err := object.Decode(strings.NewReader("apiVersion: chancery/v1\nkind: Policy\nmetadata: {name: notes}\nspec:\n  role: grant\n  modules:\n    notes.rego: |\n      "+
		strings.ReplaceAll(text, "\n", "\n      ")), object.Options{})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

// world is a tenant on one engine, whose policy is A, with decisions that A made.
type world struct {
	*storetest.Database
	ledger   *ledger.Ledger
	key      audit.PublicKey
	set      *policy.Set
	policies decision.Policies
	now      time.Time
	inputs   map[string]*policy.Input // by decision
}

func newWorld(t *testing.T, d *storetest.Database, n int) *world {
	t.Helper()
	w := &world{Database: d, now: time.Now().Add(-40 * 24 * time.Hour), inputs: map[string]*policy.Input{}}
	w.openLedger(t)
	spec, ok := policyObject(t, revisionA).Spec.(*object.PolicySpec)
	if !ok {
		t.Fatal("no policy")
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	change := storetest.New(d.Default, object.KindPolicy, "notes", string(text))
	objects := d.Objects(t)
	storetest.Apply(t, objects, change)
	w.policies = decision.Policies{Objects: objects, Root: d.Default, Checker: regocheck.Checker{}}
	w.set = setOf(t, regocheck.Source(change.UID, "notes", 1, spec))
	e := policy.NewInProcess(10 * time.Second)
	t.Cleanup(e.Close)
	r := rand.New(rand.NewPCG(1, 2))
	m := masks(t)
	for i := range n {
		in := request()
		in.Tenant.ID = d.Default.String()
		in.User.ID, in.User.Guest, in.Client.Name = fmt.Sprintf("usr_%d", r.IntN(9)), r.IntN(3) == 0, fmt.Sprintf("client-%d", r.IntN(3))
		if r.IntN(4) == 0 {
			in.User.GroupNames = []string{"sales"}
		}
		at := w.now.Add(time.Duration(i) * time.Second)
		made := e.Decide(t.Context(), w.set, in)
		one := &ledger.Decision{ID: id.New(id.Decision, at), At: at, Tenant: d.Default, Trace: id.New(id.Trace, at), Action: "issue", Allow: made.Allow, Code: made.Code}
		for _, p := range made.Policies {
			one.Policies = append(one.Policies, audit.PolicyRef{Name: p.Name, Revision: p.Revision, Role: string(p.Role), UID: p.UID, Hash: p.Hash})
		}
		if one.Input, one.Result, err = m.Record(d.Default, w.set, in, made); err != nil {
			t.Fatal(err)
		}
		w.inputs[one.ID] = in
		event := storetest.Event(d.Default)
		event.Type, event.Outcome, event.Decision, event.Trace = audit.TypeTokenRefused, audit.Refused, one.ID, one.Trace
		if err := w.ledger.Commit(t.Context(), ledger.Entry{Tenant: d.Default, Decision: one, Event: event}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// openLedger opens one whose key is known.
func (w *world) openLedger(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.key = signer.PublicKey
	w.ledger, err = ledger.New(ledger.Config{
		Journal: w.Store.Journal(), Checkpoints: w.Store.Checkpoints(), Signer: signer, Every: time.Hour, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.ledger.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

type pictures struct{}

func (pictures) Get(context.Context, string) (*snapshot.Tenant, error) {
	return &snapshot.Tenant{TimeZone: time.UTC}, nil
}

func (w *world) replays(t *testing.T) *decision.Replays {
	t.Helper()
	r := &decision.Replays{
		Log: w.Store.Decisions(), Policies: w.policies, Pictures: pictures{}, Jobs: w.Store.Replays(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Evaluator: func() (policy.Evaluator, func()) {
			e := policy.NewInProcess(10 * time.Second)
			return e, e.Close
		},
	}
	t.Cleanup(r.Close)
	return r
}

func (w *world) replay(t *testing.T, r *decision.Replays, a decision.Asked) decision.Job {
	t.Helper()
	job, err := r.Start(t.Context(), w.Default, tenant.DefaultName, a)
	if err != nil {
		t.Fatal(err)
	}
	for range 600 {
		if job, err = r.Job(t.Context(), w.Default, job.ID); err != nil {
			t.Fatal(err)
		}
		if job.State != decision.Running {
			return job
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the replay does not end")
	return job
}

// Decisions recorded under A, replayed under A, give no flip; under a mutated B exactly those that a plain re-evaluation of the
// inputs that were never masked finds.
func TestReplayIsRight(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		const n = 1203
		w := newWorld(t, d, n)
		r := w.replays(t)
		same := w.replay(t, r, decision.Asked{MaxFlips: 0})
		if same.State != decision.Done || same.Verdict != decision.Kept || same.Report.Compared != n || same.Report.Flips != 0 || same.Report.Changed != 0 || same.Report.Masked != 0 || same.Report.ImpliesUnknown != 0 {
			t.Fatalf("under A: %+v %+v", same, same.Report)
		}

		e := policy.NewInProcess(10 * time.Second)
		t.Cleanup(e.Close)
		b := setOf(t, policy.Source{Name: "notes", Role: policy.RoleGrant, Modules: map[string]string{"notes.rego": revisionB}})
		flips := 0
		for _, in := range w.inputs {
			if e.Decide(t.Context(), w.set, in).Allow != e.Decide(t.Context(), b, in).Allow {
				flips++
			}
		}
		draft := []object.Object{policyObject(t, revisionB)}
		changed := w.replay(t, r, decision.Asked{MaxFlips: flips, Draft: draft})
		if changed.State != decision.Done || changed.Report == nil || changed.Report.Flips != flips || flips == 0 || changed.Report.Changes[replay.AllowToDeny] != flips || changed.Verdict != decision.Kept {
			t.Fatalf("under B: %+v, want %d flips", changed.Report, flips)
		}
		over := w.replay(t, r, decision.Asked{MaxFlips: flips - 1, Draft: draft})
		if over.Verdict != decision.Exceeded || over.Message == "" || over.Read != n || over.Flips != flips {
			t.Errorf("over the threshold: %+v", over)
		}
		if len(changed.Report.Groups[replay.ByRule]) == 0 || len(changed.Report.Groups[replay.ByClient]) != 3 {
			t.Errorf("groups %+v", changed.Report.Groups)
		}
		nothing := w.replay(t, r, decision.Asked{MaxFlips: 0, Filter: decision.Filter{Client: "nobody"}})
		if nothing.Verdict != decision.Nothing {
			t.Errorf("nothing: %+v", nothing)
		}
		// A draft that reads what is masked says so.
		reads := strings.Replace(revisionA, "\"editors\" in", "endswith(input.user.email, \"@acme.com\")\n\t\"editors\" in", 1)
		reads = strings.Replace(reads, " if endswith", " if {\n\tendswith", 1)
		uncertain := w.replay(t, r, decision.Asked{MaxFlips: 0, Draft: []object.Object{policyObject(t, strings.TrimRight(reads, "\n")+"\n}\n")}})
		if uncertain.Verdict != decision.Exceeded || uncertain.Report.Masked != n || uncertain.Report.MaskedMembers["user.email"] != n || uncertain.Report.Flips != 0 {
			t.Errorf("masked: %+v", uncertain.Report)
		}

		if _, err := r.Start(t.Context(), d.Default, tenant.DefaultName, decision.Asked{Draft: []object.Object{policyObject(t, "package chancery.authz\n\ndecision := input.user.")}}); err == nil {
			t.Error("a draft that is no Rego was accepted")
		} else if _, ok := errors.AsType[*object.Invalid](err); !ok {
			t.Errorf("%v", err)
		}
		if _, err := r.Job(t.Context(), d.Default, id.New(id.Replay, time.Now())); !errors.Is(err, decision.ErrReplayUnknown) {
			t.Errorf("an unknown replay: %v", err)
		}
		stranger := d.Tenant(t, "stranger")
		if _, err := r.Job(t.Context(), stranger, changed.ID); !errors.Is(err, decision.ErrReplayUnknown) {
			t.Errorf("another tenant's replay: %v", err)
		}
		if err := r.Stop(t.Context(), stranger, changed.ID); !errors.Is(err, decision.ErrReplayUnknown) {
			t.Errorf("another tenant ends it: %v", err)
		}
	})
}

func TestLogOnEngines(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		const n = 620
		w := newWorld(t, d, n)
		log := d.Store.Decisions()
		seen := map[string]bool{}
		cursor := ""
		for pages := 0; ; pages++ {
			found, next, err := log.Page(t.Context(), d.Default, decision.Filter{}, cursor, 100)
			if err != nil || pages > 7 {
				t.Fatal(pages, err)
			}
			for i, one := range found {
				if seen[one.ID] || i > 0 && one.At.After(found[i-1].At) {
					t.Fatalf("%s is not in its place", one.ID)
				}
				seen[one.ID] = true
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(seen) != n {
			t.Errorf("%d decisions in pages", len(seen))
		}
		count := func(f decision.Filter) (c int) {
			t.Helper()
			var before time.Time
			for one, err := range log.Each(t.Context(), d.Default, f) {
				if err != nil || one.At.Before(before) {
					t.Fatal(one.At, err)
				}
				before, c = one.At, c+1
			}
			return c
		}
		mine, byClient := 0, 0
		for _, in := range w.inputs {
			if in.User.ID == "usr_3" {
				mine++
			}
			if in.Client.Name == "client-1" {
				byClient++
			}
		}
		no := false
		for name, c := range map[string]struct {
			f    decision.Filter
			want int
		}{
			"all": {decision.Filter{}, n}, "user": {decision.Filter{User: "usr_3"}, mine}, "client": {decision.Filter{Client: "client-1"}, byClient},
			"resource": {decision.Filter{Resource: "notes"}, n}, "nobody": {decision.Filter{Client: "' or 1=1 --"}, 0},
			"since": {decision.Filter{Since: w.now.Add(20 * time.Second)}, n - 20}, "until": {decision.Filter{Until: w.now.Add(20 * time.Second)}, 20},
			"action": {decision.Filter{Action: "vend"}, 0}, "denied": {decision.Filter{Allow: &no}, count(decision.Filter{Code: policy.CodeUndefined})},
		} {
			if got := count(c.f); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		}
		if _, _, err := log.Page(t.Context(), d.Default, decision.Filter{}, "e30", 10); !errors.Is(err, decision.ErrCursor) {
			t.Errorf("a cursor of another's making: %v", err)
		}
		if c := len(seen); c == 0 {
			t.Fatal("nothing")
		}
		stranger := d.Tenant(t, "stranger")
		if found, _, err := log.Page(t.Context(), stranger, decision.Filter{}, "", 10); err != nil || len(found) != 0 {
			t.Errorf("another tenant sees %d, %v", len(found), err)
		}

		// What is exported reads back as a replay reads what is recorded.
		var exported bytes.Buffer
		if err := decision.Export(t.Context(), &exported, log, d.Default, decision.Filter{}); err != nil {
			t.Fatal(err)
		}
		report, err := replay.Replay(t.Context(), replay.Lines(&exported), w.set, replay.Options{MaxFlips: 0})
		if err != nil || report.Compared != n || report.Flips != 0 {
			t.Errorf("%+v, %v", report, err)
		}

		purge(t, w, mine, n)
	})
}

// purge keeps the audit log whole.
func purge(t *testing.T, w *world, mine, n int) {
	t.Helper()
	log := w.Store.Decisions()
	event := func() audit.Event {
		e := storetest.Event(w.Default)
		e.Type = audit.TypeDecisionsPurged
		return e
	}
	if _, err := log.Purge(t.Context(), w.ledger, w.Default, time.Now().Add(-time.Hour), "", event()); !errors.Is(err, decision.ErrRecent) {
		t.Errorf("the last day goes: %v", err)
	}
	stranger := w.Tenant(t, "other")
	e := event()
	e.Tenant = stranger
	if gone, err := log.Purge(t.Context(), w.ledger, stranger, time.Now().Add(-26*time.Hour), "", e); err != nil || gone != 0 {
		t.Errorf("another tenant purges %d, %v", gone, err)
	}
	before := time.Now().Add(-26 * time.Hour)
	if gone, err := log.Purge(t.Context(), w.ledger, w.Default, before, "usr_3", event()); err != nil || gone != int64(mine) {
		t.Errorf("of one user %d are gone, want %d, %v", gone, mine, err)
	}
	if gone, err := log.Purge(t.Context(), w.ledger, w.Default, before, "", event()); err != nil || gone != int64(n-mine) {
		t.Errorf("%d are gone, want %d, %v", gone, n-mine, err)
	}
	if left, _, err := log.Page(t.Context(), w.Default, decision.Filter{}, "", 10); err != nil || len(left) != 0 {
		t.Fatalf("%d decisions are left, %v", len(left), err)
	}
	if err := w.ledger.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var book bytes.Buffer
	if err := w.Store.Audit().Export(t.Context(), &book, w.Default); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(&book, audit.Expect{Keys: []audit.PublicKey{w.key}})
	if err != nil || report.Checkpoints == 0 {
		t.Errorf("the audit log does not verify: %v, %+v", err, report)
	}
}
