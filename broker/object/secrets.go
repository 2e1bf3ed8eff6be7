package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Secret is a client's live secret as it rests: its digest, never itself.
type Secret struct {
	ID        string
	ClientUID string
	Scheme    string
	Digest    []byte
	CreatedAt time.Time
}

// Secrets keeps the secrets of clients. A client that is deleted loses its own.
type Secrets interface {
	// Secrets lists a client's live secrets, the oldest first.
	Secrets(ctx context.Context, t tenant.UID, clientUID string) ([]Secret, error)
	// AddSecret gives a client one more, ErrTooManySecrets if it has client.MaxLiveSecrets.
	AddSecret(ctx context.Context, t tenant.UID, s Secret, e audit.Event) (version int64, err error)
	// RevokeSecret ends one, ErrNotFound if it is not live.
	RevokeSecret(ctx context.Context, t tenant.UID, clientUID, id string, at time.Time, e audit.Event) (version int64, err error)
}

// What an operation on secrets is refused for.
var (
	ErrTooManySecrets = fmt.Errorf("the client has %d live secrets: revoke one first", client.MaxLiveSecrets)
	ErrNoSecretClient = errors.New("the client's method is not a shared secret")
	ErrSuppliedSecret = errors.New("the client's secret is the one that the configuration refers to")
)

// NewSecret is a generated secret, to be shown once.
type NewSecret struct {
	ID        string
	Text      secret.Text
	CreatedAt time.Time
}

// AddSecret generates a secret for a client: 256 bits, of which a digest is kept.
func (p *Path) AddSecret(ctx context.Context, tenantName, name string, r Request) (NewSecret, error) {
	stored, spec, err := p.client(ctx, tenantName, name)
	if err != nil {
		return NewSecret{}, err
	}
	if !spec.Auth.UsesSecret() {
		return NewSecret{}, fmt.Errorf("client %s: %w (%s): expected client_secret_basic or client_secret_post", name, ErrNoSecretClient, spec.Auth.Method)
	}
	if !spec.Auth.Secret.IsZero() {
		return NewSecret{}, fmt.Errorf("client %s: %w: change it there", name, ErrSuppliedSecret)
	}
	live, err := p.c.Secrets.Secrets(ctx, stored.Tenant, stored.UID)
	if err != nil {
		return NewSecret{}, err
	}
	if len(live) >= client.MaxLiveSecrets {
		return NewSecret{}, ErrTooManySecrets
	}
	now := p.c.Now()
	text, digest := client.NewSecret(now)
	kept := Secret{ID: digest.ID, ClientUID: stored.UID, Scheme: client.SchemeSHA256, Digest: digest.Digest[:], CreatedAt: now}
	if _, err := p.c.Secrets.AddSecret(ctx, stored.Tenant, kept, p.secretEvent(stored, r, audit.TypeSecretCreated, kept.ID)); err != nil {
		return NewSecret{}, err
	}
	return NewSecret{ID: kept.ID, Text: text, CreatedAt: now}, nil
}

// LiveSecrets lists a client's live secrets; what they are is not known.
func (p *Path) LiveSecrets(ctx context.Context, tenantName, name string) ([]Secret, error) {
	stored, _, err := p.client(ctx, tenantName, name)
	if err != nil {
		return nil, err
	}
	return p.c.Secrets.Secrets(ctx, stored.Tenant, stored.UID)
}

// RevokeSecret ends one secret at once.
func (p *Path) RevokeSecret(ctx context.Context, tenantName, name, secretID string, r Request) error {
	stored, _, err := p.client(ctx, tenantName, name)
	if err != nil {
		return err
	}
	_, err = p.c.Secrets.RevokeSecret(ctx, stored.Tenant, stored.UID, secretID, p.c.Now(), p.secretEvent(stored, r, audit.TypeSecretRevoked, secretID))
	return err
}

func (p *Path) client(ctx context.Context, tenantName, name string) (Stored, *ClientSpec, error) {
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return Stored{}, nil, err
	}
	stored, err := p.c.Store.Get(ctx, owner.Tenant, KindClient, name)
	if err != nil {
		return Stored{}, nil, err
	}
	spec, err := ParseSpec(KindClient, stored.Spec)
	if err != nil {
		return Stored{}, nil, err
	}
	c, ok := spec.(*ClientSpec)
	if !ok {
		return Stored{}, nil, ErrNotFound
	}
	return stored, c, nil
}

