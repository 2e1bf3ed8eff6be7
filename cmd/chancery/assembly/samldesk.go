package assembly

import (
	"context"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// metadataDesk is the keeper as the admin API asks it: by objects.
type metadataDesk struct{ server *Server }

func (d metadataDesk) entry(t tenant.UID, tenantName string, idp object.Object) (samlmetadata.Entry, error) {
	spec, ok := idp.Spec.(*object.IdentityProviderSpec)
	if !ok {
		return samlmetadata.Entry{}, object.ErrNotFound
	}
	entry, ok := d.server.metadataEntry(t, tenantName, idp, spec)
	if !ok {
		return samlmetadata.Entry{}, samlmetadata.ErrNoAddress
	}
	return entry, nil
}

// Look implements admin.IdPMetadata.
func (d metadataDesk) Look(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, by audit.Principal) (samlmetadata.State, error) {
	entry, err := d.entry(t, tenantName, idp)
	if err != nil {
		return samlmetadata.State{}, err
	}
	return d.server.metadata.Look(ctx, entry, by)
}

// Preview implements admin.IdPMetadata.
func (d metadataDesk) Preview(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, document []byte) (samlmetadata.State, error) {
	spec, ok := idp.Spec.(*object.IdentityProviderSpec)
	if !ok {
		return samlmetadata.State{}, object.ErrNotFound
	}
	entry, ok := d.server.metadataEntry(t, tenantName, idp, spec)
	if !ok {
		entry = samlmetadata.Entry{Tenant: t, IdPUID: idp.Metadata.UID, EntityID: spec.EntityID()}
		entry.Pinned, _ = pinned(spec)
		entry.Network.AllowPrivateAddresses = spec.Network.AllowPrivateAddresses
	}
	return d.server.metadata.Preview(ctx, entry, document)
}

// Accept implements admin.IdPMetadata.
func (d metadataDesk) Accept(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, digest string, by audit.Principal) (samlmetadata.State, error) {
	entry, err := d.entry(t, tenantName, idp)
	if err != nil {
		return samlmetadata.State{}, err
	}
	return d.server.metadata.Accept(ctx, entry, digest, by)
}
