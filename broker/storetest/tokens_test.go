package storetest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// shelf is a database with a ledger and the records of tokens.
type shelf struct {
	*testing.T
	d      *storetest.Database
	ledger *ledger.Ledger
	tokens *store.Tokens
}

func newShelf(t *testing.T, d *storetest.Database) *shelf {
	l := d.Ledger(t, d.Store)
	return &shelf{T: t, d: d, ledger: l, tokens: d.Store.Tokens(l)}
}

// issue commits a token of a tenant at its present version.
func (s *shelf) issue(uid tenant.UID, change func(*ledger.IssuedToken)) ledger.IssuedToken {
	s.Helper()
	now := time.Now()
	version, err := s.d.Store.Version(s.Context(), uid)
	if err != nil {
		s.Fatal(err)
	}
	issued := ledger.IssuedToken{
		ID: id.New(id.Token, now), Tenant: uid, IssuedAt: now.Truncate(time.Second).UTC(), ExpiresAt: now.Truncate(time.Second).Add(10 * time.Minute).UTC(),
		KeyID: "kid", GrantType: "client_credentials", ClientUID: "cli_1", Subject: "usr_1", IdPUID: "idp_1", ResourceID: "res_1",
		Audience: "https://mcp.acme.com/notes", Scope: "notes:read", Thumbprint: "jkt", DecisionID: "dec_1", Trace: "trc_1",
	}
	if change != nil {
		change(&issued)
	}
	event := storetest.Event(uid)
	event.Type, event.TokenID = audit.TypeTokenIssued, issued.ID
	err = s.ledger.Commit(s.Context(), ledger.Entry{
		Tenant: uid, Pictures: []ledger.Picture{{Tenant: uid, Version: version}}, Token: &issued, Event: event,
	})
	if err != nil {
		s.Fatal(err)
	}
	issued.Version = version
	return issued
}

func (s *shelf) mark(uid tenant.UID, kind lifecycle.Kind, holder string) (version int64, event string) {
	s.Helper()
	e := storetest.Event(uid)
	e.Type = audit.TypeTokensRevoked
	version, err := s.tokens.Mark(s.Context(), uid, lifecycle.Mark{
		Holder: lifecycle.Holder{Kind: kind, UID: holder}, Until: time.Now().Add(time.Hour), Event: e,
	})
	if err != nil {
		s.Fatal(err)
	}
	return version, e.ID
}

// revoke ends one token, and tells whether it was the first to.
func (s *shelf) revoke(uid tenant.UID, jti string) (event string, first bool) {
	s.Helper()
	e := storetest.Event(uid)
	e.Type = audit.TypeTokenRevoked
	r, ok := ledger.Revocation(uid, jti, time.Now().Add(10*time.Minute))
	if !ok {
		s.Fatalf("%s is no token's id", jti)
	}
	err := s.ledger.Commit(s.Context(), ledger.Entry{Tenant: uid, Redemptions: []ledger.Redemption{r}, Event: e})
	if _, lost := errors.AsType[*ledger.Conflict](err); lost {
		return "", false
	}
	if err != nil {
		s.Fatal(err)
	}
	return e.ID, true
}

func (s *shelf) standing(uid tenant.UID, tokens ...ledger.IssuedToken) lifecycle.Standing {
	s.Helper()
	var refs []lifecycle.Ref
	for _, i := range tokens {
		refs = append(refs, lifecycle.Ref{ID: i.ID, IssuedAt: i.IssuedAt})
	}
	standing, err := s.tokens.Standing(s.Context(), uid, refs)
	if err != nil {
		s.Fatal(err)
	}
	return standing
}

func (s *shelf) count(uid tenant.UID, kind lifecycle.Kind, holder string, below, want int64) {
	s.Helper()
	n, err := s.tokens.Count(s.Context(), uid, lifecycle.Holder{Kind: kind, UID: holder}, below)
	if err != nil || n != want {
		s.Errorf("%d live tokens of %s %s below version %d, %v; want %d", n, kind, holder, below, err, want)
	}
}

func TestTokensAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		other := d.Tenant(t, "other")
		mine := s.issue(d.Default, nil)
		theirs := s.issue(other, nil)
		found, err := s.tokens.Find(t.Context(), d.Default, mine.ID)
		if err != nil || found.IssuedToken != mine || found.End != nil {
			t.Errorf("found %+v, %v; want %+v", found, err, mine)
		}
		for _, unknown := range []string{theirs.ID, id.New(id.Token, time.Now()), "tok_", "", "evt_" + mine.ID[4:], mine.ID + "x"} {
			if _, err := s.tokens.Find(t.Context(), d.Default, unknown); !errors.Is(err, lifecycle.ErrUnknown) {
				t.Errorf("%q: %v, want ErrUnknown", unknown, err)
			}
		}
		// The record must be of this tenant, this id and this moment.
		moved := mine
		moved.IssuedAt = moved.IssuedAt.Add(time.Second)
		standing := s.standing(d.Default, theirs, mine, moved, ledger.IssuedToken{ID: "nonsense", IssuedAt: mine.IssuedAt})
		k := standing.Known
		if k[0] != nil || k[2] != nil || k[3] != nil || k[1] == nil {
			t.Fatalf("known: %v", k)
		}
		want := lifecycle.Known{ClientUID: "cli_1", Subject: "usr_1", IdPUID: "idp_1", ResourceUID: "res_1", Audience: mine.Audience, ExpiresAt: mine.ExpiresAt}
		if *k[1] != want {
			t.Errorf("known %+v, want %+v", *k[1], want)
		}
		if standing.Version != mine.Version || s.standing(d.Default).Version != mine.Version {
			t.Errorf("version %d, want %d", standing.Version, mine.Version)
		}
	})
}

func TestOneTokenIsRevoked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		other := d.Tenant(t, "other")
		mine, neighbour := s.issue(d.Default, nil), s.issue(d.Default, nil)
		if _, first := s.revoke(other, mine.ID); !first {
			t.Error("another tenant's revocation was not the first")
		}
		if k := s.standing(d.Default, mine).Known[0]; k == nil || k.Revoked {
			t.Fatalf("revoked by another tenant: %+v", k)
		}
		before := s.standing(d.Default).Version
		event, first := s.revoke(d.Default, mine.ID)
		if !first {
			t.Fatal("not the first")
		}
		if _, again := s.revoke(d.Default, mine.ID); again {
			t.Error("revoked twice")
		}
		standing := s.standing(d.Default, mine, neighbour)
		if !standing.Known[0].Revoked || standing.Known[1].Revoked || standing.Version != before {
			t.Errorf("%+v %+v, version %d (was %d)", standing.Known[0], standing.Known[1], standing.Version, before)
		}
		found, err := s.tokens.Find(t.Context(), d.Default, mine.ID)
		if err != nil || found.End == nil || found.End.By != lifecycle.Token || found.End.Event != event || found.State(time.Now()) != lifecycle.Revoked {
			t.Errorf("found %+v, %v", found.End, err)
		}
		s.count(d.Default, lifecycle.Client, "cli_1", 0, 1)
	})
}

func TestEverythingOfAHolderIsRevoked(t *testing.T) {
	for kind, change := range map[lifecycle.Kind]func(*ledger.IssuedToken){
		lifecycle.Client: func(i *ledger.IssuedToken) { i.ClientUID = "it" },
		lifecycle.User:   func(i *ledger.IssuedToken) { i.Subject = "it" },
		lifecycle.IdP:    func(i *ledger.IssuedToken) { i.IdPUID = "it" },
	} {
		t.Run(string(kind), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				s := newShelf(t, d)
				other := d.Tenant(t, "other")
				old := s.issue(d.Default, change)
				neighbour, foreign := s.issue(d.Default, nil), s.issue(other, change)
				expired := s.issue(d.Default, func(i *ledger.IssuedToken) {
					change(i)
					i.ExpiresAt = time.Now().Add(-time.Second)
				})
				alone := s.issue(d.Default, change)
				s.revoke(d.Default, alone.ID)
				s.count(d.Default, kind, "it", 0, 1)

				version, event := s.mark(d.Default, kind, "it")
				if now := s.standing(d.Default).Version; now != version {
					t.Errorf("the mark is at version %d, the tenant at %d", version, now)
				}
				s.count(d.Default, kind, "it", version, 1)
				s.count(d.Default, kind, "it", 0, 0)
				fresh := s.issue(d.Default, change) // within the same second: no clock decides
				known := s.standing(d.Default, old, neighbour, expired, alone, fresh).Known
				if !known[0].Revoked || known[1].Revoked || !known[2].Revoked || !known[3].Revoked || known[4].Revoked {
					t.Errorf("revoked: %v %v %v %v %v", known[0].Revoked, known[1].Revoked, known[2].Revoked, known[3].Revoked, known[4].Revoked)
				}
				if s.standing(other, foreign).Known[0].Revoked {
					t.Error("another tenant's token is revoked")
				}
				found, err := s.tokens.Find(t.Context(), d.Default, old.ID)
				if err != nil || found.End == nil || found.End.By != kind || found.End.UID != "it" || found.End.Event != event {
					t.Errorf("found %+v, %v", found.End, err)
				}
				// A second mark ends the fresh one, and counts it alone.
				second, _ := s.mark(d.Default, kind, "it")
				s.count(d.Default, kind, "it", second, 1)
				s.count(d.Default, kind, "it", version, 1)
				if found, err = s.tokens.Find(t.Context(), d.Default, old.ID); err != nil || found.End.Event != event {
					t.Errorf("the first mark is what ended it: %+v, %v", found.End, err)
				}
			})
		})
	}
}

