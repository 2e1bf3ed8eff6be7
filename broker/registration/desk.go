package registration

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Lane takes the refusals of callers who are not authenticated.
type Lane interface {
	Add(e audit.Event, source string)
}

// Budget bounds how often an address may come; *limit.Limiter[netip.Prefix] does.
type Budget interface {
	Take(address netip.Prefix) (wait time.Duration, ok bool)
}

// Config is what a Desk needs; all but Changed is required.
type Config struct {
	Store  Store
	Lane   Lane
	Budget Budget
	Now    func() time.Time
	Log    *slog.Logger
	// Changed is told of a version that this process made, and of whom it is about, so that it answers nothing older.
	Changed func(t tenant.UID, version int64, uids ...string)
}

// Desk is where clients register.
type Desk struct{ Config }

// New refuses a configuration in which a part is missing.
func New(c Config) (*Desk, error) {
	if c.Store == nil || c.Lane == nil || c.Budget == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("registration: a part is missing")
	}
	if c.Changed == nil {
		c.Changed = func(tenant.UID, int64, ...string) {}
	}
	return &Desk{c}, nil
}

// Rate is how often one address may come to the desk, whatever it wants there.
func Rate() limit.Rate { return limit.Rate{Count: 20, Per: time.Minute, Burst: 20} }

// Request is a request to the desk, decoded once.
type Request struct {
	Tenant   *snapshot.Tenant
	Trace    string
	Remote   string
	Bearer   string // the credential that was sent, "" for none
	ClientID string // of the path, "" at the registration endpoint itself
	Body     []byte
}

// String leaves the credential and the body out.
func (r Request) String() string { return "registration request " + r.Trace }

// LogValue is String, for slog.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Register is RFC 7591 §3.1.
func (d *Desk) Register(ctx context.Context, r Request) ([]byte, error) {
	body, err := d.register(ctx, r)
	return body, d.refused(r, err)
}

func (d *Desk) register(ctx context.Context, r Request) ([]byte, error) {
	rules := r.Tenant.Registration.Dynamic
	// 1. Whether anybody may, and this one, before what he says is read.
	if err := d.enter(r, rules); err != nil {
		return nil, err
	}
	var initial *Digest
	if rules.Mode == snapshot.DynamicToken || r.Bearer != "" { // who shows a credential wants it to count
		if r.Bearer == "" {
			return nil, oauth.Refuse(oauth.CodeRegistrationTokenMissing, "no credential", "an initial access token")
		}
		digest, ok := digestOf(r.Bearer, InitialPrefix)
		if !ok {
			return nil, oauth.Refuse(oauth.CodeRegistrationTokenInvalid, "no initial access token", "an initial access token")
		}
		initial = &digest
	}
	// 2. What it says.
	members, err := read(r.Body)
	if err != nil {
		return nil, err
	}
	m, err := parse(members, rules)
	if err != nil {
		return nil, err
	}
	// 3. Who it is, from now on.
	now := d.Now()
	record := Record{
		Tenant: r.Tenant.UID, ClientID: id.New(id.DynamicClient, now), Revision: 1, Metadata: m, CreatedAt: now, UpdatedAt: now, UsedAt: now,
	}
	access, accessDigest := credential(AccessPrefix)
	record.Access = accessDigest
	var secretText secret.Text
	if m.usesSecret() {
		var made client.SecretDigest
		secretText, made = client.NewSecret(now)
		digest := Digest(made.Digest)
		record.Secret = &digest
	}
	err = d.Store.Add(ctx, record, rules.MaxClients, initial, d.event(r, now, audit.TypeClientRegistered, record.ClientID))
	switch {
	case errors.Is(err, ErrToken):
		return nil, oauth.Fail(oauth.CodeRegistrationTokenInvalid, err)
	case errors.Is(err, ErrFull):
		return nil, oauth.Fail(oauth.CodeRegistrationFull, err)
	case err != nil:
		return nil, unavailable(err)
	}
	d.Changed(r.Tenant.UID, 0, record.ClientID)
	return record.answer(r.Tenant.Issuer, rules.Scopes, secretText.Reveal(), access.Reveal())
}

// enter: registration is on, and the address has not come too often.
func (d *Desk) enter(r Request, rules snapshot.Dynamic) error {
	if wait, ok := d.Budget.Take(limit.Address(r.Remote)); !ok {
		return &oauth.Error{Code: oauth.CodeAddressRateExceeded, RetryAfter: wait}
	}
	if !on(rules) {
		return oauth.Refuse(oauth.CodeRegistrationOff, string(rules.Mode), "registration.dcr of the tenant")
	}
	return nil
}

// on: absent, and whatever else the mode says, is off.
func on(rules snapshot.Dynamic) bool {
	return (rules.Mode == snapshot.DynamicOpen || rules.Mode == snapshot.DynamicToken) && rules.MaxClients > 0 && rules.Lifetime > 0
}

// Read is RFC 7592 §2.1. Credentials are not shown again.
func (d *Desk) Read(ctx context.Context, r Request) ([]byte, error) {
	record, err := d.own(ctx, r)
	if err != nil {
		return nil, d.refused(r, err)
	}
	return record.answer(r.Tenant.Issuer, r.Tenant.Registration.Dynamic.Scopes, "", "")
}

