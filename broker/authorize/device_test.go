package authorize_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const television = `---
apiVersion: chancery/v1
kind: Client
metadata: {name: tv}
spec: {display_name: Television, type: public, grant_types: ["urn:ietf:params:oauth:grant-type:device_code"], scopes: ["notes:read"], resources: [notes]}
`

// rests is a device.Store of one request.
type rests struct {
	tenant tenant.UID
	device.Authorization
}

func (r *rests) Begin(_ context.Context, t tenant.UID, a device.Authorization, _ int) error {
	r.tenant, r.Authorization = t, a
	return nil
}

func (r *rests) ByCode(_ context.Context, t tenant.UID, codes [][sha256.Size]byte, now time.Time) (device.Authorization, error) {
	if t != r.tenant || !slices.Contains(codes, r.UserCode) || r.State != device.Waiting || !r.Alive(now) {
		return device.Authorization{}, device.ErrUnknown
	}
	return r.Authorization, nil
}

func (r *rests) Answer(_ context.Context, _ tenant.UID, _ device.Handle, to device.State, a device.Answer, _ audit.Event) error {
	if r.State != device.Waiting {
		return device.ErrUnknown
	}
	r.State, r.Authorization.Answer = to, a
	return nil
}

func (r *rests) Ask(context.Context, tenant.UID, device.Handle, time.Time, *device.Pace) (device.Asked, error) {
	return device.Asked{Authorization: r.Authorization}, nil
}

type oneKey struct{}

func (oneKey) Derive(purpose string) ([][]byte, error) { return [][]byte{[]byte(purpose)}, nil }

// newDeviceHouse is a house in which a television waits, and the address that it shows.
func newDeviceHouse(t *testing.T) (h *house, waits *rests, address string) {
	t.Helper()
	h = newHouse(t, television)
	waits = &rests{}
	clock := func() time.Time { return h.now }
	devices, err := device.New(waits, oneKey{}, clock)
	must(t, err)
	h.desk.Devices = devices
	h.server, err = broker.New(broker.Config{
		PublicURL: issuer, Pictures: h.source, Tokens: h, Introspection: about{}, JWKS: h, Ready: func(context.Context) error { return nil }, Observer: h,
		People: h.desk, InFlight: 64, Log: slog.New(slog.DiscardHandler), Now: clock,
	})
	must(t, err)
	picture, err := h.source.Get(t.Context(), "default")
	must(t, err)
	tv, err := h.source.Clients().Lookup(t.Context(), picture.UID, "tv")
	must(t, err)
	begun, err := devices.Begin(t.Context(), picture.UID, device.Beginning{ClientUID: tv.UID, ClientID: "tv", Parameters: "client_id=tv&scope=notes%3Aread"})
	must(t, err)
	return h, waits, "/device?user_code=" + begun.UserCode
}

// typed sends the code that an address shows.
func (b *browser) typed(address string) seen {
	b.h.t.Helper()
	u, err := url.Parse(address)
	must(b.h.t, err)
	return b.press(b.follow(b.open(address)), "user_code", u.Query().Get("user_code"))
}

// TestDevicePage: the link alone gives nothing (RFC 8628 §5.4); who asks is said before the person does, and his yes is for
// this device, in his own session.
func TestDevicePage(t *testing.T) {
	h, waits, address := newDeviceHouse(t)
	alice := h.browser()
	confirm := alice.typed(address)
	if !strings.Contains(confirm.body, "Television") || !strings.Contains(confirm.body, "Read notes") || !strings.Contains(confirm.body, "alice@acme.com") {
		t.Fatalf("%d %s", confirm.status, confirm.body)
	}
	form := url.Values{"decision": {"allow"}, "user_code": {strings.TrimPrefix(address, "/device?user_code=")}, "token": {confirm.find(tokens, "token")}}
	bob := h.browser()
	h.idp.who = "usr_bob"
	bob.follow(bob.open("/account"))
	bob.post("/device", form).shows(oauth.CodeFormTokenInvalid)
	alice.site = "cross-site"
	alice.post("/device", form).shows(oauth.CodeCrossSiteForm)
	alice.site = "same-origin"
	if waits.State != device.Waiting {
		t.Fatal("answered by another")
	}
	if alice.post("/device", form); waits.State != device.Approved || waits.UserUID != "usr_alice" || len(waits.Granted.Resources) != 1 {
		t.Errorf("%+v", waits.Authorization)
	}
}

