package registration

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Base finds a client that registered itself, without what the tenant's rules give it: what a cache may hold.
func Base(ctx context.Context, s Store, t tenant.UID, clientID string) (*client.Client, error) {
	if !IsClientID(clientID) {
		return nil, client.ErrUnknown
	}
	record, err := s.Find(ctx, t, clientID)
	if errors.Is(err, ErrUnknown) {
		return nil, client.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return record.client(), nil
}
