package code

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Lifetime is how long a code is good (OAuth 2.1 §4.1.2: short; RFC 6749 lets it be ten minutes).
const Lifetime = time.Minute

// skew is how far ahead the clock of another replica may be.
const skew = 30 * time.Second

// Keys gives keys that all replicas share and that outlive a restart: the one to
// use first, then those that still open.
type Keys interface {
	Derive(purpose string) ([][]byte, error)
}

// Codes makes and opens codes.
type Codes struct {
	keys Keys
	now  func() time.Time
}

// New makes Codes. Both are required.
func New(keys Keys, now func() time.Time) (*Codes, error) {
	if keys == nil || now == nil {
		return nil, errors.New("codes need keys and a clock")
	}
	return &Codes{keys: keys, now: now}, nil
}

// sealed is what is inside a code.
type sealed struct {
	Grant     Grant `json:"grant"`
	IssuedAt  int64 `json:"iat"` // microseconds
	ExpiresAt int64 `json:"exp"`
}

// Issue seals a grant into a fresh code.
func (c *Codes) Issue(t tenant.UID, g Grant) (secret.Text, error) {
	now := c.now()
	if err := g.validate(now); err != nil {
		return secret.Text{}, err
	}
	keys, err := c.derive(t)
	if err != nil {
		return secret.Text{}, err
	}
	plaintext, err := write(g, now)
	if err != nil {
		return secret.Text{}, err
	}
	head := make([]byte, 1+idSize, leastSize+len(plaintext))
	head[0] = version
	_, _ = rand.Read(head[1:]) // never fails: crypto/rand crashes the program first
	code, err := seal(keys[0], t, head, plaintext)
	if err != nil {
		return secret.Text{}, fmt.Errorf("seal code: %w", err)
	}
	return secret.New(code), nil
}

// ErrLarge says that a code for all of it would not fit into an address.
var ErrLarge = errors.New("a code of more than 6 KiB")

// Fits tells whether a grant fits into a code, before anybody is asked for it: nil, or ErrLarge.
func (c *Codes) Fits(g Grant) error {
	_, err := write(g, c.now())
	return err
}

// write writes what is sealed.
func write(g Grant, now time.Time) ([]byte, error) {
	g.AuthTime = g.AuthTime.UTC().Truncate(time.Microsecond) // as all times that rest
	plaintext, err := json.Marshal(sealed{Grant: g, IssuedAt: now.UnixMicro(), ExpiresAt: now.Add(Lifetime).UnixMicro()})
	if err != nil {
		return nil, fmt.Errorf("write code: %w", err)
	}
	if len(prefix)+base64.RawURLEncoding.EncodedLen(leastSize+len(plaintext)) > maxCode {
		return nil, ErrLarge
	}
	return plaintext, nil
}

func (c *Codes) derive(t tenant.UID) ([][]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	keys, err := c.keys.Derive(sealPurpose)
	if err != nil {
		return nil, fmt.Errorf("keys of codes: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key of codes")
	}
	return keys, nil
}