func (p *Path) secretEvent(s Stored, r Request, kind audit.Type, secretID string) audit.Event {
	e := p.event(s.Tenant, r, kind)
	e.Client = s.Name
	e.Detail = map[string]string{"secret": secretID, "uid": s.UID, "manager": r.Manager}
	return e
}

// noReference: a reference is read on the machine of the server. Whoever may write
// over the API may not thereby read its files and environment.
func noReference(o *Object) error {
	if t, ok := o.Spec.(*TenantSpec); ok && t.Branding.Logo.File != "" {
		return &Invalid{Problems: []Problem{{
			Object: o.Label(), Path: "spec.branding.logo.file", Code: "file_reference",
			Text: "files are read only for objects of the configuration file: give the picture as logo.data, in base64",
		}}}
	}
	c, ok := o.Spec.(*ClientSpec)
	if !ok || c.Auth.Secret.IsZero() {
		return nil
	}
	return &Invalid{Problems: []Problem{{
		Object: o.Label(), Path: "spec.auth.secret", Code: "secret_reference",
		Text: "references are resolved only for objects of the configuration file; leave it out, and make a secret with POST …/clients/" +
			o.Metadata.Name + "/secrets",
	}}}
}

// supply makes the secrets that the configuration refers to the clients' only
// ones, also where the object did not change: the file behind the reference may
// have. Where a reference is gone, so is its secret. One that is not there, or too
// short, refuses the apply.
func (d *draft) supply(ctx context.Context, wrong *findings) error {
	for _, e := range d.entries {
		if e.object == nil || e.after.Kind != KindClient {
			continue
		}
		c, ok := e.object.Spec.(*ClientSpec)
		if !ok {
			continue
		}
		var err error
		switch {
		case !c.Auth.Secret.IsZero() && d.request.Manager == ManagerConfig:
			digest, missing := d.path.resolve(c.Auth.Secret)
			if missing != nil {
				wrong.problems = append(wrong.problems, Problem{
					Object: e.object.Label(), Path: "spec.auth.secret", Code: "secret_missing", Text: c.Auth.Secret.String() + ": " + missing.Error(),
				})
				continue
			}
			err = d.exactly(ctx, e, digest)
		case c.Auth.Secret.IsZero() && hadReference(e.before):
			err = d.exactly(ctx, e, nil)
		}
		if err != nil {
			return fmt.Errorf("%s: spec.auth.secret: %w", e.object.Label(), err)
		}
	}
	return nil
}

// exactly makes a digest a client's only live secret; nil leaves it none.
func (d *draft) exactly(ctx context.Context, e entry, digest []byte) error {
	now := d.path.c.Now()
	held := false
	if e.before != nil {
		live, err := d.path.c.Secrets.Secrets(ctx, d.uid, e.after.UID)
		if err != nil {
			return err
		}
		for _, old := range live {
			if digest != nil && bytes.Equal(old.Digest, digest) {
				held = true
				continue
			}
			d.secrets = append(d.secrets, SecretChange{ClientUID: e.after.UID, Revoke: old.ID, At: now})
			d.told = append(d.told, d.path.secretEvent(e.after, d.request, audit.TypeSecretRevoked, old.ID))
		}
	}
	if digest == nil || held {
		return nil
	}
	kept := &Secret{ID: id.New(id.Secret, now), ClientUID: e.after.UID, Scheme: client.SchemeSHA256, Digest: digest, CreatedAt: now}
	d.secrets = append(d.secrets, SecretChange{ClientUID: e.after.UID, Add: kept, At: now})
	d.told = append(d.told, d.path.secretEvent(e.after, d.request, audit.TypeSecretCreated, kept.ID))
	return nil
}

func hadReference(before *Stored) bool {
	if before == nil {
		return false
	}
	spec, err := ParseSpec(KindClient, before.Spec)
	if err != nil {
		return true // what cannot be read may have had one
	}
	c, ok := spec.(*ClientSpec)
	return ok && !c.Auth.Secret.IsZero()
}

func (p *Path) resolve(r SecretRef) ([]byte, error) {
	if p.c.Resolve == nil {
		return nil, errors.New("references are not resolved here")
	}
	text, err := p.c.Resolve(r)
	if err != nil {
		return nil, err
	}
	digest, err := client.SupplySecret(text)
	if err != nil {
		return nil, err
	}
	return digest.Digest[:], nil
}
