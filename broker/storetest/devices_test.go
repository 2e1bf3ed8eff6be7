package storetest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	codes "github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func digest() (d [sha256.Size]byte) {
	_, _ = rand.Read(d[:])
	return d
}

func waitingDevice(now time.Time) device.Authorization {
	return device.Authorization{
		Handle: digest(), UserCode: digest(), ClientUID: "cli_1", ClientID: "tv", Parameters: "client_id=tv&scope=notes%3Aread", Thumbprint: "jkt",
		State: device.Waiting, Wait: device.Interval, CreatedAt: now, ExpiresAt: now.Add(device.Lifetime),
	}
}

func letDevice(now time.Time) device.Answer {
	return device.Answer{At: now, UserUID: "usr_1", IdPUID: "idp_1", Version: 1, Granted: &codes.Grant{
		ClientUID: "cli_1", UserUID: "usr_1", IdPUID: "idp_1", Session: digest(), Identity: []string{"openid"}, Offline: true, ACR: "phr",
		AuthTime: now.Add(-time.Minute), Resources: []codes.Resource{{UID: "res_1", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read"}}},
	}}
}

func deviceEvent(uid tenant.UID, kind audit.Type) audit.Event {
	return audit.Event{ID: id.New(id.Event, time.Now()), At: time.Now(), Tenant: uid, Type: kind, Outcome: audit.Allowed, Principal: audit.Principal{Kind: "user", ID: "usr_1"}}
}

// TestDevice is the life of one request: it waits, is found by its person, approved once, and found by its device.
func TestDevice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		devices := d.Store.Devices(d.Ledger(t, d.Store))
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		a := waitingDevice(now)
		must(devices.Begin(t.Context(), d.Default, a, 10))

		// By its code, under whichever key, while it waits.
		found, err := devices.ByCode(t.Context(), d.Default, [][sha256.Size]byte{digest(), a.UserCode}, now)
		must(err)
		if !reflect.DeepEqual(found, a) {
			t.Fatalf("found %+v, want %+v", found, a)
		}
		for name, err := range map[string]error{
			"another code": second(devices.ByCode(t.Context(), d.Default, [][sha256.Size]byte{digest()}, now)),
			"no code":      second(devices.ByCode(t.Context(), d.Default, nil, now)),
			"too late":     second(devices.ByCode(t.Context(), d.Default, [][sha256.Size]byte{a.UserCode}, a.ExpiresAt)),
			"no device":    second(devices.Ask(t.Context(), d.Default, digest(), now, nil)),
		} {
			if !errors.Is(err, device.ErrUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// One code is one request's.
		other := waitingDevice(now)
		other.UserCode = a.UserCode
		if err := devices.Begin(t.Context(), d.Default, other, 10); !errors.Is(err, device.ErrTaken) {
			t.Errorf("a taken code: %v", err)
		}

		answer := letDevice(now)
		must(devices.Answer(t.Context(), d.Default, a.Handle, device.Approved, answer, deviceEvent(d.Default, audit.TypeDeviceApproved)))
		denial := device.Answer{At: now, UserUID: "usr_2", IdPUID: "idp_1", Version: 1}
		if err := devices.Answer(t.Context(), d.Default, a.Handle, device.Denied, denial, deviceEvent(d.Default, audit.TypeDeviceDenied)); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("answered twice: %v", err)
		}
		if _, err := devices.ByCode(t.Context(), d.Default, [][sha256.Size]byte{a.UserCode}, now); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("found after it was answered: %v", err)
		}
		asked, err := devices.Ask(t.Context(), d.Default, a.Handle, now, nil)
		must(err)
		a.State, a.Answer = device.Approved, answer
		if !reflect.DeepEqual(asked, device.Asked{Authorization: a}) {
			t.Errorf("asked %+v\nwant %+v", asked, a)
		}
	})
}

// TestDevicePace: whoever asks too often has to wait longer, for good; only what waits has a pace.
func TestDevicePace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		devices, pace := d.Store.Devices(d.Ledger(t, d.Store)), &device.Pace{Jitter: 500 * time.Millisecond, Slower: 5 * time.Second}
		now := time.Now().UTC().Truncate(time.Microsecond)
		a := waitingDevice(now)
		if err := devices.Begin(t.Context(), d.Default, a, 10); err != nil {
			t.Fatal(err)
		}
		for i, step := range []struct {
			after time.Duration
			p     *device.Pace
			early bool
			wait  time.Duration
		}{
			{0, pace, false, 5 * time.Second},
			{time.Second, nil, false, 5 * time.Second}, // no question of the device's
			{5 * time.Second, pace, false, 5 * time.Second},
			{9600 * time.Millisecond, pace, false, 5 * time.Second}, // the network's doing
			{14 * time.Second, pace, true, 10 * time.Second},
			{20 * time.Second, pace, true, 15 * time.Second},
			{35 * time.Second, pace, false, 15 * time.Second},
			{45 * time.Second, pace, true, 20 * time.Second},
		} {
			asked, err := devices.Ask(t.Context(), d.Default, a.Handle, now.Add(step.after), step.p)
			if err != nil || asked.Early != step.early || asked.Wait != step.wait {
				t.Errorf("step %d: early %v, wait %s, %v", i, asked.Early, asked.Wait, err)
			}
		}
	})
}

// TestDeviceAnsweredOnce: of many answers at once one counts.
func TestDeviceAnsweredOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		devices := d.Store.Devices(d.Ledger(t, d.Store))
		now := time.Now().UTC().Truncate(time.Microsecond)
		a := waitingDevice(now)
		if err := devices.Begin(t.Context(), d.Default, a, 10); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 20 {
			group.Go(func() {
				to, answer := device.Approved, letDevice(now)
				if i%2 == 0 {
					to, answer.Granted = device.Denied, nil
				}
				err := devices.Answer(t.Context(), d.Default, a.Handle, to, answer, deviceEvent(d.Default, audit.TypeDeviceApproved))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, device.ErrUnknown) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won != 1 {
			t.Errorf("%d answers counted", won)
		}
	})
}

