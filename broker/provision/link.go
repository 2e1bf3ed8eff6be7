package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// relinks bounds how often a user is read again because somebody changed him meanwhile.
const relinks = 3

// Link adds an identity to a user. That it is asked for by somebody who has just shown that both are his is the caller's to
// know. An identity that is the user's already is no error; one that is anybody else's is refused.
func (p *Provisioner) Link(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, userUID string, ids federation.Identifiers) error {
	if ids.IdPUID != idp.UID || userUID == "" {
		return federation.ErrForeignIdentifiers
	}
	if ids.Subject == "" && (ids.SubID.IsZero() || ids.SubID.Format() == federation.FormatEmail) {
		return oauth.Refuse(oauth.CodeIdentityUnlinkable, "no subject that stays", "a subject")
	}
	for again := 0; ; again++ {
		err := p.link(ctx, t, idp, userUID, ids)
		if again < relinks && (errors.Is(err, object.ErrPrecondition) || errors.Is(err, object.ErrConflict)) {
			continue
		}
		return err
	}
}

func (p *Provisioner) link(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, userUID string, ids federation.Identifiers) error {
	identity := identityOf(idp, ids.Tenant, ids.Subject, ids.SubID)
	has, err := p.holds(ctx, t, idp, userUID, ids)
	if err != nil || has {
		return err
	}
	stored, err := p.Objects.ByUID(ctx, t.UID, object.KindUser, userUID)
	if err != nil {
		return err
	}
	if stored.ManagedBy == object.ManagerConfig {
		return oauth.Refuse(oauth.CodeIdentityUnlinkable, "a user of the configuration file", "a user who is kept here")
	}
	parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		return err
	}
	before, ok := parsed.(*object.UserSpec)
	if !ok {
		return fmt.Errorf("user %s is stored as %s", stored.Name, stored.Kind)
	}
	if before.WithDefaults().Status != object.StatusActive {
		return oauth.Refuse(oauth.CodeSubjectDisabled, before.Status, federation.StatusActive)
	}
	if !live(t, stored, before) {
		return oauth.Refuse(oauth.CodeIdentityUnlinkable, "a user with a link that has ended", "a user whose links are what they were")
	}
	spec := *before
	spec.Identities = append(append([]object.Identity(nil), before.Identities...), identity)
	// The user stays whose he was: what prunes by manager goes on as before.
	err = p.apply(ctx, t, stored.Name, &spec, maps.Clone(stored.Labels), object.Request{Manager: stored.ManagedBy, IfMatch: stored.Revision, IfUID: stored.UID})
	if errors.Is(err, object.ErrKeyTaken) || isTaken(err) {
		return oauth.Refuse(oauth.CodeIdentityTaken, "an identity of another user", "one that nobody has")
	}
	if _, invalid := errors.AsType[*object.Invalid](err); invalid {
		return &oauth.Error{Code: oauth.CodeIdentityUnlinkable, Cause: err}
	}
	return err
}

// live tells whether each of the user's identities leads to him already. Where an IdP was made again under its name, or points
// elsewhere, the links to it have ended: writing the user would bring them back, and that is an administrator's to do (T13).
func live(t *snapshot.Tenant, stored object.Stored, spec *object.UserSpec) bool {
	would := spec.Links(func(name string) (string, bool) {
		idp, ok := t.Registry.Named(name)
		if !ok {
			return "", false
		}
		return object.Link(idp.UID, idp.Issuer), true
	})
	return !slices.ContainsFunc(would, func(k object.Key) bool { return !slices.Contains(stored.Keys, k) })
}

// holds tells whether the user has the identity already. One part of it that is somebody else's is refused.
func (p *Provisioner) holds(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, userUID string, ids federation.Identifiers) (bool, error) {
	link := object.Link(idp.UID, idp.Issuer)
	keys := map[string]string{}
	if ids.Subject != "" {
		keys[object.SpaceIdentity] = object.IdentityKey(link, ids.Tenant, ids.Subject)
	}
	if !ids.SubID.IsZero() {
		keys[object.SpaceSubID] = object.SubIDKey(link, ids.Tenant, ids.SubID.Canonical())
	}
	has := false
	for space, value := range keys {
		holders, err := p.Objects.FindByKey(ctx, t.UID, space, value)
		if err != nil {
			return false, err
		}
		for _, holder := range holders {
			if holder.UID != userUID {
				return false, oauth.Refuse(oauth.CodeIdentityTaken, "an identity of another user", "one that nobody has")
			}
			has = true
		}
	}
	return has, nil
}
