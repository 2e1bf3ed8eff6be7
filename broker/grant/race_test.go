package grant_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/policy"
)

// replicas are grants over one real database, each with a ledger of its own: two on PostgreSQL, one on SQLite.
type replicas struct {
	*people
	all      []*grant.Grants
	database *storetest.Database
	stores   []*store.Store
}

func eachReplicas(t *testing.T, test func(t *testing.T, r *replicas)) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		r := &replicas{people: newPeople(t, publicSpec), database: d}
		r.now = time.Now()
		r.session.StartedAt, r.session.Proof.AuthTime = r.now, r.now.Truncate(time.Second).Add(-time.Minute)
		picture := r.picture(t)
		for _, q := range []string{
			"insert into tenants (uid, name, revision, managed_by, labels, spec, created_at, updated_at) values ($1, 'people', 1, 'test', '{}', '{}', 0, 0)",
			fmt.Sprintf("insert into tenant_versions (tenant_uid, version) values ($1, %d)", picture.Version),
		} {
			if _, err := d.Owner.ExecContext(t.Context(), q, picture.UID.String()); err != nil {
				t.Fatal(err)
			}
		}
		r.stores = []*store.Store{d.Store}
		if d.Name == "postgres" {
			r.stores = append(r.stores, d.Open(t))
		}
		for _, s := range r.stores {
			c := r.Config
			l := d.Ledger(t, s)
			shared := *c.People
			shared.Families = s.Families(l)
			c.Journal, c.People, c.Observer, c.Lane = l, &shared, silent{}, &deaf{}
			g, err := grant.New(c)
			must(t, err)
			r.all = append(r.all, g)
		}
		test(t, r)
	})
}

// silent and deaf take what many goroutines tell.
type silent struct{}

func (silent) Granted(string, string, oauth.Code) {}
func (silent) Decided(time.Duration, string)      {}
func (silent) Checked([]audit.Check)              {}

type deaf struct{}

func (*deaf) Add(audit.Event, string) {}

// sent is one call from the outside.
type sent struct {
	response grant.Response
	err      error
}

// together sends one request many times at once, over all replicas in turn.
func (r *replicas) together(t *testing.T, n int, a ask) []sent {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	must(t, err)
	picture := r.picture(t)
	answers := make([]sent, n)
	var gate, all sync.WaitGroup
	gate.Add(1)
	for i := range answers {
		all.Go(func() {
			gate.Wait()
			answers[i].response, answers[i].err = r.all[i%len(r.all)].Token(context.WithoutCancel(t.Context()), grant.Request{
				Tenant: picture, Trace: fmt.Sprint("trc_", i), Remote: "192.0.2.1", Form: form,
			})
		})
	}
	gate.Done()
	all.Wait()
	return answers
}

// newExchange has alice agree, on the first replica.
func (r *replicas) newExchange(t *testing.T) ask {
	t.Helper()
	r.Grants = r.all[0]
	return r.exchange(t, nil).unnamed()
}

func (r *replicas) family(t *testing.T, id string) refresh.Family {
	t.Helper()
	found, err := r.stores[0].Families(nil).Family(t.Context(), r.picture(t).UID, id)
	must(t, err)
	return found
}

