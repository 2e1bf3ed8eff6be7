package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// ErrInvalid says that a string is no live access token of ours for the
// audience. The cause in its chain is for the audit record.
var ErrInvalid = errors.New("not a valid access token")

// futureSkew is how far ahead another replica's clock may be.
const futureSkew = 60 * time.Second

// Ring is the part of a key ring that verifies; *keys.Ring has it.
type Ring interface{ Keys() []jwks.Key }

// Expectation says what a token must be. All members are required.
type Expectation struct {
	Issuer   string
	Audience string // the resource that the token is presented for
	Ring     Ring   // of the tenant that the issuer is
	Now      time.Time
}

// Own says what every token of a tenant must be, whomever it is for. All members but Late and Memory are required.
type Own struct {
	Issuer string
	Ring   Ring
	Now    time.Time
	// Late is how long after its expiry it is still recognised, by whoever ends it.
	Late time.Duration
	// Memory saves the work of a signature that was verified before; nil: every one is verified.
	Memory *Memory
}

// Token is an access token of ours whose signature, type, issuer, audience and
// times hold. Only Verify and VerifyOwn build one.
type Token struct {
	claims  jws.Claims
	c       Claims
	keyID   string
	compact string
}

// Claims returns the registered claims; Extra and Policy stay empty.
func (t Token) Claims() Claims { return t.c }

// KeyID names the key that signed it.
func (t Token) KeyID() string { return t.keyID }

// Value returns any claim as it was signed.
func (t Token) Value(name string) (any, bool) { return t.claims.Value(name) }

// Payload returns the claims as they were signed: one JSON object.
func (t Token) Payload() ([]byte, error) {
	_, rest, _ := strings.Cut(t.compact, ".")
	middle, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(middle)
	if err != nil || len(payload) == 0 { // the zero Token; what was verified decodes
		return nil, fmt.Errorf("%w: it has no payload", ErrInvalid)
	}
	return payload, nil
}

// TypeOf is what a compact JWS says that it is (its typ), not verified; false if it says
// nothing, or is none.
func TypeOf(compact string) (string, bool) {
	message, err := jws.Parse(compact)
	if err != nil || message.Header().Type == "" {
		return "", false
	}
	return message.Header().Type, true
}

// Verify checks one of our own tokens (RFC 9068 §4). It does not ask whether the
// token was revoked, nor whether the key in Thumbprint was proved.
func Verify(compact string, want Expectation) (Token, error) {
	// 0. An expectation that is empty would check nothing.
	if want.Audience == "" {
		return Token{}, fmt.Errorf("%w: nothing was expected of it", ErrInvalid)
	}
	t, err := VerifyOwn(compact, Own{Issuer: want.Issuer, Ring: want.Ring, Now: want.Now})
	if err != nil {
		return Token{}, err
	}
	if t.c.Audience != want.Audience {
		return Token{}, fmt.Errorf("%w: aud is %q", ErrInvalid, t.c.Audience)
	}
	return t, nil
}

// VerifyOwn is Verify for those who know the token's holder and not yet its
// audience: it does not ask whom the token is for, and the caller has to.
func VerifyOwn(compact string, want Own) (Token, error) {
	if want.Issuer == "" || want.Ring == nil || want.Now.IsZero() {
		return Token{}, fmt.Errorf("%w: nothing was expected of it", ErrInvalid)
	}
	known := want.Ring.Keys()
	t, ok := want.Memory.recall(compact, known)
	if !ok {
		var err error
		if t, err = verifySigned(compact, known, want.Memory); err != nil {
			return Token{}, err
		}
	}
	// 3. From us, and alive.
	switch c := t.c; {
	case c.Issuer != want.Issuer:
		return Token{}, fmt.Errorf("%w: iss is %q", ErrInvalid, c.Issuer)
	case !want.Now.Before(c.ExpiresAt.Add(want.Late)):
		return Token{}, fmt.Errorf("%w: it expired at %s", ErrInvalid, c.ExpiresAt)
	case c.IssuedAt.After(want.Now.Add(futureSkew)):
		return Token{}, fmt.Errorf("%w: it was issued in the future", ErrInvalid)
	}
	return t, nil
}

