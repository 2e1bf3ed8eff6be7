package broker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// door lets nobody in while wait is set.
type door struct {
	wait  time.Duration
	asked []string
	trace string
}

func (d *door) Enter(address, trace string) (time.Duration, bool) {
	d.asked, d.trace = append(d.asked, address), trace
	return d.wait, d.wait == 0
}

// nonces know one that is good.
type nonces struct{ err error }

func (n nonces) Fresh(t tenant.UID) (string, error) { return "fresh-of-" + t.String(), n.err }

func (n nonces) Check(t tenant.UID, nonce string) error {
	if nonce == "fresh-of-"+t.String() {
		return nil
	}
	return errors.New("another nonce")
}

// TestDoor: an address that asks too fast is turned away before anything is looked up or read; probes are answered.
func TestDoor(t *testing.T) {
	d := &door{}
	h := newHouse(t, func(c *broker.Config) { c.Door, c.CORSOrigins = d, []string{"https://app.example"} })
	if w := h.post(t, nil); w.Code != http.StatusOK || !slices.Equal(d.asked, []string{"192.0.2.1"}) {
		t.Fatalf("answered %d, asked %v", w.Code, d.asked)
	}
	d.wait = 1500 * time.Millisecond
	looked := len(h.pictures.asked)
	from := func(r *http.Request) { r.Header.Set("Origin", "https://app.example") }
	for _, path := range []string{"/token", "/t/acme/token", "/t/nobody/token", "/nothing"} {
		w := h.post(t, func(r *http.Request) { r.URL.Path = path; from(r) })
		wantRefusal(t, w, 429, "temporarily_unavailable", oauth.CodeAddressRateExceeded)
		if w.Header().Get("Retry-After") != "2" { // never too early
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" {
			t.Errorf("%s: a browser client cannot read why", path)
		}
		if d.trace != w.Header().Get("Chancery-Trace") {
			t.Errorf("recorded as %q", d.trace)
		}
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/errors/overloaded", "/token"} {
		wantRefusal(t, h.get(t, path), 429, "temporarily_unavailable", oauth.CodeAddressRateExceeded)
	}
	if len(h.pictures.asked) != looked || h.tokens.got.Trace == d.trace || len(h.tokens.away) != 0 || h.Serving() != 0 {
		t.Errorf("work was done: looked up %v, %d turned away by the grants", h.pictures.asked[looked:], len(h.tokens.away))
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if w := h.get(t, path); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestAddressOfTheCaller: what counts is what the nearest proxy that is trusted saw, however it writes it down.
func TestAddressOfTheCaller(t *testing.T) {
	const spoofed, caller, proxy = "198.51.100.66", "203.0.113.9", "192.0.2.7"
	for name, c := range map[string]struct {
		trusted []string
		fields  []string
		real    string // X-Real-IP
		want    string
	}{
		"no proxy trusted":                          {nil, []string{caller}, "", "192.0.2.1"},
		"another proxy trusted":                     {[]string{"10.0.0.0/8"}, []string{caller}, "", "192.0.2.1"},
		"trusted":                                   {[]string{"192.0.2.0/24"}, []string{caller}, "", caller},
		"the caller wrote one himself":              {[]string{"192.0.2.0/24"}, []string{spoofed + ", " + caller}, "", caller},
		"the proxy adds a field":                    {[]string{"192.0.2.0/24"}, []string{spoofed, caller}, "", caller},
		"the proxy adds a field behind two":         {[]string{"192.0.2.0/24"}, []string{spoofed + ", " + spoofed, spoofed, caller}, "", caller},
		"two proxies":                               {[]string{"192.0.2.0/24"}, []string{spoofed + ", " + caller + ", " + proxy}, "", caller},
		"two proxies, each with a field":            {[]string{"192.0.2.0/24"}, []string{spoofed, caller, proxy}, "", caller},
		"no address":                                {[]string{"192.0.2.0/24"}, []string{"unknown"}, "", "192.0.2.1"},
		"no address last":                           {[]string{"192.0.2.0/24"}, []string{spoofed + ", unknown"}, "", "192.0.2.1"},
		"X-Real-IP, which the proxy does not write": {[]string{"192.0.2.0/24"}, nil, spoofed, "192.0.2.1"},
		"IPv6": {[]string{"192.0.2.0/24"}, []string{"2001:db8::1"}, "", "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &door{}
			h := newHouse(t, func(b *broker.Config) { b.Door, b.TrustedProxies = d, c.trusted })
			h.post(t, func(r *http.Request) {
				r.RemoteAddr = "192.0.2.1:1234"
				r.Header[http.CanonicalHeaderKey("X-Forwarded-For")] = c.fields
				if c.real != "" {
					r.Header.Set("X-Real-IP", c.real)
				}
			})
			if !slices.Equal(d.asked, []string{c.want}) || h.tokens.got.Remote != c.want {
				t.Errorf("asked for %v, recorded %s, want %s", d.asked, h.tokens.got.Remote, c.want)
			}
		})
	}
}

// TestNonceIsHandedOut with whatever answers a proof, and to nobody else (RFC 9449 §8, §8.2).
func TestNonceIsHandedOut(t *testing.T) {
	proof := func(r *http.Request) { r.Header.Set("DPoP", "x") }
	off := newHouse(t)
	if w := off.post(t, proof); w.Header().Get("DPoP-Nonce") != "" || off.tokens.got.Nonce != nil {
		t.Error("nobody asks for nonces, and there is one")
	}
	h := newHouse(t, func(c *broker.Config) { c.Nonces = nonces{} })
	offered := func(w *httptest.ResponseRecorder) string { return w.Header().Get("DPoP-Nonce") }
	w := h.post(t, proof)
	uid := h.tokens.got.Tenant.UID.String()
	if w.Code != http.StatusOK || offered(w) != "fresh-of-"+uid {
		t.Errorf("%d with %q", w.Code, offered(w))
	}
	if err := h.tokens.got.Nonce(offered(w)); err != nil {
		t.Error(err)
	}
	if h.tokens.got.Nonce("") == nil || h.tokens.got.Nonce("x") == nil {
		t.Error("any nonce is good")
	}
	if w := h.post(t, nil); offered(w) != "" || h.tokens.got.Nonce == nil {
		t.Errorf("without a proof: %q", offered(w))
	}
	if w := h.post(t, func(r *http.Request) { proof(r); r.URL.Path = "/t/acme/token" }); offered(w) == "" || offered(w) == "fresh-of-"+uid {
		t.Errorf("another tenant: %q", offered(w))
	}
	h.tokens.err = oauth.Refuse(oauth.CodeDPoPNonceRequired, "", "")
	w = h.post(t, proof)
	wantRefusal(t, w, 400, "use_dpop_nonce", oauth.CodeDPoPNonceRequired)
	if offered(w) != "fresh-of-"+uid {
		t.Errorf("a challenge with %q", offered(w))
	}
}

// TestNoNonceToGive: a challenge that cannot be met is no challenge.
func TestNoNonceToGive(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.Nonces = nonces{err: errors.New("the keyring is gone")} })
	w := h.post(t, func(r *http.Request) { r.Header.Set("DPoP", "x") })
	wantRefusal(t, w, 500, "server_error", oauth.CodeInternal)
	if h.tokens.got.Tenant != nil || len(h.tokens.away) != 1 {
		t.Error("reached a grant, or was not recorded")
	}
}

// TestBrowsersReadWhatTheyNeed: the answer's headers that a client acts on are exposed to listed origins.
func TestBrowsersReadWhatTheyNeed(t *testing.T) {
	h := newHouse(t, func(c *broker.Config) { c.CORSOrigins, c.Nonces = []string{"https://app.example"}, nonces{} })
	w := h.post(t, func(r *http.Request) { r.Header.Set("Origin", "https://app.example"); r.Header.Set("DPoP", "x") })
	if got := w.Header().Get("Access-Control-Expose-Headers"); got != "Chancery-Trace, DPoP-Nonce, Retry-After, WWW-Authenticate" {
		t.Errorf("exposed: %q", got)
	}
	w = h.post(t, func(r *http.Request) { r.Method = http.MethodOptions; r.Header.Set("Origin", "https://app.example") })
	if got := w.Header().Get("Access-Control-Allow-Headers"); got != "Authorization, Content-Type, DPoP" {
		t.Errorf("allowed: %q", got)
	}
}