// own finds the registration that a credential is for. Whatever is wrong with it, there being no such client included, the
// answer is one (RFC 7592 §2.1).
func (d *Desk) own(ctx context.Context, r Request) (Record, error) {
	if err := d.enter(r, r.Tenant.Registration.Dynamic); err != nil {
		return Record{}, err
	}
	if r.Bearer == "" {
		return Record{}, oauth.Refuse(oauth.CodeRegistrationTokenMissing, "no credential", "the registration access token")
	}
	digest, ok := digestOf(r.Bearer, AccessPrefix)
	if !ok || !IsClientID(r.ClientID) {
		return Record{}, oauth.Refuse(oauth.CodeRegistrationTokenInvalid, "no registration access token", "the client's own")
	}
	record, err := d.Store.Find(ctx, r.Tenant.UID, r.ClientID)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return Record{}, unavailable(err)
	}
	same := subtle.ConstantTimeCompare(digest[:], record.Access[:]) == 1
	if err != nil || !same || record.ClientID != r.ClientID {
		return Record{}, oauth.Refuse(oauth.CodeRegistrationTokenInvalid, "another token", "the client's own")
	}
	return record, nil
}

// Replace is RFC 7592 §2.2: all that the client says of itself, anew. Its client_id stays, and its secret, unless it did not
// have one or does not use one any more; the registration access token does not.
func (d *Desk) Replace(ctx context.Context, r Request) ([]byte, error) {
	body, err := d.replace(ctx, r)
	return body, d.refused(r, err)
}

func (d *Desk) replace(ctx context.Context, r Request) ([]byte, error) {
	record, err := d.own(ctx, r)
	if err != nil {
		return nil, err
	}
	rules := r.Tenant.Registration.Dynamic
	members, err := read(r.Body)
	if err != nil {
		return nil, err
	}
	if err := sameClient(members, record); err != nil {
		return nil, err
	}
	m, err := parse(members, rules)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	record.Revision++
	record.Metadata, record.UpdatedAt, record.UsedAt = m, now, now
	access, accessDigest := credential(AccessPrefix)
	record.Access = accessDigest
	var secretText secret.Text
	switch {
	case !m.usesSecret():
		record.Secret = nil
	case record.Secret == nil:
		var made client.SecretDigest
		secretText, made = client.NewSecret(now)
		digest := Digest(made.Digest)
		record.Secret = &digest
	}
	version, err := d.Store.Replace(ctx, record, d.event(r, now, audit.TypeRegistrationChanged, record.ClientID))
	switch {
	case errors.Is(err, ErrMoved), errors.Is(err, ErrUnknown): // the credential that was shown is not its own any more
		return nil, oauth.Fail(oauth.CodeRegistrationTokenInvalid, err)
	case err != nil:
		return nil, unavailable(err)
	}
	d.Changed(r.Tenant.UID, version, record.ClientID)
	return record.answer(r.Tenant.Issuer, rules.Scopes, secretText.Reveal(), access.Reveal())
}

// sameClient: RFC 7592 §2.2: client_id MUST be there and the client's own, a client_secret that is there MUST be the one it
// has, and what the server alone says MUST NOT be there.
func sameClient(members map[string]any, record Record) error {
	if named, _ := members["client_id"].(string); named != record.ClientID {
		return oauth.Refuse(oauth.CodeRegistrationClientMismatch, clip(named), record.ClientID)
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, present := members[name]; present {
			return oauth.Refuse(oauth.CodeRegistrationClientMismatch, name, "no such member")
		}
	}
	shown, present := members["client_secret"]
	if !present {
		return nil
	}
	text, _ := shown.(string)
	digest, _ := digestOf(text, client.SecretPrefix)
	if record.Secret == nil || subtle.ConstantTimeCompare(digest[:], record.Secret[:]) != 1 {
		return oauth.Refuse(oauth.CodeRegistrationClientMismatch, "another client_secret", "the client's own, or none")
	}
	return nil
}

// Remove is RFC 7592 §2.3: the client is gone, and everything that it was given ends with it.
func (d *Desk) Remove(ctx context.Context, r Request) error {
	record, err := d.own(ctx, r)
	if err != nil {
		return d.refused(r, err)
	}
	now := d.Now()
	gone, version, err := d.Store.Remove(ctx, r.Tenant.UID, []string{record.ClientID}, time.Time{}, until(now), func([]string) audit.Event {
		return d.event(r, now, audit.TypeRegistrationRemoved, record.ClientID)
	})
	if err != nil {
		return d.refused(r, unavailable(err))
	}
	if len(gone) == 0 { // somebody else was first
		return d.refused(r, oauth.Fail(oauth.CodeRegistrationTokenInvalid, ErrUnknown))
	}
	d.Changed(r.Tenant.UID, version, gone...)
	return nil
}

// until is when nothing is alive any more that was given before now.
func until(now time.Time) time.Time {
	return now.Add(max(object.MaxTokenLifetime, refresh.MaxAbsolute) + ledger.Margin)
}

const retryAfter = 2 * time.Second

func unavailable(err error) error {
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: fmt.Errorf("registrations: %w", err), RetryAfter: retryAfter}
}

func (d *Desk) event(r Request, now time.Time, kind audit.Type, clientID string) audit.Event {
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: r.Tenant.UID, Trace: r.Trace, Type: kind, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "client", Name: clientID}, Remote: r.Remote, Detail: map[string]string{"client_id": clientID},
	}
}

// refused records a refusal in the bounded lane: nobody who comes here is known.
func (d *Desk) refused(r Request, err error) error {
	if err == nil {
		return nil
	}
	refusal := oauth.AsError(err)
	now := d.Now()
	d.Lane.Add(audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: r.Tenant.UID, Trace: r.Trace, Type: audit.TypeRequestRefused, Outcome: audit.Refused,
		Code: string(refusal.Code), Principal: audit.Principal{Kind: "anonymous"}, Remote: r.Remote,
		Detail: map[string]string{"endpoint": "register"},
	}, limit.Address(r.Remote).String())
	return refusal
}
