package lifecycle

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Party is an object that took part, by its uid, and by its name if it is still there.
type Party struct {
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"`
}

// Lineage is where a token comes from and what became of it.
type Lineage struct {
	ID         string    `json:"jti"`
	State      State     `json:"state"`
	End        *End      `json:"revoked,omitempty"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	GrantType  string    `json:"grant_type"`
	Subject    Party     `json:"subject"` // a user, or the client for itself
	Client     Party     `json:"client"`
	IdP        *Party    `json:"idp,omitempty"`
	Resource   Party     `json:"resource"`
	Audience   string    `json:"audience"`
	Scope      string    `json:"scope"`
	Thumbprint string    `json:"jkt,omitempty"` // of the key that it is bound to
	KeyID      string    `json:"kid"`           // of the key that signed it
	Decision   string    `json:"decision_id,omitempty"`
	Trace      string    `json:"trace,omitempty"`
	// Of the assertion that was redeemed for it, where the audit log has it.
	AssertionID string `json:"assertion_jti,omitempty"`
	AssertionBy string `json:"assertion_iss,omitempty"`
}

// Lineage tells of one token.
func (r *Revoker) Lineage(ctx context.Context, t tenant.UID, jti string) (Lineage, error) {
	found, err := r.Tokens.Find(ctx, t, jti)
	if err != nil {
		return Lineage{}, err
	}
	told, err := r.tell(ctx, t, found, map[string]string{})
	if err != nil {
		return Lineage{}, err
	}
	events, err := r.Events.FindTrace(ctx, t, found.Trace)
	if err != nil { // the log may be shorter than the records, or its body erased
		r.Log.Debug("a token's event was not found", "jti", jti, "error", err)
		return told, nil
	}
	for _, e := range events {
		if e.Type == audit.TypeTokenIssued && e.TokenID == jti {
			told.AssertionID, told.AssertionBy = e.AssertionID, e.AssertionBy
		}
	}
	return told, nil
}

// Query narrows a list of tokens. At most one of Client, User and IdP is set: a name or a uid.
type Query struct {
	Client, User, IdP string
	LiveOnly          bool
	Since             time.Time // zero: as long ago as a token can live
	After             Ref
	Limit             int
}

// ErrQuery says that a list was asked for in two ways.
var ErrQuery = errors.New("tokens are listed of a client, of a user or of an IdP, one of them")

// List tells of many tokens, the newest first, without what only the audit log has.
func (r *Revoker) List(ctx context.Context, t tenant.UID, q Query) ([]Lineage, error) {
	f := Filter{LiveOnly: q.LiveOnly, Since: q.Since, After: q.After, Limit: q.Limit}
	if f.Since.IsZero() {
		f.Since = r.Now().Add(-object.MaxTokenLifetime)
	}
	for _, by := range []struct {
		kind  Kind
		which string
	}{{Client, q.Client}, {User, q.User}, {IdP, q.IdP}} {
		if by.which == "" {
			continue
		}
		if f.Holder.Kind != "" {
			return nil, ErrQuery
		}
		h, _, err := r.holder(ctx, t, by.kind, by.which)
		if err != nil {
			return nil, err
		}
		f.Holder = h
	}
	found, err := r.Tokens.List(ctx, t, f)
	if err != nil {
		return nil, err
	}
	told := make([]Lineage, len(found))
	names := map[string]string{}
	for i, one := range found {
		if told[i], err = r.tell(ctx, t, one, names); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// tell gives a record its names. names remembers those that were looked up.
func (r *Revoker) tell(ctx context.Context, t tenant.UID, i Issued, names map[string]string) (Lineage, error) {
	told := Lineage{
		ID: i.ID, State: i.State(r.Now()), End: i.End, IssuedAt: i.IssuedAt, ExpiresAt: i.ExpiresAt, GrantType: i.GrantType,
		Audience: i.Audience, Scope: i.Scope, Thumbprint: i.Thumbprint, KeyID: i.KeyID, Decision: i.DecisionID, Trace: i.Trace,
	}
	subject, subjectUID := object.KindUser, i.Subject
	if !strings.HasPrefix(i.Subject, string(id.User)+"_") { // the client for itself, by its client_id
		subject, subjectUID = object.KindClient, i.ClientUID
	}
	parties := []struct {
		into *Party
		kind object.Kind
		uid  string
	}{
		{&told.Subject, subject, subjectUID},
		{&told.Client, object.KindClient, i.ClientUID},
		{&told.Resource, object.KindResource, i.ResourceID},
	}
	if i.IdPUID != "" {
		told.IdP = &Party{}
		parties = append(parties, struct {
			into *Party
			kind object.Kind
			uid  string
		}{told.IdP, object.KindIdentityProvider, i.IdPUID})
	}
	for _, p := range parties {
		p.into.UID = p.uid
		name, known := names[p.uid]
		if !known {
			stored, err := r.Objects.ByUID(ctx, t, p.kind, p.uid)
			if err != nil && !errors.Is(err, object.ErrNotFound) {
				return Lineage{}, err
			}
			name = stored.Name // "" where it is gone
			names[p.uid] = name
		}
		p.into.Name = name
	}
	return told, nil
}
