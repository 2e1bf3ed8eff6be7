package storetest_test

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func handle(name string) [32]byte { return sha256.Sum256([]byte(name)) }

func sessionEvent(t tenant.UID, kind audit.Type) audit.Event {
	e := storetest.Event(t)
	e.Type = kind
	return e
}

// beginning is a valid one of alice at an IdP.
func beginning(t tenant.UID, name string) session.Beginning {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return session.Beginning{
		Session: session.Session{
			Handle: handle(name), ID: id.New(id.Session, now), Tenant: t, UserUID: "usr_alice", IdPUID: "idp_1", Issuer: "https://idp.test",
			Upstream:  session.Upstream{Subject: "alice", SessionID: "sid-" + name, Hint: []byte("sealed")},
			Proof:     session.Proof{ACR: "mfa", AMR: []string{"pwd", "otp"}, AuthTime: now.Add(-time.Minute)},
			StartedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour), Version: 1,
		},
		Event: sessionEvent(t, audit.TypeSessionStarted),
	}
}

func ending(t tenant.UID) session.Ending {
	return session.Ending{Tenant: t, At: time.Now(), Reason: session.EndedByIdP, Event: sessionEvent(t, audit.TypeSessionEnded)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gone wants a handle to find nothing.
func gone(t *testing.T, s *store.Sessions, uid tenant.UID, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := s.Find(t.Context(), uid, handle(name)); !errors.Is(err, session.ErrGone) {
			t.Errorf("%s: got %v, want ErrGone", name, err)
		}
	}
}

func found(t *testing.T, s *store.Sessions, uid tenant.UID, name string) session.Session {
	t.Helper()
	one, err := s.Find(t.Context(), uid, handle(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return one
}

func TestSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		b := beginning(d.Default, "first")
		must(t, sessions.Start(t.Context(), b))
		if got := found(t, sessions, d.Default, "first"); !reflect.DeepEqual(got, b.Session) {
			t.Errorf("got %+v\nwant %+v", got, b.Session)
		}
		gone(t, sessions, d.Default, "another")
		gone(t, sessions, d.Tenant(t, "other"), "first")

		// What was not said stays so.
		silent := beginning(d.Default, "silent")
		silent.Session.Proof, silent.Session.Upstream = session.Proof{}, session.Upstream{}
		must(t, sessions.Start(t.Context(), silent))
		if got := found(t, sessions, d.Default, "silent"); !got.Proof.AuthTime.IsZero() || got.Proof.AMR != nil || got.Upstream.Hint != nil {
			t.Errorf("got %+v", got)
		}

		// It is seen, and never less lately.
		later := b.Session.SeenAt.Add(time.Minute)
		must(t, sessions.Touch(t.Context(), d.Default, handle("first"), later))
		must(t, sessions.Touch(t.Context(), d.Default, handle("first"), later.Add(-time.Second)))
		if got := found(t, sessions, d.Default, "first"); !got.SeenAt.Equal(later) {
			t.Errorf("seen at %s, want %s", got.SeenAt, later)
		}
		all, err := sessions.List(t.Context(), d.Default, "usr_alice")
		if err != nil || len(all) != 2 || all[0].ID != b.Session.ID {
			t.Errorf("listed %+v %v", all, err)
		}

		e := ending(d.Default)
		first := handle("first")
		e.Handle = &first
		must(t, erring(sessions.End(t.Context(), e)))
		gone(t, sessions, d.Default, "first")
		if err := erring(sessions.End(t.Context(), e)); !errors.Is(err, session.ErrGone) {
			t.Errorf("ended twice: %v", err)
		}
	})
}

