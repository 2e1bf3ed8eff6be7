package approval_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/approval/approvaltest"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// house is a desk with alice, for whom claude asks, and three people who are asked.
type house struct {
	*approval.Desk
	store  *approvaltest.Memory
	t      *testing.T
	tenant *snapshot.Tenant
	people map[string]person.Person // who is not here is nobody
	fail   error
	lane   []audit.Event
	now    time.Time
}

func (h *house) Find(_ context.Context, t *snapshot.Tenant, userUID, _ string) (person.Person, error) {
	if p, there := h.people[userUID]; there && t == h.tenant {
		return p, h.fail
	}
	return person.Person{}, person.ErrNobody
}

func (h *house) Accounts(_ context.Context, _ *snapshot.Tenant, userUID string) ([]federation.Account, error) {
	return []federation.Account{{UID: userUID, Email: h.people[userUID].Email}}, h.fail
}

func (h *house) Add(e audit.Event, _ string) { h.lane = append(h.lane, e) }

func newHouse(t *testing.T) *house {
	t.Helper()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := &house{t: t, store: &approvaltest.Memory{}, now: now, people: map[string]person.Person{}}
	h.tenant = &snapshot.Tenant{UID: tenant.MustParseUID(id.New(id.Tenant, now)), Name: "default"}
	for name, groups := range map[string][]string{"alice": {"security"}, "carol": {"security"}, "dave": {"security", "legal"}, "erin": {"legal"}, "frank": {"staff"}} {
		h.people["usr_"+name] = person.Person{Tenant: h.tenant, UID: "usr_" + name, Name: name, Email: name + "@acme.com", IdPUID: "idp_1", Groups: groups}
	}
	var err error
	h.Desk, err = approval.New(approval.Desk{Store: h.store, People: h, Lane: h, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) ask() approval.Ask {
	return approval.Ask{
		Tenant: h.tenant, UserUID: "usr_alice", Client: audit.Principal{Kind: "client", ID: "cli_1", Name: "claude"}, ClientID: "claude",
		Resource: &snapshot.Resource{UID: "res_1", Name: "notes"}, Scopes: []string{"notes:write", "notes:read"},
		Policies: []policy.Ref{{UID: "pol_1", Name: "notes", Revision: 3, Hash: "aa"}, {UID: "pol_0", Name: "guard", Revision: 1, Hash: "bb"}},
		Needs:    []policy.ApprovalNeed{{Group: "security", Within: 5 * time.Minute}}, Decision: "dec_1",
	}
}

func (h *house) seek(q approval.Ask) approval.Approval {
	h.t.Helper()
	a, err := h.Seek(h.t.Context(), q)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *house) says(name string, a approval.Approval, allow bool) error {
	_, err := h.Answer(h.t.Context(), h.people["usr_"+name], a.ID, "it@acme.com", allow, approval.Visit{Trace: "trc_1", Remote: "192.0.2.1"})
	return err
}

func TestOneYesOfAMember(t *testing.T) {
	h := newHouse(t)
	a := h.seek(h.ask())
	if a.State != approval.Waiting || !a.ExpiresAt.Equal(h.now.Add(5*time.Minute)) || !strings.HasPrefix(a.ID, "apr_") {
		t.Fatalf("%+v", a)
	}
	if again := h.seek(h.ask()); again.ID != a.ID || len(h.store.Events) != 1 {
		t.Fatalf("asking again fills the list: %s, %s", a.ID, again.ID)
	}
	if err := h.says("carol", a, true); err != nil {
		t.Fatal(err)
	}
	got := h.seek(h.ask())
	if got.State != approval.Allowed || got.ID != a.ID || got.Redemption().Key != approval.RedemptionKey(a.ID) || got.Redemption().ExpiresAt.Before(got.ExpiresAt) {
		t.Fatalf("%+v", got)
	}
	if err := h.says("carol", a, false); !errors.Is(err, approval.ErrSettled) {
		t.Fatalf("a second word: %v", err)
	}
	h.store.Use(a.ID)
	if got := h.seek(h.ask()); got.State != approval.Waiting || got.ID == a.ID {
		t.Fatalf("it is good for one: %+v", got)
	}
}

func TestWhoIsNotAsked(t *testing.T) {
	for name, test := range map[string]struct {
		who    string
		change func(*approval.Ask)
		want   error
	}{
		"the subject":           {"alice", nil, approval.ErrSubject},
		"no member":             {"frank", nil, approval.ErrNotAsked},
		"a member of another":   {"erin", nil, approval.ErrNotAsked},
		"the owner of a client": {"carol", func(q *approval.Ask) { q.UserUID = "" }, approval.ErrSubject},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			q := h.ask()
			owner := "it@acme.com"
			if test.change != nil {
				test.change(&q)
				owner = "Carol@acme.com"
			}
			a := h.seek(q)
			_, err := h.Answer(t.Context(), h.people["usr_"+test.who], a.ID, owner, true, approval.Visit{})
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, not %v", err, test.want)
			}
			if len(h.lane) != 1 || h.lane[0].Type != audit.TypeApprovalRefused || h.lane[0].Principal.ID != "usr_"+test.who {
				t.Fatalf("%+v", h.lane)
			}
			if got := h.seek(q); got.State != approval.Waiting || len(got.Words) != 0 {
				t.Fatalf("%+v", got)
			}
			listed, err := h.For(t.Context(), h.people["usr_"+test.who], func(string) string { return owner })
			if err != nil || len(listed) != 0 {
				t.Fatalf("it is listed: %v %v", listed, err)
			}
		})
	}
	h := newHouse(t)
	a := h.seek(h.ask())
	if _, err := h.Answer(t.Context(), person.Person{}, a.ID, "", true, approval.Visit{}); !errors.Is(err, approval.ErrNotAsked) {
		t.Fatalf("nobody: %v", err)
	}
	if listed, err := h.For(t.Context(), h.people["usr_carol"], func(string) string { return "" }); err != nil || len(listed) != 1 {
		t.Fatalf("%v %v", listed, err)
	}
}

