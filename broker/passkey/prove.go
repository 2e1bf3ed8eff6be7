package passkey

import (
	"context"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// BeginProof gives the options for navigator.credentials.get, in JSON (WebAuthn §5.5): with the person's own passkeys.
func (d *Desk) BeginProof(ctx context.Context, t *snapshot.Tenant, s session.Session) ([]byte, error) {
	if !d.Allowed(t) {
		return nil, ErrNotAllowed
	}
	if err := own(t, s); err != nil {
		return nil, err
	}
	keys, err := d.Store.List(ctx, t.UID, s.UserUID)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ErrNone
	}
	assertion, begun, err := d.party.BeginLogin(person{uid: s.UserUID, name: s.UserUID, keys: keys}, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	if err := d.expect(ctx, t, s, Prove, begun.Challenge); err != nil {
		return nil, err
	}
	return options(assertion)
}

// Prove takes an assertion of one of the person's passkeys (WebAuthn §7.2). What it proves is for the session to be raised
// with.
func (d *Desk) Prove(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, v Visit) (session.Proof, error) {
	p, err := d.prove(ctx, t, s, response, v)
	if err != nil {
		d.turnAway(t, s, v, err)
		return session.Proof{}, err
	}
	return p, nil
}

func (d *Desk) prove(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, v Visit) (session.Proof, error) {
	if !d.Allowed(t) {
		return session.Proof{}, ErrNotAllowed
	}
	if err := own(t, s); err != nil {
		return session.Proof{}, err
	}
	if len(response) > MaxResponse {
		return session.Proof{}, refused(errors.New("too long"))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return session.Proof{}, refused(err)
	}
	// 1. The challenge is this session's, and is used up now.
	challenge, err := d.take(ctx, t, s, Prove, parsed.Response.CollectedClientData)
	if err != nil {
		return session.Proof{}, err
	}
	// 2. The credential is one of this person's, as it is registered at this moment.
	keys, err := d.Store.List(ctx, t.UID, s.UserUID)
	if err != nil {
		return session.Proof{}, err
	}
	used, ok := find(keys, s.UserUID, parsed.RawID)
	if !ok {
		return session.Proof{}, refused(errors.New("another person's credential, or none that is known"))
	}
	// 3. Type, challenge, origin, relying party, presence, verification, signature.
	who := person{uid: s.UserUID, keys: []Credential{used}}
	made, err := d.party.ValidateLogin(who, webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: d.party.Config.RPID, UserID: who.WebAuthnID(),
		AllowedCredentialIDs: [][]byte{used.Credential}, UserVerification: protocol.VerificationRequired,
	}, parsed)
	if err != nil {
		return session.Proof{}, refused(err)
	}
	flags := parsed.Response.AuthenticatorData.Flags
	if !flags.HasUserPresent() || !flags.HasUserVerified() {
		return session.Proof{}, refused(errors.New("nobody was verified"))
	}
	// 4. Its counter goes on (§7.2 step 22): one that does not is of a copy. Many passkeys have none, which is always 0.
	if made.Authenticator.CloneWarning {
		return session.Proof{}, refused(errors.New("a signature counter that did not go on"))
	}
	// 5. Noted, unless somebody else used it in this moment.
	now, from := d.Now(), used.SignCount
	used.SignCount, used.UsedAt = made.Authenticator.SignCount, now
	if err := d.Store.Use(ctx, used, from, d.event(audit.TypePasskeyUsed, audit.Allowed, t, s.UserUID, used.ID, v)); err != nil {
		return session.Proof{}, err
	}
	return session.Proof{ACR: session.ACRPasskey, AMR: []string{"hwk", "user"}, AuthTime: now}, nil // RFC 8176 §2
}

func find(keys []Credential, userUID string, credential []byte) (Credential, bool) {
	for _, c := range keys {
		if c.UserUID == userUID && len(credential) > 0 && string(c.Credential) == string(credential) {
			return c, true
		}
	}
	return Credential{}, false
}