// verifySigned is the part of it that the same bytes and the same key always answer alike.
func verifySigned(compact string, known []jwks.Key, memory *Memory) (Token, error) {
	message, err := jws.Parse(compact)
	if err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	// 1. RFC 9068 §4: typ first, so that no other token of ours passes (RFC 8725 §3.11).
	if typ := message.Header().Type; typ != Type {
		return Token{}, fmt.Errorf("%w: typ is %q", ErrInvalid, typ)
	}
	if message.Header().KeyID == "" { // we always write one
		return Token{}, fmt.Errorf("%w: no kid", ErrInvalid)
	}
	// 2. A key of this tenant's ring. A revoked one is not in it.
	claims, key, err := message.VerifyClaims(known, keys.Algorithms())
	if err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c, err := read(claims)
	if err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	t := Token{claims: claims, c: c, keyID: key.ID, compact: compact}
	memory.remember(compact, verified{token: t, key: key})
	return t, nil
}

// read demands what Mint writes: RFC 9068 §2.2.
func read(claims jws.Claims) (Claims, error) {
	var c Claims
	for _, text := range []struct {
		name     string
		into     *string
		required bool
	}{
		{"iss", &c.Issuer, true},
		{"sub", &c.Subject, true},
		{"aud", &c.Audience, true}, // one string: we write no list
		{"client_id", &c.ClientID, true},
		{"jti", &c.ID, true},
		{"tenant", &c.Tenant, true},
		{"scope", &c.Scope, false},
		{"acr", &c.ACR, false},
		{"plan", &c.Plan, false},
		{"environment", &c.Environment, false},
	} {
		value, present, err := claims.String(text.name)
		if err != nil {
			return Claims{}, err
		}
		if text.required && value == "" || present && value == "" {
			return Claims{}, fmt.Errorf("%s is empty", text.name)
		}
		*text.into = value
	}
	for _, date := range []struct {
		name     string
		into     *time.Time
		required bool
	}{
		{"exp", &c.ExpiresAt, true},
		{"iat", &c.IssuedAt, true},
		{"auth_time", &c.AuthTime, false},
	} {
		value, present, err := claims.Time(date.name)
		if err != nil {
			return Claims{}, err
		}
		if date.required && !present {
			return Claims{}, fmt.Errorf("%s is absent", date.name)
		}
		*date.into = value
	}
	var err error
	if c.AMR, _, err = claims.Strings("amr"); err != nil {
		return Claims{}, err
	}
	if c.Thumbprint, err = confirmation(claims); err != nil {
		return Claims{}, err
	}
	act, present, err := claims.Object("act")
	if err != nil || !present {
		return c, err
	}
	c.Actor, err = actor(act, 1)
	return c, err
}

// confirmation: a cnf that is not understood must not be passed over, or a bound
// token becomes a bearer token (RFC 7800 §3.1).
func confirmation(claims jws.Claims) (string, error) {
	cnf, present, err := claims.Object("cnf")
	if err != nil || !present {
		return "", err
	}
	jkt, ok := cnf["jkt"].(string)
	if !ok || jkt == "" || len(cnf) != 1 {
		return "", errors.New("cnf is not one jkt")
	}
	return jkt, nil
}

func actor(members map[string]any, depth int) (*Actor, error) {
	sub, _ := members["sub"].(string)
	if sub == "" || depth > maxActors {
		return nil, errors.New("act is not a chain of actors")
	}
	clientID, _ := members["client_id"].(string)
	a := &Actor{Subject: sub, ClientID: clientID}
	inner, present := members["act"]
	if !present {
		return a, nil
	}
	object, ok := inner.(map[string]any)
	if !ok {
		return nil, errors.New("act is not a chain of actors")
	}
	var err error
	a.Actor, err = actor(object, depth+1)
	return a, err
}