// Two users with one address are one person, who was linked twice: he allows nothing for himself, and speaks once.
func TestOnePersonByTwoAccounts(t *testing.T) {
	h := newHouse(t)
	carol := h.people["usr_carol"]
	carol.Email = "Alice@ACME.com"
	h.people["usr_carol"] = carol
	a := h.seek(h.ask())
	if err := h.says("carol", a, true); !errors.Is(err, approval.ErrSubject) {
		t.Fatalf("the subject by another account: %v", err)
	}
	if len(h.lane) != 1 || h.lane[0].Type != audit.TypeApprovalRefused {
		t.Fatalf("%+v", h.lane)
	}
	q := h.ask()
	q.Needs = []policy.ApprovalNeed{{Group: "legal"}, {Group: "security"}}
	erin := h.people["usr_erin"]
	erin.Email = h.people["usr_dave"].Email
	h.people["usr_erin"] = erin
	a = h.seek(q)
	if err := h.says("erin", a, true); err != nil {
		t.Fatal(err)
	}
	if err := h.says("dave", a, true); !errors.Is(err, approval.ErrNotAsked) {
		t.Fatalf("one person for two groups: %v", err)
	}
	h.fail = errors.New("the directory is away")
	if _, err := h.Asked(t.Context(), h.people["usr_dave"], a, ""); !errors.Is(err, h.fail) {
		t.Fatalf("not known is not asked: %v", err)
	}
}