func (r *replicas) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	must(t, r.database.Store.SQL().QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// Fifty uses of one code at once: one token, and what came of it has ended (I2, T35).
func TestCodeRace(t *testing.T) {
	eachReplicas(t, func(t *testing.T, r *replicas) {
		var won []grant.Response
		for _, s := range r.together(t, 50, r.newExchange(t)) {
			switch {
			case s.err == nil:
				won = append(won, s.response)
			case oauth.AsError(s.err).Code != oauth.CodeCodeUsed:
				t.Errorf("%v", s.err)
			}
		}
		if len(won) != 1 {
			t.Fatalf("%d tokens of one code", len(won))
		}
		if n := r.count(t, "select count(*) from issued_tokens"); n != 1 {
			t.Errorf("%d tokens are on record", n)
		}
		if n := r.count(t, "select count(*) from redemptions where space = 'revoked_token'"); n != 1 {
			t.Errorf("%d of them are revoked", n)
		}
		for _, s := range r.together(t, 4, r.refresh(won[0].RefreshToken).unnamed()) {
			if oauth.AsError(s.err).Code != oauth.CodeRefreshTokenEnded {
				t.Errorf("its refresh token: %v", s.err)
			}
		}
	})
}

// A hundred uses of one refresh token at once: whoever wins has the same successor, which is the only one there is. Used
// again after the grace, it ends the family (I3, T41).
func TestRefreshRace(t *testing.T) {
	eachReplicas(t, func(t *testing.T, r *replicas) {
		first := r.together(t, 1, r.newExchange(t))[0]
		must(t, first.err)
		family := r.familyOf(t, first.response.RefreshToken)
		token, access := first.response.RefreshToken, map[string]bool{}
		for round := int64(2); round <= 4; round++ {
			successors := map[string]int{}
			for _, s := range r.together(t, 100, r.refresh(token).unnamed()) {
				if s.err != nil {
					t.Errorf("within the grace: %v", s.err)
					continue
				}
				successors[s.response.RefreshToken]++
				if access[s.response.AccessToken] {
					t.Error("an access token twice")
				}
				access[s.response.AccessToken] = true
			}
			if len(successors) != 1 {
				t.Fatalf("%d successors of one token", len(successors))
			}
			for s := range successors {
				token = s
			}
			if f := r.family(t, family); f.Generation != round || f.End != nil {
				t.Fatalf("%+v", f)
			}
		}
		// Both the client and somebody else: the newest, and the first, at once. Whatever comes first, nobody has one in the end.
		both := append(r.together(t, 10, r.refresh(first.response.RefreshToken).unnamed()), r.together(t, 10, r.refresh(token).unnamed())...)
		for i, s := range both {
			code := oauth.AsError(s.err).Code
			if s.err == nil || code != oauth.CodeRefreshTokenReused && code != oauth.CodeRefreshTokenEnded {
				t.Errorf("%d: %v", i, s.err)
			}
		}
		if f := r.family(t, family); f.End == nil || f.End.Why != ledger.EndedByReuse {
			t.Errorf("%+v", f)
		}
		live := r.count(t, "select count(*) from issued_tokens") - r.count(t, "select count(*) from redemptions where space = 'revoked_token'")
		if live != 0 {
			t.Errorf("%d access tokens of the family go on", live)
		}
	})
}

func (r *replicas) familyOf(t *testing.T, token string) string {
	t.Helper()
	presented, err := r.tokens.Parse(r.picture(t).UID, token)
	must(t, err)
	return presented.Family()
}

// Reuse and rotation at once: the set of what was answered holds I3, whatever the order was.
func TestReuseRace(t *testing.T) {
	eachReplicas(t, func(t *testing.T, r *replicas) {
		for range 5 {
			first := r.together(t, 1, r.newExchange(t))[0]
			must(t, first.err)
			second := r.together(t, 1, r.refresh(first.response.RefreshToken).unnamed())[0]
			must(t, second.err)
			third := r.together(t, 1, r.refresh(second.response.RefreshToken).unnamed())[0]
			must(t, third.err)
			var all sync.WaitGroup
			var old, newest []sent
			all.Go(func() { old = r.together(t, 5, r.refresh(first.response.RefreshToken).unnamed()) })
			all.Go(func() { newest = r.together(t, 20, r.refresh(third.response.RefreshToken).unnamed()) })
			all.Wait()
			for _, s := range old {
				if s.err == nil {
					t.Error("a token of two generations ago was taken")
				}
			}
			successors := map[string]bool{}
			for _, s := range newest {
				if s.err == nil {
					successors[s.response.RefreshToken] = true
				}
			}
			if len(successors) > 1 {
				t.Errorf("%d successors", len(successors))
			}
			for token := range successors {
				if s := r.together(t, 1, r.refresh(token).unnamed())[0]; oauth.AsError(s.err).Code != oauth.CodeRefreshTokenEnded {
					t.Errorf("a successor outlived the reuse: %v", s.err)
				}
			}
			live := r.count(t, "select count(*) from issued_tokens") - r.count(t, "select count(*) from redemptions where space = 'revoked_token'")
			if live != 0 {
				t.Errorf("%d access tokens go on", live)
			}
		}
	})
}

var errCut = errors.New("cut")

// A failure in the middle leaves the token where it was: nothing was answered, nothing was moved.
func TestRefreshFailsInTheMiddle(t *testing.T) {
	p := newPeople(t)
	first := p.first(t, nil)
	for _, err := range []error{ledger.ErrUnavailable, ledger.ErrUnfit, errCut} {
		p.journal.answers = []error{err}
		p.refused(t, p.refresh(first.RefreshToken), oauth.CodeLedgerUnavailable)
	}
	p.Policy = broken{}
	p.refused(t, p.refresh(first.RefreshToken), oauth.CodePolicyError)
	if f := p.families.only(t); f.Generation != 1 || f.End != nil {
		t.Errorf("%+v", f)
	}
}

type broken struct{ policy.Evaluator }

func (broken) Decide(context.Context, *policy.Set, *policy.Input) policy.Decision {
	return policy.Decision{Code: "policy_error"}
}
