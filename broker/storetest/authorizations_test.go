package storetest_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func pendingOf(name string) authorize.Pending {
	now := time.Now().Truncate(time.Microsecond).UTC()
	return authorize.Pending{
		Handle: sha256.Sum256([]byte(name)), Browser: sha256.Sum256([]byte("browser")), Parameters: "client_id=claude", CreatedAt: now, ExpiresAt: now.Add(time.Minute), ProvedBy: "cli_1",
	}
}

func mustBe(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A request waits, moves by compare-and-swap, and is answered once; another tenant has nothing of it.
func TestPendingRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		requests := d.Store.PendingRequests()
		other := d.Tenant(t, "other")
		p := pendingOf("one")
		mustBe(t, requests.Keep(t.Context(), d.Default, p))
		found, err := requests.Find(t.Context(), d.Default, p.Handle, p.CreatedAt)
		if err != nil || !reflect.DeepEqual(found, p) {
			t.Fatalf("%+v %v, want %+v", found, err, p)
		}
		to := authorize.Progress{Departures: 1, DepartedAt: p.CreatedAt, Returned: "ses_1", Preferred: true, AskedIdP: true, AskedHere: true}
		mustBe(t, requests.Move(t.Context(), d.Default, p.Handle, 0, to))
		if err := requests.Move(t.Context(), d.Default, p.Handle, 0, authorize.Progress{}); !errors.Is(err, authorize.ErrNotWaiting) {
			t.Errorf("from an older turn: %v", err)
		}
		if found, err := requests.Find(t.Context(), d.Default, p.Handle, p.CreatedAt); err != nil || found.Turn != 1 || !reflect.DeepEqual(found.Progress, to) {
			t.Errorf("%+v %v", found, err)
		}

		// Nobody else's, and not after its end.
		for name, err := range map[string]error{
			"find there":    erring(requests.Find(t.Context(), other, p.Handle, p.CreatedAt)),
			"move there":    requests.Move(t.Context(), other, p.Handle, 1, to),
			"take there":    requests.Take(t.Context(), other, p.Handle, p.CreatedAt),
			"find too late": erring(requests.Find(t.Context(), d.Default, p.Handle, p.ExpiresAt)),
			"take too late": requests.Take(t.Context(), d.Default, p.Handle, p.ExpiresAt),
			"find unknown":  erring(requests.Find(t.Context(), d.Default, sha256.Sum256([]byte("two")), p.CreatedAt)),
		} {
			if !errors.Is(err, authorize.ErrNotWaiting) {
				t.Errorf("%s: %v", name, err)
			}
		}

		// Of fifty who take it, one does.
		var wg sync.WaitGroup
		var mu sync.Mutex
		took := 0
		for range 50 {
			wg.Go(func() {
				if err := requests.Take(t.Context(), d.Default, p.Handle, p.CreatedAt); err == nil {
					mu.Lock()
					took++
					mu.Unlock()
				} else if !errors.Is(err, authorize.ErrNotWaiting) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took != 1 {
			t.Errorf("taken %d times", took)
		}
	})
}

func erring[T any](_ T, err error) error { return err }

func TestPendingRequestsAreWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		for name, change := range map[string]func(*authorize.Pending){
			"no parameters": func(p *authorize.Pending) { p.Parameters = "" },
			"no browser":    func(p *authorize.Pending) { p.Browser = [32]byte{} },
			"no handle":     func(p *authorize.Pending) { p.Handle = [32]byte{} },
			"no end":        func(p *authorize.Pending) { p.ExpiresAt = p.CreatedAt },
		} {
			p := pendingOf("one")
			change(&p)
			if err := d.Store.PendingRequests().Keep(t.Context(), d.Default, p); err == nil {
				t.Errorf("%s: kept", name)
			}
		}
		if err := d.Store.PendingRequests().Keep(t.Context(), tenant.UID{}, pendingOf("one")); err == nil {
			t.Error("of no tenant: kept")
		}
	})
}

// A pushed request is taken once, by its client, in its time.
func TestPushedRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		pushes := d.Store.PushedRequests()
		other := d.Tenant(t, "other")
		now := time.Now().Truncate(time.Microsecond).UTC()
		h := authorization.Handle(sha256.Sum256([]byte("one")))
		p := authorization.PushedRequest{ClientUID: "cli_1", Parameters: "client_id=claude", ExpiresAt: now.Add(time.Minute), ProvedBy: "cli_1"}
		mustBe(t, pushes.Push(t.Context(), d.Default, h, p))
		for name, err := range map[string]error{
			"another client": erring(pushes.Take(t.Context(), d.Default, h, "cli_2", now)),
			"another tenant": erring(pushes.Take(t.Context(), other, h, "cli_1", now)),
			"too late":       erring(pushes.Take(t.Context(), d.Default, h, "cli_1", p.ExpiresAt)),
		} {
			if !errors.Is(err, authorization.ErrNotPushed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if taken, err := pushes.Take(t.Context(), d.Default, h, "cli_1", now); err != nil || taken != p {
			t.Errorf("%+v %v", taken, err)
		}
		if _, err := pushes.Take(t.Context(), d.Default, h, "cli_1", now); !errors.Is(err, authorization.ErrNotPushed) {
			t.Errorf("twice: %v", err)
		}
		if err := pushes.Push(t.Context(), d.Default, h, authorization.PushedRequest{ClientUID: "cli_1", ExpiresAt: now}); err == nil {
			t.Error("kept for nothing")
		}
	})
}