// Whatever an approval binds, another one of it is asked anew.
func TestAnApprovalBinds(t *testing.T) {
	for name, change := range map[string]func(*approval.Ask){
		"user":     func(q *approval.Ask) { q.UserUID = "usr_erin" },
		"nobody":   func(q *approval.Ask) { q.UserUID = "" },
		"client":   func(q *approval.Ask) { q.Client.ID = "cli_2" },
		"resource": func(q *approval.Ask) { q.Resource = &snapshot.Resource{UID: "res_2", Name: "notes"} },
		"provider": func(q *approval.Ask) { q.Provider = "github" },
		"more":     func(q *approval.Ask) { q.Scopes = append(q.Scopes, "notes:delete") },
		"less":     func(q *approval.Ask) { q.Scopes = q.Scopes[:1] },
		"revision": func(q *approval.Ask) { q.Policies[0].Revision++ },
		"content":  func(q *approval.Ask) { q.Policies[0].Hash = "cc" },
		"policy":   func(q *approval.Ask) { q.Policies[0].UID = "pol_2" },
		"a guard":  func(q *approval.Ask) { q.Policies = q.Policies[:1] },
		"group":    func(q *approval.Ask) { q.Needs[0].Group = "legal" },
		"groups":   func(q *approval.Ask) { q.Needs = append(q.Needs, policy.ApprovalNeed{Group: "legal"}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := h.seek(h.ask())
			if err := h.says("carol", a, true); err != nil {
				t.Fatal(err)
			}
			q := h.ask()
			change(&q)
			if got := h.seek(q); got.ID == a.ID || got.State != approval.Waiting {
				t.Fatalf("another request was taken for the one that was allowed: %+v", got)
			}
		})
	}
	h := newHouse(t)
	a, q := h.seek(h.ask()), h.ask()
	slices.Reverse(q.Scopes)
	slices.Reverse(q.Policies)
	q.Decision, q.Trace = "dec_2", "trc_2"
	if got := h.seek(q); got.ID != a.ID {
		t.Fatal("the same in another order is another")
	}
}

func TestEveryGroupByAnotherPerson(t *testing.T) {
	h := newHouse(t)
	q := h.ask()
	q.Needs = []policy.ApprovalNeed{{Group: "security", Within: 5 * time.Minute}, {Group: "legal", Within: time.Minute}, {Group: "security"}}
	a := h.seek(q)
	if !slices.Equal(a.Groups, []string{"legal", "security"}) || a.Within != time.Minute {
		t.Fatalf("%v %s", a.Groups, a.Within)
	}
	if err := h.says("dave", a, true); err != nil { // who is in both
		t.Fatal(err)
	}
	if got := h.seek(q); got.State != approval.Waiting {
		t.Fatalf("one person is two: %+v", got)
	}
	if err := h.says("dave", a, true); !errors.Is(err, approval.ErrNotAsked) {
		t.Fatalf("twice: %v", err)
	}
	if err := h.says("carol", a, true); err != nil {
		t.Fatal(err)
	}
	if got := h.seek(q); got.State != approval.Allowed {
		t.Fatalf("%+v", got)
	}
}

func TestOneNoIsEnough(t *testing.T) {
	h := newHouse(t)
	q := h.ask()
	q.Needs = append(q.Needs, policy.ApprovalNeed{Group: "legal"})
	a := h.seek(q)
	if err := h.says("erin", a, false); err != nil {
		t.Fatal(err)
	}
	if err := h.says("carol", a, true); !errors.Is(err, approval.ErrSettled) {
		t.Fatalf("%v", err)
	}
	if got := h.seek(q); got.State != approval.Denied || got.ID != a.ID {
		t.Fatalf("%+v", got)
	}
	h.now = a.ExpiresAt // until its time is over
	if got := h.seek(q); got.State != approval.Waiting || got.ID == a.ID {
		t.Fatalf("%+v", got)
	}
}

func TestTimes(t *testing.T) {
	h := newHouse(t)
	a := h.seek(h.ask())
	h.now = a.ExpiresAt
	if err := h.says("carol", a, true); !errors.Is(err, approval.ErrGone) {
		t.Fatalf("allowed when its time is over: %v", err)
	}
	b := h.seek(h.ask())
	if b.ID == a.ID {
		t.Fatal("what is over waits on")
	}
	if err := h.says("carol", b, true); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(5*time.Minute - time.Microsecond)
	if got := h.seek(h.ask()); got.State != approval.Allowed {
		t.Fatalf("%+v", got)
	}
	h.now = h.now.Add(time.Microsecond)
	if got := h.seek(h.ask()); got.State != approval.Waiting {
		t.Fatalf("what was allowed lasts: %+v", got)
	}
	q := h.ask()
	q.Needs[0].Within = 1000 * time.Hour
	if got := h.seek(q); got.Within != approval.Longest {
		t.Fatalf("%s", got.Within)
	}
	q.Needs[0].Within = 0
	if got := h.seek(q); got.Within != approval.Default {
		t.Fatalf("%s", got.Within)
	}
}