// What goes on under another handle is found by the older one, for what was bound to it; not by a browser.
func TestSessionGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		must(t, sessions.Start(t.Context(), beginning(d.Default, "a")))
		a := found(t, sessions, d.Default, "a")
		renew := func(from, to string) error {
			b, previous := beginning(d.Default, to), handle(from)
			b.Session.ID, b.Previous = a.ID, &previous
			return sessions.Start(t.Context(), b)
		}
		must(t, renew("a", "b"))
		must(t, renew("b", "c"))
		gone(t, sessions, d.Default, "a", "b")
		for _, name := range []string{"a", "b", "c"} {
			if got, err := sessions.Follow(t.Context(), d.Default, handle(name)); err != nil || got.Handle != handle("c") {
				t.Errorf("%s goes on as %x, %v", name, got.Handle, err)
			}
		}
		if err := renew("b", "d"); !errors.Is(err, session.ErrGone) {
			t.Errorf("renewed from a handle that has ended: %v", err)
		}
		gone(t, sessions, d.Default, "d")

		// Somebody else in the same browser ends it for good.
		another, previous := beginning(d.Default, "bob"), handle("c")
		ended := sessionEvent(d.Default, audit.TypeSessionEnded)
		another.Session.UserUID, another.Previous, another.Ended = "usr_bob", &previous, &ended
		must(t, sessions.Start(t.Context(), another))
		if _, err := sessions.Follow(t.Context(), d.Default, handle("a")); !errors.Is(err, session.ErrGone) {
			t.Errorf("went on as somebody else's: %v", err)
		}
		found(t, sessions, d.Default, "bob")
	})
}

// Of 20 that renew one session at once, one does.
func TestSessionRenewedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		must(t, sessions.Start(t.Context(), beginning(d.Default, "first")))
		first := found(t, sessions, d.Default, "first")
		var wg sync.WaitGroup
		results := make([]error, 20)
		for i := range results {
			wg.Go(func() {
				b := beginning(d.Default, string(rune('A'+i)))
				b.Session.ID, b.Previous = first.ID, &first.Handle
				results[i] = sessions.Start(t.Context(), b)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, session.ErrGone) {
				t.Errorf("lost with %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

// What is used up with a session is used up once, and a session that loses it is not there.
func TestSessionRedeems(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		once := ledger.Redemption{Tenant: d.Default, Space: "saml", Key: handle("assertion"), ExpiresAt: time.Now().Add(time.Minute), Code: "saml_replayed"}
		var conflict *ledger.Conflict
		for i, name := range []string{"first", "second"} {
			b := beginning(d.Default, name)
			b.Redemptions = []ledger.Redemption{once}
			err := sessions.Start(t.Context(), b)
			if i == 0 {
				must(t, err)
			} else if !errors.As(err, &conflict) || conflict.Lost.Code != "saml_replayed" {
				t.Errorf("the second: %v", err)
			}
		}
		gone(t, sessions, d.Default, "second")
		old := beginning(d.Default, "old")
		once.Key, once.ExpiresAt = handle("old"), time.Now().Add(-ledger.Margin)
		old.Redemptions = []ledger.Redemption{once}
		if err := sessions.Start(t.Context(), old); !errors.As(err, &conflict) {
			t.Errorf("what may have been swept was redeemed: %v", err)
		}
	})
}

func TestSessionsNamedByIdP(t *testing.T) {
	for _, c := range []struct {
		name  string
		named session.Named
		ended []string
		known bool
	}{
		{"by session", session.Named{IdPUID: "idp_1", SessionIDs: []string{"sid-a1"}}, []string{"a1"}, true},
		{"by subject", session.Named{IdPUID: "idp_1", Subject: "alice"}, []string{"a1", "a2"}, true},
		{"by both", session.Named{IdPUID: "idp_1", Subject: "alice", SessionIDs: []string{"sid-a2", "sid-b"}}, []string{"a2"}, true},
		{"of a tenant there", session.Named{IdPUID: "idp_1", Subject: "alice", Tenant: "elsewhere"}, nil, false},
		{"another IdP's", session.Named{IdPUID: "idp_2", Subject: "alice"}, []string{"other"}, true},
		{"nobody's", session.Named{IdPUID: "idp_1", Subject: "eve"}, nil, false},
		{"of a session that is not there", session.Named{IdPUID: "idp_1", Subject: "alice", SessionIDs: []string{"sid-x"}}, nil, true},
		{"of a session of nobody", session.Named{IdPUID: "idp_1", SessionIDs: []string{"sid-x"}}, nil, false},
		{"by both, where one named none", session.Named{IdPUID: "idp_1", Subject: "carol", SessionIDs: []string{"sid-x"}}, []string{"unnamed"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				sessions := d.Store.Sessions(d.Ledger(t, d.Store))
				names := []string{"a1", "a2", "b", "other", "silent", "unnamed"}
				for _, name := range names {
					b := beginning(d.Default, name)
					switch name {
					case "b":
						b.Session.Upstream.Subject = "bob"
					case "other":
						b.Session.IdPUID = "idp_2"
					case "silent":
						b.Session.Upstream = session.Upstream{}
					case "unnamed":
						b.Session.Upstream = session.Upstream{Subject: "carol"}
					}
					must(t, sessions.Start(t.Context(), b))
				}
				e := ending(d.Default)
				e.Upstream, e.Always = &c.named, true
				for range 2 { // who was signed in is known afterwards too
					known, err := sessions.End(t.Context(), e)
					if must(t, err); known != c.known {
						t.Errorf("known %v", known)
					}
				}
				for _, name := range names {
					_, err := sessions.Find(t.Context(), d.Default, handle(name))
					if ended := slices.Contains(c.ended, name); errors.Is(err, session.ErrGone) != ended {
						t.Errorf("%s: ended %v, got %v", name, ended, err)
					}
				}
			})
		})
	}
}

