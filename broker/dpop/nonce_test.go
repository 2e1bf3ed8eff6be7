package dpop

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ring is what replicas share.
type ring [][]byte

func (r ring) Derive(string) ([][]byte, error) { return r, nil }

type noRing struct{}

var errNoRing = errors.New("the keyring is gone")

func (noRing) Derive(string) ([][]byte, error) { return nil, errNoRing }

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// nonces of a replica whose clock is off by so much.
func nonces(keys Keys, off time.Duration) *Nonces {
	return must(NewNonces(keys, func() time.Time { return now.Add(off) }))
}

func TestNonce(t *testing.T) {
	n := nonces(ring{key(1)}, 0)
	nonce := must(n.Fresh(acme))
	if err := n.Check(acme, nonce); err != nil {
		t.Fatal(err)
	}
	if again := must(nonces(ring{key(1)}, 0).Fresh(acme)); again != nonce { // another replica, or this one after a restart
		t.Errorf("%q and %q in one minute", nonce, again)
	}
	if strings.ContainsFunc(nonce, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }) { // RFC 9449 §8: NQCHAR
		t.Errorf("%q does not fit into a header field", nonce)
	}
}

// TestNonceIsRefused: one change of a good nonce, and the reason that the audit log has.
func TestNonceIsRefused(t *testing.T) {
	good := must(nonces(ring{key(1)}, 0).Fresh(acme))
	raw := must(base64.RawURLEncoding.DecodeString(good))
	altered := func(i int) string {
		b := bytes.Clone(raw)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for name, c := range map[string]struct {
		nonce  string
		tenant tenant.UID
		off    time.Duration // of the clock of the replica that looks
		keys   ring
		want   error
	}{
		"good":                       {want: nil},
		"at its end":                 {off: NonceLifetime + nonceEvery, want: nil},
		"after its end":              {off: NonceLifetime + nonceEvery + time.Second, want: errNonceStale},
		"a day later":                {off: 24 * time.Hour, want: errNonceStale},
		"made by a clock ahead":      {off: -Window, want: nil},
		"made by a clock far ahead":  {off: -Window - time.Second, want: errNonceEarly},
		"absent":                     {nonce: "-", want: errNonceAbsent},
		"minute altered":             {nonce: altered(7), want: errNonceForged},
		"MAC altered":                {nonce: altered(23), want: errNonceForged},
		"cut":                        {nonce: good[:len(good)-4], want: errNonceForged},
		"longer":                     {nonce: good + "AAAA", want: errNonceForged},
		"padded":                     {nonce: good + "=", want: errNonceForged},
		"a line break in it":         {nonce: good[:8] + "\n" + good[8:], want: errNonceForged},
		"other text":                 {nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v", want: errNonceForged},
		"another tenant's":           {tenant: tenant.MustParseUID("ten_other"), want: errNonceForged},
		"another installation's":     {keys: ring{key(2)}, want: errNonceForged},
		"of the key before the last": {keys: ring{key(3), key(2), key(1)}, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			nonce, owner, keys := good, acme, ring{key(1)}
			if c.nonce == "-" {
				nonce = ""
			} else if c.nonce != "" {
				nonce = c.nonce
			}
			if !c.tenant.IsZero() {
				owner = c.tenant
			}
			if c.keys != nil {
				keys = c.keys
			}
			if err := nonces(keys, c.off).Check(owner, nonce); !errors.Is(err, c.want) || (c.want != nil && !errors.Is(err, ErrNonce)) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// While only one of two replicas has read a rotated keyring, a client that does as it is told gets through at both.
func TestNonceWhileKeysRotate(t *testing.T) {
	before, after := nonces(ring{key(1)}, 0), nonces(ring{key(2), key(1)}, 0)
	if err := after.Check(acme, must(before.Fresh(acme))); err != nil {
		t.Errorf("made before the rotation: %v", err)
	}
	if err := before.Check(acme, must(after.Fresh(acme))); !errors.Is(err, ErrNonce) {
		t.Errorf("made with a key that is not known yet: %v, want a challenge", err)
	}
}

func TestNoncesNeedTheirParts(t *testing.T) {
	clock := func() time.Time { return now }
	if _, err := NewNonces(nil, clock); err == nil {
		t.Error("without keys")
	}
	if _, err := NewNonces(ring{key(1)}, nil); err == nil {
		t.Error("without a clock")
	}
	for name, n := range map[string]*Nonces{"no key": nonces(ring{}, 0), "no keyring": nonces(noRing{}, 0)} {
		if got, err := n.Fresh(acme); err == nil {
			t.Errorf("%s: made %q", name, got)
		}
		if err := n.Check(acme, "AAAA"); err == nil || errors.Is(err, ErrNonce) {
			t.Errorf("%s: judged: %v", name, err)
		}
	}
	n := nonces(ring{key(1)}, 0)
	if got, err := n.Fresh(tenant.UID{}); err == nil {
		t.Errorf("for no tenant: %q", got)
	}
	if err := n.Check(tenant.UID{}, must(n.Fresh(acme))); err == nil {
		t.Error("judged for no tenant")
	}
}

func TestVerifyWithNonce(t *testing.T) {
	n := nonces(ring{key(1)}, 0)
	w := want()
	w.Nonce = func(nonce string) error { return n.Check(acme, nonce) }
	p := valid("ES256", p256)
	p.claims["nonce"] = must(n.Fresh(acme))
	if _, err := Verify([]string{p.sign(t)}, w); err != nil {
		t.Fatal(err)
	}
	stale := must(nonces(ring{key(1)}, -time.Hour).Fresh(acme))
	for name, c := range map[string]struct {
		nonce any
		code  oauth.Code
		error string
	}{
		"absent":  {nil, oauth.CodeDPoPNonceRequired, "use_dpop_nonce"},
		"empty":   {"", oauth.CodeDPoPNonceRequired, "use_dpop_nonce"},
		"stale":   {stale, oauth.CodeDPoPNonceRequired, "use_dpop_nonce"},
		"forged":  {"n2", oauth.CodeDPoPNonceRequired, "use_dpop_nonce"},
		"no text": {1, oauth.CodeDPoPProofInvalid, "invalid_dpop_proof"},
	} {
		t.Run(name, func(t *testing.T) {
			p := valid("ES256", p256)
			if c.nonce != nil {
				p.claims["nonce"] = c.nonce
			}
			proof, err := Verify([]string{p.sign(t)}, w)
			refusal, ok := errors.AsType[*oauth.Error](err)
			if !ok || refusal.Code != c.code || !proof.IsZero() {
				t.Fatalf("got %v, want %s", err, c.code)
			}
			if wire := refusal.Wire("https://auth.acme.com", "trc_1"); wire.Error != c.error || wire.Status != 400 {
				t.Errorf("on the wire %+v", wire)
			}
		})
	}
	t.Run("not judged", func(t *testing.T) {
		w := want()
		w.Nonce = func(string) error { return errNoRing }
		_, err := Verify([]string{valid("ES256", p256).sign(t)}, w)
		if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != oauth.CodeInternal {
			t.Errorf("got %v, want internal", err)
		}
	})
	// A proof that is wrong in itself is no reason for a nonce: the client would come again with the same fault.
	t.Run("nothing else is right", func(t *testing.T) {
		p := valid("ES256", p256)
		p.claims["htu"] = "https://evil.example/token"
		_, err := Verify([]string{p.sign(t)}, w)
		refused(t, err)
	})
}

func BenchmarkNonce(b *testing.B) {
	n := nonces(ring{key(1)}, 0)
	nonce := must(n.Fresh(acme))
	for b.Loop() {
		if err := n.Check(acme, nonce); err != nil {
			b.Fatal(err)
		}
	}
}

// Nobody makes a nonce who has no key.
func FuzzNonce(f *testing.F) {
	n := nonces(ring{key(1)}, 0)
	good := must(n.Fresh(acme))
	for _, seed := range []string{"", good, good[:31], strings.Repeat("A", 32), "eyJ7S_zG.eyJH0-Z.HX4w-7v"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, nonce string) {
		if err := n.Check(acme, nonce); (err == nil) != (nonce == good) || (err != nil && !errors.Is(err, ErrNonce)) {
			t.Errorf("%q: %v", nonce, err)
		}
	})
}
