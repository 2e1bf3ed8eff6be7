package device_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// TestApprove is the way of one request, and what rests of it.
func TestApprove(t *testing.T) {
	h := newHouse(t)
	begun := h.begin(t)
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(begun.UserCode) || begun.ExpiresIn != 10*time.Minute || begun.Interval != 5*time.Second {
		t.Errorf("begun with %s, %s, %s", begun.UserCode, begun.ExpiresIn, begun.Interval)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(begun.DeviceCode); err != nil || len(raw) != 32 {
		t.Errorf("a device code of %d bytes", len(raw))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} { // neither code is printed
		if text := fmt.Sprintf(verb, begun); strings.Contains(text, begun.DeviceCode) || strings.Contains(text, begun.UserCode) {
			t.Errorf("printed %s", text)
		}
	}
	asked, err := h.Ask(t.Context(), h.tenant.UID, begun.DeviceCode, true)
	if err != nil || asked.State != device.Waiting || asked.Early {
		t.Fatalf("asked %+v %v", asked, err)
	}

	by := h.by(1)
	found, err := h.Find(t.Context(), h.tenant, h.clients, begun.UserCode, by)
	if err != nil {
		t.Fatal(err)
	}
	request := found.Request()
	if request.Client() != h.clients.client || len(request.Scopes()) != 2 || len(request.Identity()) != 1 || found.ExpiresAt() != noon.Add(device.Lifetime) {
		t.Errorf("found %v %v", request.Scopes(), request.Identity())
	}
	granted := h.granted(by)
	granted.Thumbprint, granted.Nonce = "of another", "of another"
	if err := h.Approve(t.Context(), found, by, granted); err != nil {
		t.Fatal(err)
	}
	refused(t, h.Approve(t.Context(), found, by, granted), oauth.CodeUserCodeUnknown)
	refused(t, h.Deny(t.Context(), found, by), oauth.CodeUserCodeUnknown)

	asked, err = h.Ask(t.Context(), h.tenant.UID, begun.DeviceCode, true)
	if err != nil || asked.State != device.Approved || asked.UserUID != "usr_1" || asked.IdPUID != "idp_1" || asked.Version != h.tenant.Version ||
		asked.Granted.Nonce != "n1" || asked.Granted.Thumbprint != "" {
		t.Errorf("asked %+v %v", asked, err)
	}
	if len(h.shelf.events) != 1 || h.shelf.events[0].Type != audit.TypeDeviceApproved || h.shelf.events[0].Scope != "notes:read" || h.shelf.events[0].OnBehalf != "usr_1" {
		t.Errorf("events %+v", h.shelf.events)
	}
	r := asked.Redemption(h.tenant.UID, "used")
	if r.Space != "device" || r.Key != asked.Handle || !r.ExpiresAt.After(asked.ExpiresAt) || r.Always || r.Code != "used" {
		t.Errorf("redemption %+v", r)
	}
}

func TestDeny(t *testing.T) {
	h := newHouse(t)
	begun, by := h.begin(t), h.by(1)
	found, err := h.Find(t.Context(), h.tenant, h.clients, strings.ToLower(strings.ReplaceAll(begun.UserCode, "-", " ")), by)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Deny(t.Context(), found, by); err != nil {
		t.Fatal(err)
	}
	asked, err := h.Ask(t.Context(), h.tenant.UID, begun.DeviceCode, true)
	if err != nil || asked.State != device.Denied || asked.Granted != nil || h.shelf.events[0].Type != audit.TypeDeviceDenied {
		t.Errorf("%+v %v", asked, err)
	}
}

// TestFindRefuses: everything that is wrong is one answer.
func TestFindRefuses(t *testing.T) {
	for name, change := range map[string]func(h *house, code string) string{
		"another code":            func(_ *house, code string) string { return flip(code) },
		"no code":                 func(*house, string) string { return "" },
		"vowels":                  func(*house, string) string { return "AEIO-UAEI" },
		"too long":                func(_ *house, code string) string { return code + strings.Repeat("-", 100) },
		"ended":                   func(h *house, code string) string { h.now = h.now.Add(device.Lifetime); return code },
		"client gone":             func(h *house, code string) string { h.clients.client = nil; return code },
		"client made anew":        func(h *house, code string) string { h.clients.client.UID = "cli_2"; return code },
		"client disabled":         func(h *house, code string) string { h.clients.client.Disabled = true; return code },
		"grant taken away":        func(h *house, code string) string { h.clients.client.GrantTypes = nil; return code },
		"resource taken away":     func(h *house, code string) string { h.clients.client.Resources = nil; return code },
		"scopes taken away":       func(h *house, code string) string { h.clients.client.Scopes = nil; return code },
		"a platform's client now": func(h *house, code string) string { h.clients.client.Auth.Method = client.MethodWorkload; return code },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			code := change(h, h.begin(t).UserCode)
			found, err := h.Find(t.Context(), h.tenant, h.clients, code, h.by(1))
			refused(t, err, oauth.CodeUserCodeUnknown)
			if found.Request().Client() != nil || found.Handle() != (device.Handle{}) {
				t.Error("found")
			}
		})
	}
}

