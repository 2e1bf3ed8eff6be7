package code

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Space keeps the redemptions of codes apart from all others.
const Space ledger.Space = "code"

// Presented is a code and what a token request shows with it.
type Presented struct {
	Tenant      tenant.UID
	Code        string
	ClientUID   string // of the authenticated client, or of the public client that names itself
	RedirectURI string
	Verifier    string // code_verifier
	Thumbprint  string // of the key of the verified DPoP proof; empty without one
}

// String says who presents; code and verifier stay out of logs.
func (p Presented) String() string { return "code presented by " + p.ClientUID }

// GoString is String, for %#v.
func (p Presented) GoString() string { return p.String() }

// Redeemable is a code that opened, in time, for whom it is. It was perhaps used
// before: Redemption says that to the ledger. Only Open makes one.
type Redeemable struct {
	grant     Grant
	tenant    tenant.UID
	id        [idSize]byte
	issuedAt  time.Time
	expiresAt time.Time
}

// Grant is what the code stands for.
func (r Redeemable) Grant() Grant { return r.grant }

// IssuedAt is when the person was sent back with it.
func (r Redeemable) IssuedAt() time.Time { return r.issuedAt }

// ID names the code in what comes of it: the digest of its id, which leads back to no code.
func (r Redeemable) ID() string {
	key := r.key()
	return base64.RawURLEncoding.EncodeToString(key[:])
}

// Redemption is the code's one use (RFC 6749 §4.1.2). It is kept longer than the code is good on any replica's clock.
func (r Redeemable) Redemption() ledger.Redemption {
	return ledger.Redemption{
		Tenant: r.tenant, Space: Space, Key: r.key(), ExpiresAt: r.expiresAt.Add(2 * skew), Code: string(oauth.CodeCodeUsed),
		Origin: r.ID(), // a second use ends what came of the first (T35)
	}
}

func (r Redeemable) key() [32]byte { return sha256.Sum256(r.id[:]) }

// Open opens a code for who presents it. What is no code of this tenant, whatever is
// wrong with it, is code_invalid; so is, outside, another client's.
func (c *Codes) Open(p Presented) (Redeemable, error) {
	keys, err := c.derive(p.Tenant)
	if err != nil {
		return Redeemable{}, err
	}
	if p.Code == "" {
		return Redeemable{}, oauth.Refuse(oauth.CodeParameterMissing, "no code", "code")
	}
	// 1. The seal. Before it nothing inside is read.
	id, plaintext, err := unseal(keys, p.Tenant, p.Code)
	if err != nil {
		return Redeemable{}, oauth.Fail(oauth.CodeCodeInvalid, err)
	}
	inside, err := decode(plaintext)
	if err != nil {
		return Redeemable{}, oauth.Fail(oauth.CodeCodeInvalid, err)
	}
	g := inside.Grant
	r := Redeemable{grant: g, tenant: p.Tenant, id: id, issuedAt: time.UnixMicro(inside.IssuedAt).UTC(), expiresAt: time.UnixMicro(inside.ExpiresAt).UTC()}
	// 2. Whose it is (T38), before the holder of another's code learns anything of it.
	if p.ClientUID == "" || p.ClientUID != g.ClientUID {
		return Redeemable{}, oauth.Refuse(oauth.CodeCodeClientMismatch, p.ClientUID, g.ClientUID)
	}
	// 3. Its minute.
	if err := r.checkTimes(c.now()); err != nil {
		return Redeemable{}, err
	}
	// 4. Where it was sent (RFC 6749 §4.1.3): required if it was said then, compared wherever it is said now.
	if p.RedirectURI != g.RedirectURI && (p.RedirectURI != "" || g.RedirectNamed) {
		return Redeemable{}, oauth.Refuse(oauth.CodeCodeRedirectMismatch, p.RedirectURI, g.RedirectURI)
	}
	// 5. Who began (RFC 7636 §4.6, T34).
	if err := checkVerifier(p.Verifier, g.Challenge); err != nil {
		return Redeemable{}, err
	}
	// 6. The key, if it was named (RFC 9449 §10).
	if g.Thumbprint != "" && g.Thumbprint != p.Thumbprint {
		return Redeemable{}, oauth.Refuse(oauth.CodeCodeKeyMismatch, p.Thumbprint, g.Thumbprint)
	}
	return r, nil
}

func (r Redeemable) checkTimes(now time.Time) error {
	// What this replica finds too long is too long, whatever another one wrote.
	if !now.Before(r.expiresAt) || now.Sub(r.issuedAt) >= Lifetime || r.issuedAt.Sub(now) > skew {
		return oauth.Refuse(oauth.CodeCodeExpired, now.UTC().Format(time.RFC3339), r.expiresAt.Format(time.RFC3339))
	}
	return nil
}

// decode refuses what this version does not know: a binding that it would overlook.
func decode(plaintext []byte) (sealed, error) {
	var inside sealed
	d := json.NewDecoder(bytes.NewReader(plaintext))
	d.DisallowUnknownFields()
	if err := d.Decode(&inside); err != nil {
		return sealed{}, fmt.Errorf("read code: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return sealed{}, errForm
	}
	issued := time.UnixMicro(inside.IssuedAt)
	if inside.IssuedAt == 0 || inside.ExpiresAt == 0 {
		return sealed{}, errIncomplete
	}
	return inside, inside.Grant.validate(issued)
}

const (
	leastVerifier = 43 // RFC 7636 §4.1
	mostVerifier  = 128
)

// checkVerifier compares in constant time; a verifier that is absent is missing, and never "no PKCE".
func checkVerifier(verifier, challenge string) error {
	if verifier == "" {
		return oauth.Refuse(oauth.CodeParameterMissing, "no code_verifier", "code_verifier")
	}
	if len(verifier) < leastVerifier || len(verifier) > mostVerifier || strings.ContainsFunc(verifier, func(r rune) bool { return !isUnreserved(r) }) {
		return oauth.Refuse(oauth.CodeCodeVerifierMalformed, fmt.Sprintf("%d characters", len(verifier)), "43 to 128 unreserved characters")
	}
	digest := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(digest[:])), []byte(challenge)) != 1 {
		return oauth.Refuse(oauth.CodeCodeVerifierMismatch, "a verifier", "the one of the challenge")
	}
	return nil
}

func isUnreserved(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("-._~", r)
}

// isDigest: 43 characters of base64url, the last without loose bits.
func isDigest(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(raw) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}