// What one revocation ended the next does not count.
func TestNothingDiesTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		s.issue(d.Default, nil)
		version, _ := s.mark(d.Default, lifecycle.User, "usr_1")
		s.count(d.Default, lifecycle.User, "usr_1", version, 1)
		version, _ = s.mark(d.Default, lifecycle.Client, "cli_1")
		s.count(d.Default, lifecycle.Client, "cli_1", version, 0)
		version, _ = s.mark(d.Default, lifecycle.IdP, "idp_1")
		s.count(d.Default, lifecycle.IdP, "idp_1", version, 0)

		addSigningKey(t, d, d.Default, "kid-2")
		s.issue(d.Default, func(i *ledger.IssuedToken) { i.KeyID = "kid-2" })
		s.count(d.Default, lifecycle.Client, "cli_1", 0, 1)
		k, err := d.Store.SigningKeys(s.ledger)
		if err != nil {
			t.Fatal(err)
		}
		revoked := signingKey("kid-2", keys.Revoked, time.Now())
		revoked.RevokedAt = time.Now()
		err = k.ChangeSigningKeys(t.Context(), keys.Change{
			Tenant: d.Default, Before: []keys.Mark{{KeyID: "kid-2", State: keys.Active}}, Update: []keys.Row{revoked}, Events: events(d.Default),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.count(d.Default, lifecycle.Client, "cli_1", 0, 0)
		all, err := s.tokens.List(t.Context(), d.Default, lifecycle.Filter{Since: time.Now().Add(-time.Hour), Limit: 10})
		if err != nil || len(all) != 2 || all[0].End == nil || all[0].End.By != lifecycle.Key || all[0].End.UID != "kid-2" {
			t.Fatalf("%+v, %v", all, err)
		}
	})
}

// A row of an older binary has no version. Every mark ends it.
func TestRowsWithoutVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		s.mark(d.Default, lifecycle.Client, "cli_1")
		now := time.Now()
		old := ledger.IssuedToken{ID: id.New(id.Token, now), IssuedAt: now.Truncate(time.Second)}
		_, err := d.Store.SQL().ExecContext(t.Context(), `insert into issued_tokens (tenant_uid, jti, issued_at, expires_at, kid, grant_type, client_uid,
			subject, idp_uid, resource_uid, audience, scope, jkt, decision_id, trace) values ($1, $2, $3, $4, 'k', 'g', 'cli_1', 'usr_1', '', 'res_1', 'a', 's', '', '', '')`,
			d.Default.String(), old.ID, old.IssuedAt.UnixMicro(), now.Add(time.Minute).UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		if k := s.standing(d.Default, old).Known[0]; k == nil || !k.Revoked {
			t.Errorf("known %+v", k)
		}
	})
}

func TestTokensAreListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		var want []string
		for i := range 5 {
			one := s.issue(d.Default, func(issued *ledger.IssuedToken) {
				issued.IssuedAt = issued.IssuedAt.Add(time.Duration(i/2) * time.Second) // some share a second
			})
			want = append(want, one.ID)
		}
		slices.Reverse(want)
		s.issue(d.Default, func(i *ledger.IssuedToken) { i.ClientUID = "cli_2" })
		expired := s.issue(d.Default, func(i *ledger.IssuedToken) { i.ExpiresAt, i.Subject = time.Now().Add(-time.Second), "usr_9" })
		f := lifecycle.Filter{Holder: lifecycle.Holder{Kind: lifecycle.Client, UID: "cli_1"}, LiveOnly: true, Since: time.Now().Add(-time.Hour), Limit: 2}
		var got []string
		for {
			page, err := s.tokens.List(t.Context(), d.Default, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range page {
				got = append(got, one.ID)
				f.After = lifecycle.Ref{ID: one.ID, IssuedAt: one.IssuedAt}
			}
			if len(page) < f.Limit {
				break
			}
		}
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) || got[4] == want[0] {
			t.Errorf("listed %v, want %v", got, want)
		}
		f.After, f.LiveOnly, f.Holder, f.Limit = lifecycle.Ref{}, false, lifecycle.Holder{Kind: lifecycle.User, UID: "usr_9"}, 10
		if page, err := s.tokens.List(t.Context(), d.Default, f); err != nil || len(page) != 1 || page[0].ID != expired.ID || page[0].State(time.Now()) != lifecycle.Expired {
			t.Errorf("%+v, %v", page, err)
		}
		for name, broken := range map[string]lifecycle.Filter{
			"no end":           {Since: time.Now()},
			"no beginning":     {Limit: 1},
			"no such holder":   {Since: time.Now(), Limit: 1, Holder: lifecycle.Holder{Kind: lifecycle.Token, UID: "x"}},
			"a kind of no one": {Since: time.Now(), Limit: 1, Holder: lifecycle.Holder{Kind: "x", UID: "x"}},
		} {
			if _, err := s.tokens.List(t.Context(), d.Default, broken); err == nil {
				t.Errorf("%s: it passes", name)
			}
		}
	})
}

func TestMarksAreWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		before := s.standing(d.Default).Version
		valid := lifecycle.Mark{Holder: lifecycle.Holder{Kind: lifecycle.User, UID: "usr_1"}, Until: time.Now().Add(time.Hour), Event: storetest.Event(d.Default)}
		for name, change := range map[string]func(*lifecycle.Mark){
			"no kind":  func(m *lifecycle.Mark) { m.Holder.Kind = "" },
			"a token":  func(m *lifecycle.Mark) { m.Holder.Kind = lifecycle.Token },
			"no uid":   func(m *lifecycle.Mark) { m.Holder.UID = "" },
			"no end":   func(m *lifecycle.Mark) { m.Until = time.Time{} },
			"no event": func(m *lifecycle.Mark) { m.Event = audit.Event{} },
		} {
			broken := valid
			change(&broken)
			if _, err := s.tokens.Mark(t.Context(), d.Default, broken); err == nil {
				t.Errorf("%s: it passes", name)
			}
		}
		nobody := tenant.MustParseUID(id.New(id.Tenant, time.Now()))
		valid.Event = storetest.Event(nobody)
		if _, err := s.tokens.Mark(t.Context(), nobody, valid); !errors.Is(err, object.ErrTenantUnknown) {
			t.Errorf("of no tenant: %v", err)
		}
		if now := s.standing(d.Default).Version; now != before {
			t.Errorf("what was refused moved the version from %d to %d", before, now)
		}
	})
}

// The sweeper takes what no token needs any more, of every tenant, and nothing else; nobody else can take it back.
func TestRevocationsAreSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		s := newShelf(t, d)
		other := d.Tenant(t, "other")
		s.mark(d.Default, lifecycle.User, "usr_1")
		for _, uid := range []tenant.UID{d.Default, other} {
			_, err := s.tokens.Mark(t.Context(), uid, lifecycle.Mark{
				Holder: lifecycle.Holder{Kind: lifecycle.User, UID: "usr_2"}, Until: time.Now().Add(-time.Second), Event: storetest.Event(uid),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if d.Role != "" {
			raw := d.Raw(t)
			tx, err := raw.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{
				"select set_config('chancery.tenant', '" + d.Default.String() + "', true)", "delete from revocations",
			} {
				if _, err := tx.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if want := map[bool]int64{true: 0, false: 2}[d.Role != ""]; err != nil || swept.Revocations != want {
			t.Errorf("swept %d revocations, %v; want %d", swept.Revocations, err, want)
		}
		if k := s.standing(d.Default, s.issueAt(d.Default, 1)).Known[0]; k == nil || !k.Revoked {
			t.Errorf("the mark that holds was swept: %+v", k)
		}
	})
}

// issueAt writes a token as if it had been committed at a version.
func (s *shelf) issueAt(uid tenant.UID, version int64) ledger.IssuedToken {
	s.Helper()
	now := time.Now()
	i := ledger.IssuedToken{ID: id.New(id.Token, now), IssuedAt: now.Truncate(time.Second)}
	_, err := s.d.Store.SQL().ExecContext(s.Context(), `insert into issued_tokens (tenant_uid, jti, issued_at, expires_at, kid, grant_type, client_uid,
		subject, idp_uid, resource_uid, audience, scope, jkt, decision_id, trace, version) values ($1, $2, $3, $4, 'k', 'g', 'cli_1', 'usr_1', '', 'res_1', 'a', 's', '', '', '', $5)`,
		uid.String(), i.ID, i.IssuedAt.UnixMicro(), now.Add(time.Minute).UnixMicro(), version)
	if err != nil {
		s.Fatal(err)
	}
	return i
}
