package passkey

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

const (
	maxName       = 60
	maxTransports = 8
)

// may tells whether a session may enrol a passkey now.
func (d *Desk) may(t *snapshot.Tenant, s session.Session) error {
	if !d.Allowed(t) {
		return ErrNotAllowed
	}
	if err := own(t, s); err != nil {
		return err
	}
	if !d.Fresh(s) {
		return ErrNotFresh
	}
	return nil
}

// BeginEnrolment gives the options for navigator.credentials.create, in JSON (WebAuthn §5.4). name is what the
// authenticator shows of the person.
func (d *Desk) BeginEnrolment(ctx context.Context, t *snapshot.Tenant, s session.Session, name string) ([]byte, error) {
	if err := d.may(t, s); err != nil {
		return nil, err
	}
	keys, err := d.Store.List(ctx, t.UID, s.UserUID)
	if err != nil {
		return nil, err
	}
	if len(keys) >= Most {
		return nil, ErrFull
	}
	if name == "" {
		name = s.UserUID
	}
	who := person{uid: s.UserUID, name: name, keys: keys}
	creation, begun, err := d.party.BeginRegistration(who,
		webauthn.WithCredentialParameters(parameters()), webauthn.WithExclusions(who.descriptors()))
	if err != nil {
		return nil, err
	}
	if err := d.expect(ctx, t, s, Enrol, begun.Challenge); err != nil {
		return nil, err
	}
	return options(creation)
}

// Enrol takes what the authenticator made (WebAuthn §7.1).
func (d *Desk) Enrol(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, name string, v Visit) (Credential, error) {
	c, err := d.enrol(ctx, t, s, response, name, v)
	if err != nil {
		d.turnAway(t, s, v, err)
		return Credential{}, err
	}
	return c, nil
}

func (d *Desk) enrol(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, name string, v Visit) (Credential, error) {
	if err := d.may(t, s); err != nil {
		return Credential{}, err
	}
	if len(response) > MaxResponse {
		return Credential{}, refused(errors.New("too long"))
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, refused(err)
	}
	challenge, err := d.take(ctx, t, s, Enrol, parsed.Response.CollectedClientData)
	if err != nil {
		return Credential{}, err
	}
	if err := unattested(parsed.Response.AttestationObject); err != nil {
		return Credential{}, err
	}
	made, err := d.party.CreateCredential(person{uid: s.UserUID}, webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: d.party.Config.RPID, UserID: []byte(s.UserUID), UserVerification: protocol.VerificationRequired, CredParams: parameters(),
	}, parsed)
	if err != nil {
		return Credential{}, refused(err)
	}
	if !made.Flags.UserPresent || !made.Flags.UserVerified {
		return Credential{}, refused(errors.New("nobody was verified"))
	}
	now := d.Now()
	c := Credential{
		Tenant: t.UID, UserUID: s.UserUID, ID: id.New(id.Passkey, now), Credential: made.ID, PublicKey: made.PublicKey, SignCount: made.Authenticator.SignCount,
		BackupEligible: made.Flags.BackupEligible, Transports: transportsOf(made.Transport), Name: named(name), CreatedAt: now,
	}
	if err := d.Store.Add(ctx, c, Most, d.event(audit.TypePasskeyEnrolled, audit.Changed, t, s.UserUID, c.ID, v)); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// unattested: no attestation was asked for. A browser may leave an authenticator's own signature over its own key
// (WebAuthn §5.1.3 step 22); statements that certificates or other parties stand behind are not read at all.
func unattested(o protocol.AttestationObject) error {
	_, certified := o.AttStatement["x5c"]
	switch format := protocol.AttestationFormat(o.Format); {
	case format == protocol.AttestationFormatNone && len(o.AttStatement) == 0, format == protocol.AttestationFormatPacked && !certified:
		return nil
	}
	return refused(errors.New("an attestation that nobody asked for"))
}

// transportsOf keeps what browsers need to find the authenticator again, of a form that fits.
func transportsOf(sent []protocol.AuthenticatorTransport) []string {
	var kept []string
	for _, t := range sent {
		if len(kept) < maxTransports && len(t) <= 20 && t != "" && strings.Trim(string(t), "abcdefghijklmnopqrstuvwxyz-") == "" {
			kept = append(kept, string(t))
		}
	}
	return kept
}

// named is what the person calls a passkey: text of one line, bounded.
func named(name string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	for utf8.RuneCountInString(name) > maxName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	if name == "" {
		return "Passkey"
	}
	return name
}