// An ending that says nothing means nobody, never everybody.
func TestSessionEndingThatMeansNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		must(t, sessions.Start(t.Context(), beginning(d.Default, "first")))
		for name, change := range map[string]func(*session.Ending){
			"nothing":         func(*session.Ending) {},
			"an id alone":     func(e *session.Ending) { e.ID = "ses_1" },
			"a user alone":    func(e *session.Ending) { e.UserUID = "usr_alice" },
			"an IdP alone":    func(e *session.Ending) { e.Upstream = &session.Named{IdPUID: "idp_1"} },
			"no IdP":          func(e *session.Ending) { e.Upstream = &session.Named{Subject: "alice"} },
			"an empty sid":    func(e *session.Ending) { e.Upstream = &session.Named{IdPUID: "idp_1", SessionIDs: []string{""}} },
			"without reason":  func(e *session.Ending) { e.ID, e.UserUID, e.Reason = "ses_1", "usr_alice", "" },
			"another's by id": func(e *session.Ending) { e.ID, e.UserUID = "ses_1", "usr_bob" },
		} {
			e := ending(d.Default)
			change(&e)
			if err := erring(sessions.End(t.Context(), e)); err == nil {
				t.Errorf("%s ended something", name)
			}
		}
		found(t, sessions, d.Default, "first")
	})
}

// A mark ends what is below it, in its own transaction; and nothing that was decided before it begins after it.
func TestMarkEndsSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		for _, kind := range []lifecycle.Kind{lifecycle.User, lifecycle.IdP} {
			writer := d.Ledger(t, d.Store)
			sessions, tokens := d.Store.Sessions(writer), d.Store.Tokens(writer)
			uid := d.Tenant(t, "t-"+string(kind))
			must(t, sessions.Start(t.Context(), beginning(uid, "before")))
			holder := lifecycle.Holder{Kind: kind, UID: "usr_alice"}
			if kind == lifecycle.IdP {
				holder.UID = "idp_1"
			}
			version, err := tokens.Mark(t.Context(), uid, lifecycle.Mark{Holder: holder, Until: time.Now().Add(time.Hour), Event: sessionEvent(uid, audit.TypeTokensRevoked)})
			must(t, err)
			gone(t, sessions, uid, "before")
			if err := sessions.Start(t.Context(), beginning(uid, "late")); !errors.Is(err, session.ErrMarked) {
				t.Errorf("%s: began below a mark: %v", kind, err)
			}
			after := beginning(uid, "after")
			after.Session.Version = version
			must(t, sessions.Start(t.Context(), after))
			// The mark is swept one day; what it ended does not come back.
			if _, err := d.Owner.ExecContext(t.Context(), "update revocations set expires_at = 1 where uid = '"+holder.UID+"'"); err == nil {
				_, err = d.Store.Sweep(t.Context(), store.Retention{})
				must(t, err)
			}
			gone(t, sessions, uid, "before")
		}
	})
}

func TestProfiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		now := time.Now().UTC().Truncate(time.Microsecond)
		p := session.Profile{
			Tenant: d.Default, UserUID: "usr_alice", IdPUID: "idp_1", Name: "Alice", Email: "alice@acme.com", EmailVerified: true,
			Groups: []string{"a", "b"}, GroupsState: "complete", Guest: true, Subject: "sub", SeenAt: now,
		}
		for i, name := range []string{"one", "two"} {
			if i == 1 { // replaced whole: what is not said any more is gone
				p.Groups, p.GroupsState, p.Guest, p.EmailVerified = nil, "absent", false, false
			}
			b := beginning(d.Default, name)
			b.Profile = &p
			must(t, sessions.Start(t.Context(), b))
			got, ok, err := sessions.Profile(t.Context(), d.Default, "usr_alice", "idp_1")
			if err != nil || !ok || !reflect.DeepEqual(got, p) {
				t.Errorf("got %+v %v %v\nwant %+v", got, ok, err, p)
			}
		}
		if _, ok, err := sessions.Profile(t.Context(), d.Default, "usr_alice", "idp_2"); ok || err != nil {
			t.Errorf("of another IdP: %v %v", ok, err)
		}
		if _, ok, err := sessions.Profile(t.Context(), d.Tenant(t, "other"), "usr_alice", "idp_1"); ok || err != nil {
			t.Errorf("of another tenant: %v %v", ok, err)
		}
	})
}

func departure(t tenant.UID) signin.Kept {
	return signin.Kept{
		Tenant: t, ID: handle("state"), Kind: signin.KindOpenID, IdPUID: "idp_1", Browser: handle("browser"), Sealed: []byte("sealed"),
		ExpiresAt: time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond),
	}
}

// A departure is taken once, by its own tenant, kind and browser; who takes it wrongly takes nothing away.
func TestDepartures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		departures, kept := d.Store.Departures(), departure(d.Default)
		must(t, departures.Keep(t.Context(), kept))
		other := d.Tenant(t, "other")
		for name, take := range map[string]func() (signin.Kept, error){
			"another tenant": func() (signin.Kept, error) {
				return departures.Take(t.Context(), other, kept.Kind, kept.ID, kept.Browser)
			},
			"another kind": func() (signin.Kept, error) {
				return departures.Take(t.Context(), d.Default, signin.KindSAML, kept.ID, kept.Browser)
			},
			"another state": func() (signin.Kept, error) {
				return departures.Take(t.Context(), d.Default, kept.Kind, handle("x"), kept.Browser)
			},
			"another browser": func() (signin.Kept, error) {
				return departures.Take(t.Context(), d.Default, kept.Kind, kept.ID, handle("x"))
			},
		} {
			if got, err := take(); !errors.Is(err, signin.ErrGone) {
				t.Errorf("%s: %+v %v", name, got, err)
			}
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for range 20 {
			wg.Go(func() {
				got, err := departures.Take(t.Context(), d.Default, kept.Kind, kept.ID, kept.Browser)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && reflect.DeepEqual(got, kept):
					taken++
				case !errors.Is(err, signin.ErrGone):
					t.Errorf("got %+v %v", got, err)
				}
			})
		}
		wg.Wait()
		if taken != 1 {
			t.Errorf("taken %d times", taken)
		}
	})
}

// What has ended goes by the sweeper, of every tenant, and nothing else does.
func TestSweepSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions, departures := d.Store.Sessions(d.Ledger(t, d.Store)), d.Store.Departures()
		for _, uid := range []tenant.UID{d.Default, d.Tenant(t, "other")} {
			b := beginning(uid, "live")
			b.Profile = &session.Profile{Tenant: uid, UserUID: "usr_alice", IdPUID: "idp_1", GroupsState: "absent", SeenAt: time.Now()}
			must(t, sessions.Start(t.Context(), b))
			must(t, departures.Keep(t.Context(), departure(uid)))
			old := beginning(uid, "old")
			old.Session.ExpiresAt = time.Now().Add(-time.Hour)
			old.Profile = &session.Profile{Tenant: uid, UserUID: "usr_old", IdPUID: "idp_1", GroupsState: "absent", SeenAt: time.Now().Add(-401 * 24 * time.Hour)}
			must(t, sessions.Start(t.Context(), old))
			left := departure(uid)
			left.ID, left.ExpiresAt = handle("left"), time.Now().Add(-time.Minute)
			must(t, departures.Keep(t.Context(), left))
		}
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if err != nil || swept.Sessions != 2 || swept.Departures != 2 || swept.Profiles != 2 {
			t.Errorf("swept %+v %v", swept, err)
		}
		found(t, sessions, d.Default, "live")
	})
}

