package token

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// keySet is a ring of which a test takes keys.
type keySet []jwks.Key

func (k keySet) Keys() []jwks.Key { return k }

// What was verified once is held to everything else as if it had never been seen.
func TestMemory(t *testing.T) {
	r, signer := ring(t, keys.Algorithms()[0])
	compact, err := Mint(valid(), signer)
	if err != nil {
		t.Fatal(err)
	}
	own := Own{Issuer: issuer, Ring: r, Now: now, Memory: NewMemory()}
	first, err := VerifyOwn(compact, own)
	if err != nil {
		t.Fatal(err)
	}
	if recalled, ok := own.Memory.recall(compact, r.Keys()); !ok || recalled.Claims().ID != first.Claims().ID {
		t.Fatal("it is not remembered")
	}
	again, err := VerifyOwn(compact, own)
	if err != nil || again.Claims().ID != first.Claims().ID || again.KeyID() != first.KeyID() {
		t.Errorf("%+v, %v", again.Claims(), err)
	}

	other, _ := ring(t, keys.Algorithms()[0])
	renamed := keySet{other.Keys()[0]}
	renamed[0].ID = r.Keys()[0].ID
	without := keySet{r.Keys()[0]}
	without[0].Thumbprint = ""
	for name, change := range map[string]func(*Own){
		"expired since":                       func(o *Own) { o.Now = now.Add(10 * time.Minute) },
		"of another issuer":                   func(o *Own) { o.Issuer = issuer + "/t/acme" },
		"before it was issued":                func(o *Own) { o.Now = now.Add(-2 * time.Minute) },
		"its key is revoked":                  func(o *Own) { o.Ring = keySet{} },
		"another tenant's ring":               func(o *Own) { o.Ring = other },
		"another key of the same name":        func(o *Own) { o.Ring = renamed },
		"nothing is expected":                 func(o *Own) { o.Issuer = "" },
		"no ring":                             func(o *Own) { o.Ring = nil },
		"its key for another algorithm today": func(o *Own) { o.Ring = keySet{{ID: r.Keys()[0].ID, Algorithm: "RS256", Public: r.Keys()[0].Public}} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := own
			change(&changed)
			if got, err := VerifyOwn(compact, changed); !errors.Is(err, ErrInvalid) {
				t.Errorf("%+v, %v", got.Claims(), err)
			}
		})
	}
	if _, ok := own.Memory.recall(compact, without); ok {
		t.Error("recalled for a key without a thumbprint")
	}
	if _, err := VerifyOwn(compact, own); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}

// One byte more or less is another token, however often the right one was seen.
func TestMemoryOfOtherBytes(t *testing.T) {
	r, signer := ring(t, keys.Algorithms()[0])
	compact, err := Mint(valid(), signer)
	if err != nil {
		t.Fatal(err)
	}
	own := Own{Issuer: issuer, Ring: r, Now: now, Memory: NewMemory()}
	if _, err := VerifyOwn(compact, own); err != nil {
		t.Fatal(err)
	}
	flipped := []byte(compact)
	flipped[len(flipped)-5] ^= 1
	for _, text := range []string{string(flipped), compact + "A", compact[:len(compact)-1], ""} {
		for range 2 { // what is refused is not remembered either
			if _, err := VerifyOwn(text, own); !errors.Is(err, ErrInvalid) {
				t.Errorf("%.20s…: %v", text, err)
			}
		}
	}
	if own.Memory.kept.Len() != 1 {
		t.Errorf("%d are kept", own.Memory.kept.Len())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory()
	for i := range remembered + 10 {
		m.remember(strconv.Itoa(i), verified{key: jwks.Key{Thumbprint: "t"}})
	}
	if m.kept.Len() != remembered {
		t.Errorf("%d are kept", m.kept.Len())
	}
}
