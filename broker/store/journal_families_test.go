package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const spaceCode ledger.Space = "code"

// begin is a valid entry in which a code is exchanged, and a family begins.
func begin(codeID string) ledger.Entry {
	e := issue("of a code " + codeID)
	r := redeem(spaceCode, codeID)
	r.Always, r.Origin, r.Code = false, codeID, "code_used"
	e.Redemptions = []ledger.Redemption{r}
	e.Token.Origin = codeID
	e.Family = &ledger.Family{
		ID: id.New(id.Family, time.Now()), Tenant: acme, Origin: codeID, UserUID: "usr_1", ClientUID: "cli_1", IdPUID: "idp_1", Issuer: "https://idp", Session: [32]byte{1},
		Resources: []ledger.FamilyResource{{UID: "res_1", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read"}}},
		Identity:  []string{"openid"}, ACR: "phr", AMR: []string{"hwk"}, AuthTime: time.Now().Add(-time.Minute).Truncate(time.Microsecond),
		Thumbprint: "jkt", Idle: time.Hour, Absolute: 2 * time.Hour,
	}
	return e
}

// rotate is a valid entry that rotates a family.
func rotate(f *ledger.Family, from int64) ledger.Entry {
	e := issue(fmt.Sprintf("%s at %d", f.ID, from))
	e.Redemptions, e.Token.Origin = nil, f.Origin
	e.Rotation = &ledger.Rotation{Family: f.ID, Origin: f.Origin, From: from, Idle: time.Hour}
	return e
}

func stand(f *ledger.Family, at int64) ledger.Entry {
	e := rotate(f, at)
	e.Rotation.Repeat, e.Rotation.Idle = true, 0
	return e
}

func end(f *ledger.Family) ledger.Entry {
	e := issue("end of " + f.ID)
	e.Redemptions, e.Token, e.Decision = nil, nil, nil
	e.Event.TokenID, e.Event.Decision = "", ""
	e.Event.Type, e.Event.Outcome, e.Event.Code = audit.TypeTokenRefused, audit.Refused, "refresh_token_reused"
	e.Ending = &ledger.Ending{Origin: f.Origin, Why: ledger.EndedByReuse}
	return e
}

func commit(t *testing.T, l *ledger.Ledger, e ledger.Entry) {
	t.Helper()
	if err := l.Commit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func familyOf(t *testing.T, s *store.Store, f *ledger.Family) refresh.Family {
	t.Helper()
	found, err := s.Families(nil).Family(t.Context(), acme, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func revoked(t *testing.T, s *store.Store, e ledger.Entry) bool {
	t.Helper()
	key, _ := ledger.RevocationKey(e.Token.ID)
	return count(t, s, "select count(*) from redemptions where space = 'revoked_token' and key = $1", key[:]) == 1
}

func TestFamilyRestsWhole(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l, e := openLedger(t, s, s.Journal()), begin("a")
		commit(t, l, e)
		f, want := familyOf(t, s, e.Family), *e.Family
		want.Version, want.Idle, want.Absolute = 1, 0, 0 // the last two are times in the row
		if got := fmt.Sprintf("%+v", f.Family); got != fmt.Sprintf("%+v", func() ledger.Family { want.AuthTime = want.AuthTime.UTC(); return want }()) {
			t.Errorf("rests as %s\nwas %+v", got, want)
		}
		if f.Generation != 1 || f.End != nil || f.IdleUntil.Sub(f.BeganAt) != time.Hour || f.ExpiresAt.Sub(f.BeganAt) != 2*time.Hour || !f.RotatedAt.Equal(f.BeganAt) {
			t.Errorf("%+v", f)
		}
		if n := count(t, s, "select count(*) from issued_tokens where origin = 'a'"); n != 1 {
			t.Errorf("%d tokens of the code", n)
		}
		commit(t, l, issue("without"))
		if n := count(t, s, "select count(*) from issued_tokens where origin is null"); n != 1 {
			t.Errorf("%d tokens of no origin", n)
		}
		unknown := begin("b")
		unknown.Family.AuthTime, unknown.Family.AMR, unknown.Family.Identity = time.Time{}, nil, nil
		commit(t, l, unknown)
		if f := familyOf(t, s, unknown.Family); !f.AuthTime.IsZero() || len(f.AMR) != 0 || len(f.Identity) != 0 {
			t.Errorf("what was not said: %+v", f)
		}
	})
}

func TestRotation(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l, e := openLedger(t, s, s.Journal()), begin("a")
		commit(t, l, e)
		commit(t, l, rotate(e.Family, 1))
		first := familyOf(t, s, e.Family)
		if first.Generation != 2 || first.RotatedAt.Before(first.BeganAt) || first.IdleUntil.Sub(first.RotatedAt) != time.Hour {
			t.Fatalf("%+v", first)
		}
		again := rotate(e.Family, 1)
		if err := l.Commit(t.Context(), again); !errors.Is(err, ledger.ErrMoved) {
			t.Fatalf("the old generation: %v", err)
		}
		if n := count(t, s, "select count(*) from audit_events where id = $1", again.Event.ID); n != 0 {
			t.Error("an entry that has to be decided again left an event")
		}
		if n := count(t, s, "select count(*) from issued_tokens where jti = $1", again.Token.ID); n != 0 {
			t.Error("it left a token")
		}
		commit(t, l, stand(e.Family, 2))
		if err := l.Commit(t.Context(), stand(e.Family, 1)); !errors.Is(err, ledger.ErrMoved) {
			t.Errorf("standing at the old generation: %v", err)
		}
		if f := familyOf(t, s, e.Family); f.Generation != 2 || !f.RotatedAt.Equal(first.RotatedAt) {
			t.Errorf("standing moved it: %+v", f)
		}
		// No life beyond the absolute end.
		long := rotate(e.Family, 2)
		long.Rotation.Idle = 1000 * time.Hour
		commit(t, l, long)
		if f := familyOf(t, s, e.Family); !f.IdleUntil.Equal(f.ExpiresAt) {
			t.Errorf("idle until %s, ends %s", f.IdleUntil, f.ExpiresAt)
		}
		nowhere := *e.Family
		nowhere.ID = id.New(id.Family, time.Now())
		if err := l.Commit(t.Context(), rotate(&nowhere, 1)); !errors.Is(err, ledger.ErrMoved) {
			t.Errorf("a family that is not there: %v", err)
		}
		commit(t, l, end(e.Family))
		for _, late := range []ledger.Entry{rotate(e.Family, 3), stand(e.Family, 3)} {
			if err := l.Commit(t.Context(), late); !errors.Is(err, ledger.ErrMoved) {
				t.Errorf("after the end: %v", err)
			}
		}
		if f := familyOf(t, s, e.Family); f.End == nil || f.End.Why != ledger.EndedByReuse {
			t.Errorf("%+v", f.End)
		}
		for _, ended := range []ledger.Entry{e, long} {
			if !revoked(t, s, ended) {
				t.Error("an access token of the family goes on")
			}
		}
	})
}

// In one batch the answers are those of one entry after the other.
func TestRotationsInOneBatch(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l, a, b, c := openLedger(t, s, s.Journal()), begin("a"), begin("b"), begin("c")
		for _, e := range []ledger.Entry{a, b, c} {
			commit(t, l, e)
		}
		// loser rotates b, and loses on a proof that was used: b is free for its neighbour.
		proof := issue("proof")
		proof.Redemptions = append(proof.Redemptions, redeem(ledger.SpaceProof, "p"))
		commit(t, l, proof)
		loser := rotate(b.Family, 1)
		loser.Redemptions = []ledger.Redemption{redeem(ledger.SpaceProof, "p")}
		standing, first, second, neighbour := stand(a.Family, 1), rotate(a.Family, 1), rotate(a.Family, 1), rotate(b.Family, 1)
		plain, ending, late := issue("plain"), end(c.Family), rotate(c.Family, 1)
		answers := commitTogether(t, s, standing, first, second, loser, neighbour, plain, ending, late)
		for i, want := range []string{"", "", "moved", "lost", "", "", "", "moved"} {
			_, isLost := errors.AsType[*ledger.Conflict](answers[i])
			ok := want == "" && answers[i] == nil || want == "moved" && errors.Is(answers[i], ledger.ErrMoved) || want == "lost" && isLost
			if !ok {
				t.Errorf("entry %d: %v, want %q", i, answers[i], want)
			}
		}
		for _, f := range []struct {
			family *ledger.Family
			at     int64
			alive  bool
		}{{a.Family, 2, true}, {b.Family, 2, true}, {c.Family, 1, false}} {
			if found := familyOf(t, s, f.family); found.Generation != f.at || (found.End == nil) != f.alive {
				t.Errorf("%+v", found)
			}
		}
	})
}

