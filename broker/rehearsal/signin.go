package rehearsal

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

// Metadata is what is kept of SAML IdPs; *samlmetadata.Keeper is it.
type Metadata interface {
	State(ctx context.Context, t tenant.UID, idpUID string) (samlmetadata.State, error)
}

// speaksSAMLAlone tells whether an IdP has neither tokens nor keys that could be fetched: nothing of Connection is about it.
func speaksSAMLAlone(picture *snapshot.Tenant, entry *federation.IdentityProvider) bool {
	_, saml := picture.SignIn.ServiceProviders[entry.UID]
	_, openID := picture.SignIn.OpenID[entry.UID]
	return saml && !openID && !slices.ContainsFunc([]federation.Profile{federation.ProfileIDJAG, federation.ProfileJWTBearer, federation.ProfileWorkload}, entry.Assertions.Allows)
}

// signIn tells how people's sign-in at a saved entry stands. Drafts have none: a picture makes it when they are applied.
func (t Tests) signIn(ctx context.Context, picture *snapshot.Tenant, entry *federation.IdentityProvider, r *diagnose.Report) error {
	if e, found := picture.SignIn.OpenID[entry.UID]; found {
		t.Tester.OpenID(ctx, r, picture.UID.String(), e, t.Relying)
	}
	self, found := picture.SignIn.ServiceProviders[entry.UID]
	if why, unusable := picture.SignIn.Unusable[entry.UID]; unusable && !found {
		r.Rows = append(r.Rows, diagnose.Row{
			Check: diagnose.CheckOIDCMetadata, Status: diagnose.Fail, Code: diagnose.CodeConfigInvalid, Seen: why, Expected: "an entry at which people can sign in",
			Change: "mend spec.oidc of the entry; a reference to a secret must be one that the server may read (admin.secret_references)",
		})
	}
	if !found {
		return nil
	}
	standing := diagnose.SAMLStanding{Self: self, Failure: picture.SignIn.Unusable[entry.UID]}
	standing.Provider, _ = picture.SignIn.SAMLProvider(entry.UID)
	state, err := t.Metadata.State(ctx, picture.UID, entry.UID)
	switch {
	case errors.Is(err, samlmetadata.ErrNone): // the entry has it all, or nobody has looked yet
	case err != nil:
		return err
	default:
		standing.Source, standing.Checked = state.Source, state.CheckedAt
		if state.Failure != "" || standing.Provider != nil {
			standing.Failure = state.Failure
		}
		standing.Pending, standing.Digest = state.Changes, state.PendingDigest
	}
	t.Tester.SAML(r, standing)
	return nil
}
