package assembly

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// standing gives pictures of tenants by their uids, of those too that nobody asked for by name since this process began:
// administrators, and what watches connections, come with a uid alone.
type standing struct {
	source  *snapshot.Source
	objects interface {
		Tenants(ctx context.Context) ([]object.Stored, error)
	}
}

// Of implements downstream.Pictures and webhook.Pictures.
func (s standing) Of(ctx context.Context, t tenant.UID) (*snapshot.Tenant, error) {
	picture, err := s.source.Of(ctx, t)
	if !errors.Is(err, snapshot.ErrUnknownTenant) {
		return picture, err
	}
	all, err := s.objects.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.Tenant != t {
			continue
		}
		if picture, err = s.source.Standing(ctx, one.Name); err != nil {
			return nil, err
		}
		if picture.UID == t { // else deleted meanwhile, and the name given away
			return picture, nil
		}
	}
	return nil, snapshot.ErrUnknownTenant
}

func (s *Server) standing() standing { return standing{source: s.source, objects: s.objects} }
