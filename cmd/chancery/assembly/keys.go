package assembly

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
)

// prepareKeys makes the keys for the algorithms that new or changed resources name. Their first token would make them too,
// but then it would carry a key that no verifier has seen, and wait until an RSA key is found.
func (s *Server) prepareKeys(ctx context.Context, a store.Applied) {
	for _, c := range a.Changes {
		if c.Kind != object.KindResource || c.Deleted {
			continue
		}
		if err := s.prepareKey(ctx, c.Stored); err != nil {
			s.Log.Warn("the key of a resource is not made before its first token", "resource", c.Name, "error", err)
		}
	}
}

func (s *Server) prepareKey(ctx context.Context, stored object.Stored) error {
	resource, err := stored.Object("")
	if err != nil {
		return err
	}
	spec, ok := resource.Spec.(*object.ResourceSpec)
	if !ok {
		return fmt.Errorf("a resource with a spec of %T", resource.Spec)
	}
	if spec.Token.Algorithm == "" { // keys.algorithm, which each tenant has a key for from the start
		return nil
	}
	_, err = s.rings.Signer(ctx, stored.Tenant, spec.Token.Algorithm)
	return err
}