// A user who signs out everywhere has no session left, however many there were, and takes nobody else's with him.
func TestEndAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions := d.Store.Sessions(d.Ledger(t, d.Store))
		for _, name := range []string{"first", "second", "theirs"} {
			b := beginning(d.Default, name)
			if name == "theirs" {
				b.Session.UserUID = "usr_bob"
			}
			must(t, sessions.Start(t.Context(), b))
		}
		e := ending(d.Default)
		e.UserUID, e.All = "usr_alice", true
		must(t, erring(sessions.End(t.Context(), e)))
		gone(t, sessions, d.Default, "first", "second")
		found(t, sessions, d.Default, "theirs")
		if err := erring(sessions.End(t.Context(), e)); !errors.Is(err, session.ErrGone) {
			t.Errorf("again: %v", err)
		}
		e.UserUID = ""
		if err := erring(sessions.End(t.Context(), e)); err == nil {
			t.Error("all of nobody")
		}
	})
}

// With a user go his sessions, and what IdPs said of him; nobody else's.
func TestSessionsGoWithTheirUser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects, sessions := d.Objects(t), d.Store.Sessions(d.Ledger(t, d.Store))
		alice, bob := storetest.New(d.Default, object.KindUser, "alice", spec), storetest.New(d.Default, object.KindUser, "bob", spec)
		storetest.Apply(t, objects, alice)
		storetest.Apply(t, objects, bob)
		for _, one := range []object.Change{alice, bob} {
			b := beginning(d.Default, one.Name)
			b.Session.UserUID = one.UID
			b.Profile = &session.Profile{Tenant: d.Default, UserUID: one.UID, IdPUID: "idp_1", Name: one.Name, GroupsState: "absent", SeenAt: time.Now()}
			must(t, sessions.Start(t.Context(), b))
		}
		storetest.Apply(t, objects, storetest.Delete(alice.Stored))
		gone(t, sessions, d.Default, "alice")
		found(t, sessions, d.Default, "bob")
		for uid, want := range map[string]bool{alice.UID: false, bob.UID: true} {
			if _, there, err := sessions.Profile(t.Context(), d.Default, uid, "idp_1"); err != nil || there != want {
				t.Errorf("profile of %s: %v %v", uid, there, err)
			}
		}
	})
}

// A tenant that is suspended answers no IdP that signs people out: its sessions end with it, none begins meanwhile, whatever a
// replica still knows, and none is there when it comes back. Others go on.
func TestSuspensionEndsSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects, sessions := d.Objects(t), d.Store.Sessions(d.Ledger(t, d.Store))
		acme := storetest.New(d.Default, object.KindTenant, "acme", spec)
		uid, err := tenant.ParseUID(acme.UID)
		must(t, err)
		acme.Tenant = uid
		apply(t, objects, acme)
		must(t, sessions.Start(t.Context(), beginning(uid, "before")))
		must(t, sessions.Start(t.Context(), beginning(d.Default, "elsewhere")))
		put := func(revision int64, text string) {
			acme.Revision, acme.Spec = revision, []byte(text)
			apply(t, objects, acme)
		}
		put(2, `{"display_name": "Acme"}`)
		found(t, sessions, uid, "before")
		put(3, `{"status": "suspended"}`)
		gone(t, sessions, uid, "before")
		found(t, sessions, d.Default, "elsewhere")
		if err := sessions.Start(t.Context(), beginning(uid, "meanwhile")); !errors.Is(err, session.ErrMarked) {
			t.Errorf("began meanwhile: %v", err)
		}
		put(4, `{"status": "active"}`)
		gone(t, sessions, uid, "before", "meanwhile")
		must(t, sessions.Start(t.Context(), beginning(uid, "after")))
	})
}

