package passkey

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Lane takes events of which there may be any number.
type Lane interface {
	Add(e audit.Event, source string)
}

// Config is what a desk needs; every part is required.
type Config struct {
	Store Store
	Lane  Lane
	Now   func() time.Time
	// PublicURL is the server's: its host is the relying party's id, its origin the only one.
	PublicURL string
}

// Desk enrols passkeys and takes what they prove.
type Desk struct {
	Config
	party *webauthn.WebAuthn // nil: no passkey can exist for the server's address
	// origin is compared to the byte.
	origin string
}

// parameters are the algorithms of new passkeys, the preferred first.
func parameters() []protocol.CredentialParameter {
	return []protocol.CredentialParameter{
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
	}
}

// New refuses a desk in which a part is missing.
func New(c Config) (*Desk, error) {
	if c.Store == nil || c.Lane == nil || c.Now == nil {
		return nil, errors.New("passkey: a part is missing")
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || u.Scheme == "" {
		return nil, fmt.Errorf("passkey: the public URL %q has no host", c.PublicURL)
	}
	d := &Desk{Config: c, origin: u.Scheme + "://" + u.Host}
	if net.ParseIP(u.Hostname()) != nil { // WebAuthn §5.1.2: an address is no relying party's id
		return d, nil
	}
	d.party, err = webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: u.Hostname(), RPOrigins: []string{d.origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: ChallengeLifetime, TimeoutUVD: ChallengeLifetime},
			Registration: webauthn.TimeoutConfig{Timeout: ChallengeLifetime, TimeoutUVD: ChallengeLifetime},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	return d, nil
}

// Allowed tells whether people of a tenant may have passkeys.
func (d *Desk) Allowed(t *snapshot.Tenant) bool { return t.SignIn.Passkeys && d.party != nil }

// Fresh tells whether the sign-in at the IdP is recent enough to enrol a passkey. A passkey makes no sign-in fresh: else
// one that was stolen could enrol the next. What the IdP says of the time counts where it says it; else the session's own
// beginning does.
func (d *Desk) Fresh(s session.Session) bool {
	at := s.StartedAt
	if !session.IsOwnACR(s.Proof.ACR) && !s.Proof.AuthTime.IsZero() {
		at = s.Proof.AuthTime
	}
	return !at.IsZero() && d.Now().Sub(at) <= Freshness
}

// List gives a person's passkeys.
func (d *Desk) List(ctx context.Context, t *snapshot.Tenant, userUID string) ([]Credential, error) {
	if userUID == "" {
		return nil, nil
	}
	return d.Store.List(ctx, t.UID, userUID)
}

// Visit is where somebody comes from, for the record.
type Visit struct{ Trace, Remote string }

// Remove takes a passkey from a person. It works where passkeys are not allowed any more.
func (d *Desk) Remove(ctx context.Context, t *snapshot.Tenant, userUID, passkeyID string, v Visit) error {
	if userUID == "" || passkeyID == "" {
		return ErrGone
	}
	return d.Store.Remove(ctx, t.UID, userUID, passkeyID, d.event(audit.TypePasskeyRemoved, audit.Changed, t, userUID, passkeyID, v))
}

// person is a user as WebAuthn sees him: his handle is our own immutable id of him.
type person struct {
	uid, name string
	keys      []Credential
}

func (p person) WebAuthnID() []byte          { return []byte(p.uid) }
func (p person) WebAuthnName() string        { return p.name }
func (p person) WebAuthnDisplayName() string { return p.name }

func (p person) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, 0, len(p.keys))
	for _, c := range p.keys {
		transports := make([]protocol.AuthenticatorTransport, 0, len(c.Transports))
		for _, t := range c.Transports {
			transports = append(transports, protocol.AuthenticatorTransport(t))
		}
		all = append(all, webauthn.Credential{
			ID: c.Credential, PublicKey: c.PublicKey, Transport: transports, AttestationFormat: string(protocol.AttestationFormatNone),
			Flags: webauthn.CredentialFlags{UserVerified: true, BackupEligible: c.BackupEligible}, Authenticator: webauthn.Authenticator{SignCount: c.SignCount},
		})
	}
	return all
}

func (p person) descriptors() []protocol.CredentialDescriptor {
	return webauthn.Credentials(p.WebAuthnCredentials()).CredentialDescriptors()
}

// own refuses a session that is not of the tenant, or of nobody.
func own(t *snapshot.Tenant, s session.Session) error {
	if s.Tenant != t.UID || s.UserUID == "" || s.Handle == [32]byte{} {
		return ErrNotAllowed
	}
	return nil
}

// expect keeps a challenge for a session.
func (d *Desk) expect(ctx context.Context, t *snapshot.Tenant, s session.Session, p Purpose, challenge string) error {
	return d.Store.Expect(ctx, Challenge{
		Handle: sha256.Sum256([]byte(challenge)), Tenant: t.UID, UserUID: s.UserUID, Session: s.Handle, Purpose: p, ExpiresAt: d.Now().Add(ChallengeLifetime),
	})
}

// take uses up the challenge that a browser's answer names, before anything else of the answer is looked at, and gives it
// back as it was sent. It was made for this session and purpose.
func (d *Desk) take(ctx context.Context, t *snapshot.Tenant, s session.Session, p Purpose, client protocol.CollectedClientData) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(client.Challenge)
	if err != nil || len(raw) < 16 {
		return "", ErrGone
	}
	now := d.Now()
	c, err := d.Store.Take(ctx, t.UID, sha256.Sum256([]byte(client.Challenge)), now)
	if err != nil {
		return "", err
	}
	if c.Tenant != t.UID || c.UserUID != s.UserUID || c.Session != s.Handle || c.Purpose != p || !now.Before(c.ExpiresAt) {
		return "", ErrGone
	}
	if client.Origin != d.origin || client.CrossOrigin || client.TopOrigin != "" { // WebAuthn §7.1, §7.2: to the byte, and never in a frame
		return "", refused(errors.New("another origin"))
	}
	return client.Challenge, nil
}

func refused(cause error) error {
	if told, ok := errors.AsType[*protocol.Error](cause); ok {
		cause = errors.New(strings.TrimSpace(told.Details))
	}
	return fmt.Errorf("%w: %w", ErrRefused, cause)
}

// turnAway records that nothing was proved.
func (d *Desk) turnAway(t *snapshot.Tenant, s session.Session, v Visit, err error) {
	if !errors.Is(err, ErrRefused) && !errors.Is(err, ErrGone) && !errors.Is(err, ErrTaken) {
		return
	}
	e := d.event(audit.TypePasskeyRefused, audit.Refused, t, s.UserUID, "", v)
	e.Checks = []audit.Check{{Name: "passkey", Received: err.Error()}}
	d.Lane.Add(e, v.Remote)
}

func (d *Desk) event(kind audit.Type, outcome audit.Outcome, t *snapshot.Tenant, userUID, passkeyID string, v Visit) audit.Event {
	now := d.Now()
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t.UID, Trace: v.Trace, Type: kind, Outcome: outcome, Remote: v.Remote,
		Principal: audit.Principal{Kind: "user", ID: userUID}, OnBehalf: userUID,
	}
	if passkeyID != "" {
		e.Detail = map[string]string{"passkey": passkeyID}
	}
	return e
}

// options are what a page hands to the browser.
func options(of any) ([]byte, error) { return json.Marshal(of) }