// What was allowed counts no more when those who allowed it could not do so any more.
func TestApproversStand(t *testing.T) {
	for name, change := range map[string]func(*house){
		"gone":         func(h *house) { delete(h.people, "usr_carol") },
		"out of group": func(h *house) { p := h.people["usr_carol"]; p.Groups = []string{"staff"}; h.people["usr_carol"] = p },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := h.seek(h.ask())
			if err := h.says("carol", a, true); err != nil {
				t.Fatal(err)
			}
			change(h)
			if got := h.seek(h.ask()); got.State != approval.Waiting || got.ID == a.ID {
				t.Fatalf("%+v", got)
			}
			if !slices.ContainsFunc(h.store.Events, func(e audit.Event) bool { return e.Type == audit.TypeApprovalLapsed }) {
				t.Fatal("nobody is told")
			}
		})
	}
	h := newHouse(t)
	a := h.seek(h.ask())
	if err := h.says("carol", a, true); err != nil {
		t.Fatal(err)
	}
	h.fail = errors.New("the database is away")
	if _, err := h.Seek(t.Context(), h.ask()); !errors.Is(err, h.fail) {
		t.Fatalf("not known is taken for known: %v", err)
	}
	h.fail = nil
	h.store.Fail = errors.New("the database is away")
	if _, err := h.Seek(t.Context(), h.ask()); !errors.Is(err, h.store.Fail) {
		t.Fatalf("%v", err)
	}
}

func TestLinksShowThemselvesToThoseWhoAreConcerned(t *testing.T) {
	h := newHouse(t)
	a := h.seek(h.ask())
	for who, want := range map[string]error{"alice": nil, "carol": nil, "erin": approval.ErrNotAsked, "frank": approval.ErrNotAsked} {
		if _, err := h.Open(t.Context(), h.people["usr_"+who], a.ID); !errors.Is(err, want) {
			t.Errorf("%s: %v", who, err)
		}
	}
	for _, name := range []string{"", "apr_", id.New(id.Approval, h.now), a.ID + "x", strings.ToLower(a.ID)} {
		if _, err := h.Open(t.Context(), h.people["usr_carol"], name); !errors.Is(err, approval.ErrGone) {
			t.Errorf("%q: %v", name, err)
		}
	}
	other := h.people["usr_carol"]
	other.Tenant = &snapshot.Tenant{UID: tenant.MustParseUID(id.New(id.Tenant, h.now)), Name: "acme"}
	if _, err := h.Open(t.Context(), other, a.ID); !errors.Is(err, approval.ErrGone) {
		t.Errorf("another tenant's: %v", err)
	}
}

func TestFewWait(t *testing.T) {
	h := newHouse(t)
	q := h.ask()
	for i := range approval.MaxWaiting {
		q.Scopes = []string{"s" + string(rune('a'+i))}
		h.seek(q)
	}
	q.Scopes = []string{"one-more"}
	if _, err := h.Seek(t.Context(), q); !errors.Is(err, approval.ErrCrowded) {
		t.Fatalf("%v", err)
	}
	q.UserUID = "usr_erin"
	h.seek(q)
}

func TestIncompleteRequestsWaitForNobody(t *testing.T) {
	for name, change := range map[string]func(*approval.Ask){
		"no tenant":   func(q *approval.Ask) { q.Tenant = nil },
		"no client":   func(q *approval.Ask) { q.Client.ID = "" },
		"no resource": func(q *approval.Ask) { q.Resource = nil },
		"no scopes":   func(q *approval.Ask) { q.Scopes = nil },
		"no policies": func(q *approval.Ask) { q.Policies = nil },
		"no group":    func(q *approval.Ask) { q.Needs = nil },
		"no name":     func(q *approval.Ask) { q.Needs[0].Group = "" },
	} {
		h := newHouse(t)
		q := h.ask()
		change(&q)
		if a, err := h.Seek(t.Context(), q); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