// strangers leave, so many that no test waits for each.
func strangers(t *testing.T, d *storetest.Database, uid tenant.UID, many int, expires int64) {
	t.Helper()
	number, whose := "cast(i as blob)", ""
	if d.Role != "" {
		number, whose = "convert_to(i::text, 'UTF8')", "set chancery.tenant = '"+uid.String()+"';"
	}
	_, err := d.Owner.ExecContext(t.Context(), whose+"with recursive n(i) as (select 1 union all select i + 1 from n where i < "+strconv.Itoa(many)+") "+
		"insert into departures (tenant_uid, id, kind, idp_uid, browser, sealed, expires_at) "+
		"select '"+uid.String()+"', "+number+", 'oidc', 'idp_1', "+number+", "+number+", "+strconv.FormatInt(expires, 10)+" from n")
	must(t, err)
}

// However many strangers left, no statement of the sweeper takes them all: one that never ends in its time would remove none.
func TestSweepManyDepartures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		const many = 12_000
		strangers(t, d, d.Default, many, 1)
		if d.Role != "" {
			var gone int64
			must(t, d.Owner.QueryRowContext(t.Context(), "select departures_gone from chancery_sweep_sign_in(7)").Scan(&gone))
			if gone != 7 {
				t.Errorf("%d at once", gone)
			}
		}
		if swept, err := d.Store.Sweep(t.Context(), store.Retention{}); err != nil || swept.Departures < many-7 {
			t.Errorf("swept %+v %v", swept, err)
		}
	})
}

// Strangers fill no disk: a tenant keeps so many departures and no more. Who is known goes on, and so does every other tenant.
func TestTooManyDepartures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		departures, other := d.Store.Departures(), d.Tenant(t, "other")
		strangers(t, d, d.Default, store.MaxDepartures-1, time.Now().Add(time.Hour).UnixMicro())
		must(t, departures.Keep(t.Context(), departure(d.Default)))
		one := departure(d.Default)
		for kind, want := range map[signin.Kind]error{signin.KindOpenID: signin.ErrCrowded, signin.KindSAML: signin.ErrCrowded, signin.KindConfirm: nil, signin.KindSignOut: nil} {
			one.ID, one.Kind = handle(string(kind)), kind
			if err := departures.Keep(t.Context(), one); !errors.Is(err, want) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		must(t, departures.Keep(t.Context(), departure(other)))
	})
}

func TestSignInWithoutTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		sessions, departures := d.Store.Sessions(d.Ledger(t, d.Store)), d.Store.Departures()
		for name, err := range map[string]error{
			"find":    func() error { _, err := sessions.Find(t.Context(), tenant.UID{}, handle("x")); return err }(),
			"follow":  func() error { _, err := sessions.Follow(t.Context(), tenant.UID{}, handle("x")); return err }(),
			"list":    func() error { _, err := sessions.List(t.Context(), tenant.UID{}, "usr"); return err }(),
			"profile": func() error { _, _, err := sessions.Profile(t.Context(), tenant.UID{}, "u", "i"); return err }(),
			"touch":   sessions.Touch(t.Context(), tenant.UID{}, handle("x"), time.Now()),
			"start":   sessions.Start(t.Context(), session.Beginning{}),
			"end":     erring(sessions.End(t.Context(), session.Ending{})),
			"keep":    departures.Keep(t.Context(), signin.Kept{}),
			"take": func() error {
				_, err := departures.Take(t.Context(), tenant.UID{}, signin.KindOpenID, handle("x"), handle("y"))
				return err
			}(),
		} {
			if !errors.Is(err, tenant.ErrNoTenant) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// keepSignIn makes a session, a profile and a departure of a tenant.
func keepSignIn(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	b := beginning(uid, "walled")
	b.Profile = &session.Profile{Tenant: uid, UserUID: "usr_alice", IdPUID: "idp_1", GroupsState: "absent", SeenAt: time.Now()}
	must(t, d.Store.Sessions(d.Ledger(t, d.Store)).Start(t.Context(), b))
	must(t, d.Store.Departures().Keep(t.Context(), departure(uid)))
}