// What has ended is swept, of every tenant; what waits stays.
func TestRequestsAreSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		other := d.Tenant(t, "other")
		old, fresh := pendingOf("old"), pendingOf("fresh")
		old.CreatedAt, old.ExpiresAt = old.CreatedAt.Add(-time.Hour), old.CreatedAt.Add(-time.Minute)
		mustBe(t, d.Store.PendingRequests().Keep(t.Context(), d.Default, old))
		mustBe(t, d.Store.PendingRequests().Keep(t.Context(), other, old))
		mustBe(t, d.Store.PendingRequests().Keep(t.Context(), other, fresh))
		mustBe(t, d.Store.PushedRequests().Push(t.Context(), other, authorization.Handle{1}, authorization.PushedRequest{ClientUID: "c", Parameters: "p", ExpiresAt: old.ExpiresAt}))
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if err != nil || swept.Requests != 3 {
			t.Errorf("swept %+v %v", swept, err)
		}
		if _, err := d.Store.PendingRequests().Find(t.Context(), other, fresh.Handle, fresh.CreatedAt); err != nil {
			t.Error(err)
		}
	})
}

func consentOf(t tenant.UID, user, client, resource string) consent.Consent {
	return consent.Consent{
		Tenant: t, UserUID: user, ClientUID: client, ClientID: "id-of-" + client, ResourceUID: resource, Scopes: []string{"notes:read", "notes:write"},
		Meaning: sha256.Sum256([]byte("meaning")), GivenAt: time.Now().Truncate(time.Microsecond).UTC(),
	}
}

func consentEvent(t tenant.UID, kind audit.Type) audit.Event {
	e := storetest.Event(t)
	e.Type = kind
	return e
}

// Consents are given with their event, replaced, used, withdrawn; each person, client, resource and tenant apart.
func TestConsents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		consents := d.Store.Consents(d.Ledger(t, d.Store))
		other := d.Tenant(t, "other")
		one, account := consentOf(d.Default, "usr_1", "cli_1", "res_1"), consentOf(d.Default, "usr_1", "cli_1", "")
		mustBe(t, consents.Give(t.Context(), []consent.Consent{one, account}, consentEvent(d.Default, audit.TypeConsentGiven)))
		mustBe(t, consents.Give(t.Context(), []consent.Consent{consentOf(d.Default, "usr_1", "cli_2", "res_1")}, consentEvent(d.Default, audit.TypeConsentGiven)))
		of := func(t tenant.UID, user, client string, ctx *testing.T) []consent.Consent {
			ctx.Helper()
			found, err := consents.Of(ctx.Context(), t, user, client)
			mustBe(ctx, err)
			return found
		}
		if found := of(d.Default, "usr_1", "cli_1", t); len(found) != 2 || !reflect.DeepEqual(found, []consent.Consent{account, one}) && !reflect.DeepEqual(found, []consent.Consent{one, account}) {
			t.Fatalf("%+v, want %+v", found, one)
		}
		if len(of(d.Default, "usr_1", "", t)) != 3 || len(of(d.Default, "usr_2", "", t)) != 0 || len(of(other, "usr_1", "", t)) != 0 {
			t.Error("another's")
		}

		// Given again, it is another one; used, it keeps what it says.
		again := one
		again.Scopes, again.Meaning = []string{"notes:read"}, sha256.Sum256([]byte("another"))
		mustBe(t, consents.Give(t.Context(), []consent.Consent{again}, consentEvent(d.Default, audit.TypeConsentGiven)))
		used := one
		used.UsedAt = one.GivenAt.Add(time.Minute)
		fresh := consentOf(d.Default, "usr_1", "cli_3", "res_1")
		fresh.UsedAt = fresh.GivenAt
		mustBe(t, consents.Use(t.Context(), []consent.Consent{used, fresh}))
		again.UsedAt = used.UsedAt
		for _, c := range of(d.Default, "usr_1", "cli_1", t) {
			if c.ResourceUID == "res_1" && !reflect.DeepEqual(c, again) {
				t.Errorf("%+v, want %+v", c, again)
			}
		}
		fresh.Meaning = [32]byte{} // nobody said yes to that
		if found := of(d.Default, "usr_1", "cli_3", t); len(found) != 1 || !reflect.DeepEqual(found[0], fresh) {
			t.Errorf("%+v, want %+v", found, fresh)
		}

		// Withdrawn, the tenant's version rises, and nothing is left to withdraw.
		before, err := d.Store.Version(t.Context(), d.Default)
		mustBe(t, err)
		for _, elsewhere := range []error{
			consents.Withdraw(t.Context(), d.Default, "usr_2", "cli_1", "res_1", consentEvent(d.Default, audit.TypeConsentWithdrawn)),
			consents.Withdraw(t.Context(), other, "usr_1", "cli_1", "res_1", consentEvent(other, audit.TypeConsentWithdrawn)),
		} {
			if !errors.Is(elsewhere, consent.ErrNone) {
				t.Errorf("another's: %v", elsewhere)
			}
		}
		mustBe(t, consents.Withdraw(t.Context(), d.Default, "usr_1", "cli_1", "res_1", consentEvent(d.Default, audit.TypeConsentWithdrawn)))
		if after, err := d.Store.Version(t.Context(), d.Default); err != nil || after <= before {
			t.Errorf("version %d after %d, %v", after, before, err)
		}
		if err := consents.Withdraw(t.Context(), d.Default, "usr_1", "cli_1", "res_1", consentEvent(d.Default, audit.TypeConsentWithdrawn)); !errors.Is(err, consent.ErrNone) {
			t.Errorf("twice: %v", err)
		}
		if found := of(d.Default, "usr_1", "cli_1", t); len(found) != 1 || found[0].ResourceUID != "" {
			t.Errorf("left %+v", found)
		}

		for name, change := range map[string]func(*consent.Consent){
			"nobody's":       func(c *consent.Consent) { c.UserUID = "" },
			"to nobody":      func(c *consent.Consent) { c.ClientUID = "" },
			"to nothing":     func(c *consent.Consent) { c.Scopes = nil },
			"two in one":     func(c *consent.Consent) { c.Scopes = []string{"a b"} },
			"another tenant": func(c *consent.Consent) { c.Tenant = other },
		} {
			c := one
			change(&c)
			if err := consents.Give(t.Context(), []consent.Consent{c}, consentEvent(d.Default, audit.TypeConsentGiven)); err == nil {
				t.Errorf("%s: given", name)
			}
		}
	})
}