// TestDeviceStepUp: policy wants more than the present sign-in, so the person proves it at his IdP, comes back to his code,
// and is asked. What the IdP did not say is no proof.
func TestDeviceStepUp(t *testing.T) {
	h, waits, address := newDeviceHouse(t)
	h.grants.needs = "phr"
	h.idp.proof = session.Proof{ACR: "pwd", AuthTime: h.now}
	b := h.browser()
	asked := b.typed(address)
	if asked.status != http.StatusOK || !strings.Contains(asked.body, "Television") || !strings.Contains(asked.body, `value="idp"`) {
		t.Fatalf("%d %s", asked.status, asked.body)
	}
	// A sign-in that is no stronger leads to the same question.
	b.follow(b.press(asked, "way", "idp"))
	ask := h.idp.asks[len(h.idp.asks)-1]
	if ask.Only != "usr_alice" || !slices.Equal(ask.ACRValues, []string{"phr"}) || ask.MaxAge == nil || *ask.MaxAge != 5*time.Minute || ask.Then != address {
		t.Errorf("asked the IdP for %+v", ask)
	}
	if asked = b.typed(address); !strings.Contains(asked.body, `value="idp"`) || waits.State != device.Waiting {
		t.Fatalf("%d %s", asked.status, asked.body)
	}
	h.idp.proof.ACR = "phr"
	b.follow(b.press(asked, "way", "idp"))
	confirm := b.typed(address)
	if b.press(confirm, "decision", "allow", "user_code", strings.TrimPrefix(address, "/device?user_code=")); waits.State != device.Approved || waits.Granted.ACR != "phr" {
		t.Errorf("%+v", waits.Authorization)
	}
}

// TestDeviceStepUpOtherwise: a passkey where the IdP cannot, the refusal where nothing can, and the person's no.
func TestDeviceStepUpOtherwise(t *testing.T) {
	start := func(t *testing.T) (*house, *rests, *browser, seen) {
		t.Helper()
		h, waits, address := newDeviceHouse(t)
		h.grants.needs = "phr"
		h.idp.proof = session.Proof{ACR: "pwd", AuthTime: h.now}
		b := h.browser()
		return h, waits, b, b.typed(address)
	}
	unsupported := oauth.Refuse(oauth.CodeIdPStepUpUnsupported, "", "")
	t.Run("a passkey", func(t *testing.T) {
		h, _, b, asked := start(t)
		h.idp.refuse = unsupported
		h.ways.way = &authorize.Way{Name: "passkey", Own: page.ByPasskey, Path: "/passkeys/prove"}
		other := b.press(asked, "way", "idp")
		if strings.Contains(other.body, `value="idp"`) {
			t.Errorf("%d %s", other.status, other.body)
		}
		if to := strings.TrimPrefix(b.press(other, "way", "passkey").onward(), issuer); !strings.HasPrefix(to, "/passkeys/prove?then=%2Fdevice%3Fuser_code%3D") {
			t.Errorf("sent to %q", to)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		h, waits, b, asked := start(t)
		h.idp.refuse = unsupported
		b.press(asked, "way", "idp").shows(oauth.CodeStepUpUnmet)
		if waits.State != device.Waiting {
			t.Error("answered")
		}
	})
	t.Run("a way of nobody", func(t *testing.T) {
		_, _, b, asked := start(t)
		if again := b.press(asked, "way", "passkey"); !strings.Contains(again.body, `value="idp"`) {
			t.Errorf("%d %s", again.status, again.body)
		}
	})
	t.Run("no", func(t *testing.T) {
		_, waits, b, asked := start(t)
		if b.press(asked, "way", ""); waits.State != device.Denied {
			t.Errorf("%+v", waits.Authorization)
		}
	})
	t.Run("another page's form", func(t *testing.T) {
		_, waits, b, asked := start(t)
		b.post(asked.find(actions, "form"), url.Values{"way": {""}, "token": {"AAAA"}}).shows(oauth.CodeFormTokenInvalid)
		if waits.State != device.Waiting {
			t.Error("answered")
		}
	})
	t.Run("policy is content now", func(t *testing.T) {
		h, waits, b, asked := start(t)
		h.grants.needs = ""
		if s := b.press(asked, "way", "idp"); !strings.HasPrefix(strings.TrimPrefix(s.onward(), issuer), "/device?") || waits.State != device.Waiting {
			t.Errorf("%d %q", s.status, s.onward())
		}
	})
}