// A second use of a code ends what came of the first, in the transaction that records the conflict (T35).
func TestSecondUseOfACodeEndsWhatCameOfIt(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l, first, other := openLedger(t, s, s.Journal()), begin("a"), begin("b")
		commit(t, l, first)
		commit(t, l, other)
		later := rotate(first.Family, 1)
		commit(t, l, later)
		again := begin("a")
		lost(t, l.Commit(t.Context(), again), spaceCode)
		for _, e := range []ledger.Entry{first, later} {
			if !revoked(t, s, e) {
				t.Errorf("token %s goes on", e.Token.ID)
			}
		}
		if revoked(t, s, other) || familyOf(t, s, other.Family).End != nil {
			t.Error("another code's grant ended")
		}
		if f := familyOf(t, s, first.Family); f.End == nil || f.End.Why != ledger.EndedByReuse {
			t.Errorf("%+v", f)
		}
		if _, err := s.Families(nil).Family(t.Context(), acme, again.Family.ID); !errors.Is(err, refresh.ErrUnknown) {
			t.Errorf("the second use began a family: %v", err)
		}
		key, _ := ledger.RevocationKey(first.Token.ID)
		if n := count(t, s, "select count(*) from redemptions r join audit_events e on e.id = r.entry where r.key = $1 and e.code = 'code_used'", key[:]); n != 1 {
			t.Error("the revocation does not name the event that records the conflict")
		}
	})
}