// Strangers fill no disk: a tenant keeps so many of their requests and no more. Whoever proved himself goes on, within a bound
// of his own; and so does every other tenant.
func TestTooManyRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		requests, pushes, other := d.Store.PendingRequests(), d.Store.PushedRequests(), d.Tenant(t, "other")
		number, named := "cast(n as blob)", ""
		if d.Role != "" {
			number, named = "convert_to(n::text, 'UTF8')", "set chancery.tenant = '"+d.Default.String()+"';"
		}
		ends := strconv.FormatInt(time.Now().Add(time.Hour).UnixMicro(), 10)
		for _, by := range []string{"", "cli_1"} {
			for _, into := range []string{
				"pending_requests (tenant_uid, handle, browser, parameters, progress, turn, created_at, expires_at, proved_by) select '%[1]s', %[2]s, %[2]s, 'x', '{}', 0, 1, %[3]s, '%[4]s'",
				"pushed_requests (tenant_uid, handle, client_uid, parameters, expires_at, proved_by) select '%[1]s', %[2]s, 'cli_1', 'x', %[3]s, '%[4]s'",
			} {
				first := 1 + store.MaxRequests*len(by)
				_, err := d.Owner.ExecContext(t.Context(), fmt.Sprintf(named+"with recursive c (n) as (select %d union all select n + 1 from c where n < %d) insert into ", first, first+store.MaxRequests-2)+
					fmt.Sprintf(into+" from c", d.Default, number, ends, by))
				mustBe(t, err)
			}
		}
		push := func(uid tenant.UID, name, client, by string) error {
			return pushes.Push(t.Context(), uid, sha256.Sum256([]byte(name)), authorization.PushedRequest{ClientUID: client, Parameters: "p", ExpiresAt: time.Now().Add(time.Minute), ProvedBy: by})
		}
		keep := func(uid tenant.UID, name, by string) error {
			p := pendingOf(name)
			p.ProvedBy = by
			return requests.Keep(t.Context(), uid, p)
		}
		for _, by := range []string{"", "cli_1"} {
			mustBe(t, errors.Join(keep(d.Default, "last"+by, by), push(d.Default, "last"+by, "cli_1", by)))
			if err := keep(d.Default, "more"+by, by); !errors.Is(err, authorize.ErrCrowded) {
				t.Errorf("one more waits of %q: %v", by, err)
			}
			if err := push(d.Default, "more"+by, "cli_1", by); !errors.Is(err, authorization.ErrCrowded) {
				t.Errorf("one more is pushed of %q: %v", by, err)
			}
		}
		mustBe(t, errors.Join(keep(d.Default, "two", "cli_2"), push(d.Default, "two", "cli_2", "cli_2"), keep(other, "one", ""), push(other, "one", "cli_1", "")))
	})
}