func flip(code string) string {
	if code[0] == 'B' {
		return "C" + code[1:]
	}
	return "B" + code[1:]
}

// TestFindFaults: what is no refusal is none, and nobody's try.
func TestFindFaults(t *testing.T) {
	h := newHouse(t)
	code := h.begin(t).UserCode
	broken := errors.New("broken")
	h.clients.fail = broken
	for range 50 {
		if _, err := h.Find(t.Context(), h.tenant, h.clients, code, h.by(1)); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	h.clients.fail = nil
	for name, change := range map[string]func(*device.By){
		"nobody":         func(by *device.By) { by.Session.UserUID = "" },
		"no session":     func(by *device.By) { by.Session.Handle = [32]byte{} },
		"another tenant": func(by *device.By) { by.Session.Tenant = tenant.MustParseUID(id.New(id.Tenant, noon)) },
	} {
		by := h.by(1)
		change(&by)
		if _, err := h.Find(t.Context(), h.tenant, h.clients, code, by); err == nil {
			t.Errorf("%s found it", name)
		}
	}
	if _, err := h.Find(t.Context(), h.tenant, h.clients, code, h.by(1)); err != nil {
		t.Error(err)
	}
}

// TestGuessing: ten wrong ones for a session, thirty for an address; the right one costs nothing, and time heals (RFC 8628 §5.1).
func TestGuessing(t *testing.T) {
	h := newHouse(t)
	code := h.begin(t).UserCode
	guess := func(handle byte, remote, code string) error {
		by := h.by(handle)
		by.Remote = remote
		_, err := h.Find(t.Context(), h.tenant, h.clients, code, by)
		return err
	}
	for range 100 {
		if err := guess(1, "192.0.2.1", code); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		refused(t, guess(1, "192.0.2.1", flip(code)), oauth.CodeUserCodeUnknown)
	}
	err := guess(1, "192.0.2.1", code) // the right one too
	refused(t, err, oauth.CodeUserCodeTriesExceeded)
	if oauth.AsError(err).RetryAfter != 10*time.Minute {
		t.Errorf("come back in %s", oauth.AsError(err).RetryAfter)
	}
	refused(t, guess(1, "198.51.100.1", code), oauth.CodeUserCodeTriesExceeded) // from elsewhere too

	for i := range 20 {
		refused(t, guess(byte(2+i%2), "192.0.2.1", flip(code)), oauth.CodeUserCodeUnknown)
	}
	refused(t, guess(9, "192.0.2.1", code), oauth.CodeUserCodeTriesExceeded) // one address, another session
	if err := guess(9, "192.0.2.2", code); err != nil {
		t.Error(err)
	}
	for i := range 30 { // all of a /64 are one
		refused(t, guess(byte(20+i), fmt.Sprintf("2001:db8::%x", i+1), flip(code)), oauth.CodeUserCodeUnknown)
	}
	refused(t, guess(9, "2001:db8::ffff", code), oauth.CodeUserCodeTriesExceeded)
	if limit.Address("192.0.2.1") == limit.Address("192.0.2.2") {
		t.Error("two addresses are one")
	}
	h.now = h.now.Add(9*time.Minute + 59*time.Second)
	refused(t, guess(1, "192.0.2.1", code), oauth.CodeUserCodeTriesExceeded)
	code = h.begin(t).UserCode
	h.now = h.now.Add(time.Second)
	if err := guess(1, "192.0.2.1", code); err != nil {
		t.Error(err)
	}
}

// TestApproveRefuses: an approval of nothing, or for somebody else, is no approval.
func TestApproveRefuses(t *testing.T) {
	h := newHouse(t)
	by := h.by(1)
	found, err := h.Find(t.Context(), h.tenant, h.clients, h.begin(t).UserCode, by)
	if err != nil {
		t.Fatal(err)
	}
	other := h.by(2)
	other.Session.UserUID = "usr_2"
	nothing := h.granted(by)
	nothing.Resources = nil
	scopeless := h.granted(by)
	scopeless.Resources[0].Scopes = nil
	elsewhere := h.granted(by)
	elsewhere.ClientUID = "cli_2"
	session := h.granted(by)
	session.Session = [32]byte{9}
	for name, err := range map[string]error{
		"nothing":         h.Approve(t.Context(), found, by, nothing),
		"no scopes":       h.Approve(t.Context(), found, by, scopeless),
		"another client":  h.Approve(t.Context(), found, by, elsewhere),
		"another person":  h.Approve(t.Context(), found, other, h.granted(by)),
		"another session": h.Approve(t.Context(), found, by, session),
		"nothing found":   h.Approve(t.Context(), device.Found{}, by, h.granted(by)),
		"nothing denied":  h.Deny(t.Context(), device.Found{}, by),
		"nobody said no":  h.Deny(t.Context(), found, device.By{}),
	} {
		if err == nil {
			t.Errorf("%s: answered", name)
		}
	}
	h.now = h.now.Add(device.Lifetime)
	refused(t, h.Approve(t.Context(), found, by, h.granted(by)), oauth.CodeUserCodeUnknown) // the page was open too long
	if len(h.shelf.events) != 0 {
		t.Errorf("events %+v", h.shelf.events)
	}
}

// TestCodesRest: neither code is in what rests, and a key that goes leads to no code.
func TestCodesRest(t *testing.T) {
	h := newHouse(t)
	begun := h.begin(t)
	for _, a := range h.shelf.rows {
		if text := fmt.Sprintf("%+v", a); strings.Contains(text, begun.DeviceCode) || strings.Contains(text, begun.UserCode) {
			t.Error("a code rests")
		}
	}
	*h.keys = ring{[]byte("second"), []byte("first")} // rotated
	if _, err := h.Find(t.Context(), h.tenant, h.clients, begun.UserCode, h.by(1)); err != nil {
		t.Error(err)
	}
	*h.keys = ring{[]byte("second")}
	_, err := h.Find(t.Context(), h.tenant, h.clients, begun.UserCode, h.by(1))
	refused(t, err, oauth.CodeUserCodeUnknown)
	*h.keys = ring{}
	if _, err := h.Find(t.Context(), h.tenant, h.clients, begun.UserCode, h.by(1)); err == nil {
		t.Error("found without a key")
	}
}

func TestBeginFails(t *testing.T) {
	h := newHouse(t)
	h.shelf.taken = 3
	h.begin(t) // draws again
	h.shelf.taken = 100
	valid := device.Beginning{ClientUID: "cli_1", ClientID: "tv", Parameters: "client_id=tv"}
	if _, err := h.Begin(t.Context(), h.tenant.UID, valid); !errors.Is(err, device.ErrFull) {
		t.Errorf("no code is free: %v", err)
	}
	h.shelf.taken, h.shelf.fail = 0, device.ErrFull
	if _, err := h.Begin(t.Context(), h.tenant.UID, valid); !errors.Is(err, device.ErrFull) {
		t.Errorf("full: %v", err)
	}
	h.shelf.fail = nil
	for name, b := range map[string]device.Beginning{
		"no client": {ClientID: "tv", Parameters: "x"}, "no client_id": {ClientUID: "cli_1", Parameters: "x"}, "no parameters": {ClientUID: "cli_1", ClientID: "tv"},
	} {
		if _, err := h.Begin(t.Context(), h.tenant.UID, b); err == nil {
			t.Errorf("%s: began", name)
		}
	}
	if _, err := h.Begin(t.Context(), tenant.UID{}, valid); !errors.Is(err, tenant.ErrNoTenant) {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"no store": second(device.New(nil, h.keys, func() time.Time { return noon })),
		"no keys":  second(device.New(h.shelf, nil, func() time.Time { return noon })),
		"no clock": second(device.New(h.shelf, h.keys, nil)),
	} {
		if err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// TestAskForms: there is one way to write a device code.
func TestAskForms(t *testing.T) {
	h := newHouse(t)
	code := h.begin(t).DeviceCode
	for name, text := range map[string]string{
		"nothing": "", "a part": code[:42], "more": code + "A", "padded": code + "=", "a line break": code[:20] + "\n" + code[20:], "loose bits": code[:42] + loosen(code[42]),
		"of nobody": base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	} {
		if _, err := h.Ask(t.Context(), h.tenant.UID, text, true); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Ask(t.Context(), tenant.UID{}, code, true); !errors.Is(err, tenant.ErrNoTenant) {
		t.Error(err)
	}
}

// loosen sets a bit that means nothing.
func loosen(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)|1])
}

// TestUserCodes: eight letters, each of twenty as often as any.
func TestUserCodes(t *testing.T) {
	h := newHouse(t)
	seen, counts := map[string]bool{}, map[rune]int{}
	for range 2000 {
		code := h.begin(t).UserCode
		if seen[code] {
			t.Fatal("drawn twice")
		}
		seen[code] = true
		for _, r := range strings.ReplaceAll(code, "-", "") {
			counts[r]++
		}
	}
	for r, n := range counts { // 800 expected, sigma 28
		if n < 650 || n > 950 {
			t.Errorf("%c was drawn %d times", r, n)
		}
	}
	if len(counts) != 20 {
		t.Errorf("%d letters", len(counts))
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"WDJB-MJHT", "wdjb mjht", "", "--------", "ＷＤＪＢ", "WDJBMJHTX", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := device.Normalize(typed)
		if ok && !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{8}$`).MatchString(code) || !ok && code != "" {
			t.Fatalf("%q is %q", typed, code)
		}
		if ok && device.Shown(device.Shown(typed)) != device.Shown(typed) {
			t.Fatalf("%q is shown in two ways", typed)
		}
	})
}

func second[T any](_ T, err error) error { return err }