// Fifty uses of a code in one batch: one is answered, and ended with the second.
func TestUsesOfACodeInOneBatch(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		entries := make([]ledger.Entry, 50)
		for i := range entries {
			entries[i] = begin("a")
		}
		won := -1
		for i, err := range commitTogether(t, s, entries...) {
			if err == nil && won < 0 {
				won = i
				continue
			}
			lost(t, err, spaceCode)
		}
		if won != 0 {
			t.Fatalf("won by %d", won)
		}
		if n := count(t, s, "select count(*) from refresh_families"); n != 1 {
			t.Errorf("%d families", n)
		}
		if f := familyOf(t, s, entries[0].Family); f.End == nil || !revoked(t, s, entries[0]) {
			t.Errorf("it goes on: %+v", f)
		}
	})
}

// Many rotate one family at once, in two processes on PostgreSQL: each generation is made once (I3).
func TestRotationRace(t *testing.T) {
	engines(t, func(t *testing.T, url string, s *store.Store) {
		ledgers := []*ledger.Ledger{openLedger(t, s, s.Journal())}
		if !isSQLite(url) {
			other, err := store.Open(t.Context(), store.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close() })
			ledgers = append(ledgers, openLedger(t, other, other.Journal()))
		}
		e, neighbour := begin("a"), begin("b")
		commit(t, ledgers[0], e)
		commit(t, ledgers[0], neighbour)
		var mu sync.Mutex
		made := map[int64]int{}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				for from := int64(1); from <= 5; from++ {
					for _, f := range []*ledger.Family{e.Family, neighbour.Family} {
						err := ledgers[i%len(ledgers)].Commit(context.WithoutCancel(t.Context()), rotate(f, from))
						if err != nil && !errors.Is(err, ledger.ErrMoved) {
							t.Error(err)
						}
						if err == nil && f == e.Family {
							mu.Lock()
							made[from]++
							mu.Unlock()
						}
					}
				}
			})
		}
		all.Wait()
		for from := int64(1); from <= 5; from++ {
			if made[from] != 1 {
				t.Errorf("generation %d was replaced %d times", from, made[from])
			}
		}
		if f := familyOf(t, s, e.Family); f.Generation != 6 {
			t.Errorf("at generation %d", f.Generation)
		}
	})
}

// What would begin, move or end nothing does not reach the database.
func TestUnfitFamilies(t *testing.T) {
	s := openStore(t, "sqlite://"+t.TempDir()+"/chancery.db")
	l := openLedger(t, s, s.Journal())
	for name, change := range map[string]func(e *ledger.Entry){
		"another tenant's":             func(e *ledger.Entry) { e.Family.Tenant = tenant.MustParseUID("ten_other") },
		"no id":                        func(e *ledger.Entry) { e.Family.ID = "" },
		"no origin":                    func(e *ledger.Entry) { e.Family.Origin = "" },
		"no issuer":                    func(e *ledger.Entry) { e.Family.Issuer = "" },
		"no session":                   func(e *ledger.Entry) { e.Family.Session = [32]byte{} },
		"no resource":                  func(e *ledger.Entry) { e.Family.Resources = nil },
		"a resource without scopes":    func(e *ledger.Entry) { e.Family.Resources[0].Scopes = nil },
		"no idle end":                  func(e *ledger.Entry) { e.Family.Idle = 0 },
		"no absolute end":              func(e *ledger.Entry) { e.Family.Absolute = 0 },
		"no token":                     func(e *ledger.Entry) { e.Token = nil },
		"a NUL byte":                   func(e *ledger.Entry) { e.Family.ACR = "a\x00" },
		"a NUL byte in a list":         func(e *ledger.Entry) { e.Family.AMR = []string{"\x00"} },
		"no picture":                   func(e *ledger.Entry) { e.Pictures = nil },
		"a rotation of nothing":        func(e *ledger.Entry) { e.Rotation = &ledger.Rotation{From: 1, Origin: "a", Idle: time.Hour} },
		"a rotation without origin":    func(e *ledger.Entry) { e.Rotation = &ledger.Rotation{Family: "f", From: 1, Idle: time.Hour} },
		"a rotation from nowhere":      func(e *ledger.Entry) { e.Rotation = &ledger.Rotation{Family: "f", Origin: "a", Idle: time.Hour} },
		"a rotation without end":       func(e *ledger.Entry) { e.Rotation = &ledger.Rotation{Family: "f", Origin: "a", From: 1} },
		"an ending of nothing":         func(e *ledger.Entry) { e.Ending = &ledger.Ending{Why: "x"} },
		"an ending without its reason": func(e *ledger.Entry) { e.Ending = &ledger.Ending{Origin: "a"} },
	} {
		e := begin("a")
		change(&e)
		if err := l.Commit(t.Context(), e); !errors.Is(err, ledger.ErrUnfit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := count(t, s, "select count(*) from audit_events"); n != 0 {
		t.Errorf("%d events", n)
	}
}