// keepRequests puts a row of each kind into a tenant.
func keepRequests(t *testing.T, d *storetest.Database, uid tenant.UID) {
	t.Helper()
	mustBe(t, d.Store.PendingRequests().Keep(t.Context(), uid, pendingOf("wall")))
	mustBe(t, d.Store.PushedRequests().Push(t.Context(), uid, authorization.Handle{1}, authorization.PushedRequest{ClientUID: "c", Parameters: "p", ExpiresAt: time.Now().Add(time.Minute)}))
	mustBe(t, d.Store.Consents(d.Ledger(t, d.Store)).Give(t.Context(), []consent.Consent{consentOf(uid, "usr_1", "cli_1", "res_1")}, consentEvent(uid, audit.TypeConsentGiven)))
}

// TestWithdrawnInFlight: what a client was given by a person before he took his word back is over, whatever form it has: a
// code that is on its way, a device's approval, a token without a family. What others have is not, nor what comes after.
func TestWithdrawnInFlight(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		shelf := newShelf(t, d)
		consents, families, devices := d.Store.Consents(shelf.ledger), d.Store.Families(shelf.ledger), d.Store.Devices(shelf.ledger)
		var given []consent.Consent
		for _, client := range []string{"cli_1", "cli_2"} {
			given = append(given, consentOf(d.Default, "usr_1", client, "res_1"))
		}
		mustBe(t, consents.Give(t.Context(), given, consentEvent(d.Default, audit.TypeConsentGiven)))
		issue := func(origin, client, subject string) ledger.IssuedToken {
			return shelf.issue(d.Default, func(i *ledger.IssuedToken) { i.Origin, i.ClientUID, i.Subject = origin, client, subject })
		}
		ended := issue("a", "cli_1", "usr_1")
		others := []ledger.IssuedToken{issue("b", "cli_2", "usr_1"), issue("c", "cli_1", "usr_2"), issue("", "cli_1", "usr_1")} // the last by an assertion
		now := time.Now().UTC().Truncate(time.Microsecond)
		waits := waitingDevice(now)
		mustBe(t, devices.Begin(t.Context(), d.Default, waits, 10))
		answer := letDevice(now)
		version, err := d.Store.Version(t.Context(), d.Default)
		mustBe(t, err)
		answer.Version = version
		mustBe(t, devices.Answer(t.Context(), d.Default, waits.Handle, device.Approved, answer, deviceEvent(d.Default, audit.TypeDeviceApproved)))
		taken := func(user, client string, version int64) bool {
			t.Helper()
			is, err := families.TakenBack(t.Context(), d.Default, refresh.Given{UserUID: user, ClientUID: client, IdPUID: "idp_1", Version: version})
			mustBe(t, err)
			return is
		}
		if asked, err := devices.Ask(t.Context(), d.Default, waits.Handle, now, nil); err != nil || asked.Revoked || taken("usr_1", "cli_1", version) {
			t.Fatalf("before anybody took anything back: %+v %v", asked, err)
		}

		mustBe(t, consents.Withdraw(t.Context(), d.Default, "usr_1", "cli_1", "res_1", consentEvent(d.Default, audit.TypeConsentWithdrawn)))
		if !taken("usr_1", "cli_1", version) {
			t.Error("a code of before counts")
		}
		if taken("usr_1", "cli_1", version+1) || taken("usr_1", "cli_2", version) || taken("usr_2", "cli_1", version) {
			t.Error("another's, or a later one, does not count")
		}
		if asked, err := devices.Ask(t.Context(), d.Default, waits.Handle, now, nil); err != nil || !asked.Revoked {
			t.Errorf("a device's approval of before: %+v %v", asked, err)
		}
		if known := shelf.standing(d.Default, ended).Known[0]; known == nil || !known.Revoked {
			t.Errorf("a token of before: %+v", known)
		}
		for i, known := range shelf.standing(d.Default, others...).Known {
			if known == nil || known.Revoked {
				t.Errorf("another's token, %d: %+v", i, known)
			}
		}

		// A mark of an administrator's is one too.
		marked, _ := shelf.mark(d.Default, lifecycle.Client, "cli_2")
		if !taken("usr_1", "cli_2", marked-1) || taken("usr_1", "cli_2", marked) {
			t.Error("after a mark")
		}
		if _, err := families.TakenBack(t.Context(), d.Default, refresh.Given{UserUID: "usr_1", ClientUID: "cli_1", IdPUID: "idp_1"}); err == nil {
			t.Error("of no version")
		}
	})
}