// TestDeviceTakenBack: what was approved before a mark is over, and what is approved after it is not.
func TestDeviceTakenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		l := d.Ledger(t, d.Store)
		devices, tokens := d.Store.Devices(l), d.Store.Tokens(l)
		now := time.Now().UTC().Truncate(time.Microsecond)
		a := waitingDevice(now)
		if err := devices.Begin(t.Context(), d.Default, a, 10); err != nil {
			t.Fatal(err)
		}
		if err := devices.Answer(t.Context(), d.Default, a.Handle, device.Approved, letDevice(now), deviceEvent(d.Default, audit.TypeDeviceApproved)); err != nil {
			t.Fatal(err)
		}
		for _, holder := range []lifecycle.Holder{{Kind: lifecycle.User, UID: "usr_9"}, {Kind: lifecycle.User, UID: "usr_1"}} {
			version, err := tokens.Mark(t.Context(), d.Default, lifecycle.Mark{Holder: holder, Until: now.Add(time.Hour), Event: deviceEvent(d.Default, audit.TypeTokensRevoked)})
			if err != nil {
				t.Fatal(err)
			}
			asked, err := devices.Ask(t.Context(), d.Default, a.Handle, now, nil)
			if err != nil || asked.Revoked != (holder.UID == "usr_1") {
				t.Errorf("after %v was marked at version %d: %v %v", holder, version, asked.Revoked, err)
			}
		}
	})
}

// TestDeviceBounds: how many wait, whose they are, and when they go.
func TestDeviceBounds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		devices := d.Store.Devices(d.Ledger(t, d.Store))
		now := time.Now().UTC().Truncate(time.Microsecond)
		old := waitingDevice(now.Add(-2 * time.Hour)) // does not count
		first, second, third := waitingDevice(now), waitingDevice(now), waitingDevice(now)
		another := waitingDevice(now)
		another.ClientUID = "cli_2"
		for _, a := range []device.Authorization{old, first, second, another} {
			if err := devices.Begin(t.Context(), d.Default, a, 2); err != nil {
				t.Fatal(err)
			}
		}
		if err := devices.Begin(t.Context(), d.Default, third, 2); !errors.Is(err, device.ErrFull) {
			t.Errorf("a third: %v", err)
		}
		stranger := tenant.MustParseUID(id.New(id.Tenant, time.Now()))
		if _, err := devices.Ask(t.Context(), stranger, first.Handle, now, nil); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("another tenant's: %v", err)
		}
		if _, err := devices.ByCode(t.Context(), stranger, [][sha256.Size]byte{first.UserCode}, now); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("another tenant's code: %v", err)
		}
		swept, err := d.Store.Sweep(t.Context(), store.Retention{})
		if err != nil || swept.Devices != 1 {
			t.Errorf("swept %+v %v", swept, err)
		}
		if _, err := devices.Ask(t.Context(), d.Default, old.Handle, now, nil); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("the old one: %v", err)
		}
		for name, f := range map[string]func() error{
			"begin": func() error { return devices.Begin(t.Context(), tenant.UID{}, first, 1) },
			"code":  func() error { _, err := devices.ByCode(t.Context(), tenant.UID{}, nil, now); return err },
			"ask":   func() error { _, err := devices.Ask(t.Context(), tenant.UID{}, first.Handle, now, nil); return err },
			"answer": func() error {
				return devices.Answer(t.Context(), tenant.UID{}, first.Handle, device.Denied, device.Answer{}, audit.Event{})
			},
		} {
			if err := f(); !errors.Is(err, tenant.ErrNoTenant) {
				t.Errorf("%s without a tenant: %v", name, err)
			}
		}
	})
}

// TestDeviceIncomplete: what would leave a check empty is not kept.
func TestDeviceIncomplete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		devices := d.Store.Devices(d.Ledger(t, d.Store))
		now := time.Now().UTC()
		for name, change := range map[string]func(*device.Authorization){
			"no device code": func(a *device.Authorization) { a.Handle = device.Handle{} },
			"no user code":   func(a *device.Authorization) { a.UserCode = [32]byte{} },
			"no client":      func(a *device.Authorization) { a.ClientUID = "" },
			"no end":         func(a *device.Authorization) { a.ExpiresAt = time.Time{} },
		} {
			a := waitingDevice(now)
			change(&a)
			if err := devices.Begin(t.Context(), d.Default, a, 10); err == nil {
				t.Errorf("%s: kept", name)
			}
		}
		a := waitingDevice(now)
		if err := devices.Begin(t.Context(), d.Default, a, 10); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*device.Answer) device.State{
			"approved, nothing let": func(x *device.Answer) device.State { x.Granted = nil; return device.Approved },
			"denied, something let": func(*device.Answer) device.State { return device.Denied },
			"waits again":           func(x *device.Answer) device.State { x.Granted = nil; return device.Waiting },
			"nobody":                func(x *device.Answer) device.State { x.UserUID = ""; return device.Approved },
			"no version":            func(x *device.Answer) device.State { x.Version = 0; return device.Approved },
			"no time":               func(x *device.Answer) device.State { x.At = time.Time{}; return device.Approved },
		} {
			answer := letDevice(now)
			to := change(&answer)
			if err := devices.Answer(t.Context(), d.Default, a.Handle, to, answer, deviceEvent(d.Default, audit.TypeDeviceApproved)); err == nil {
				t.Errorf("%s: kept", name)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
