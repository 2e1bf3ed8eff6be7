package assembly

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
)

// applyObjects applies what `objects:` names, before the listeners open. A bad one stops the start.
func (s *Server) applyObjects(ctx context.Context) error {
	var err error
	s.path, err = object.NewPath(object.Config{
		Store: s.objects, Keys: s.objects, Secrets: s.objects, Checker: s.checker(), Now: s.Now, Resolve: s.resolve, MayRefer: s.mayRefer,
		Proposals: s.shelf(), PolicyHash: regocheck.Hash, Trial: trial{s},
	})
	if err != nil || len(s.Config.Objects) == 0 {
		return err
	}
	written, err := objectfile.Read(s.Config.Objects, nil)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	request := object.Request{Manager: object.ManagerConfig, By: system(), Prune: true}
	plan, err := s.path.ApplyAll(ctx, written.Objects, request)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	if err := s.pruneOthers(ctx, written.Objects, request); err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	for _, w := range plan.Warnings {
		s.Log.Warn("objects", "warning", w.String())
	}
	return nil
}

// pruneOthers takes from tenants that the files do not mention any more what the files once put there: nobody else may.
func (s *Server) pruneOthers(ctx context.Context, written []object.Object, request object.Request) error {
	_, mentioned := object.ByTenant(written, tenant.DefaultName)
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if _, ok := mentioned[t.Name]; ok {
			continue
		}
		if _, err := s.path.Apply(ctx, t.Name, nil, request); err != nil {
			return fmt.Errorf("tenant %s: %w", t.Name, err)
		}
	}
	return nil
}

// resolve reads a secret that an object of the configuration refers to.
func (s *Server) resolve(r object.SecretRef) (secret.Text, error) {
	return s.Config.Secret(config.Ref{Env: r.Env, File: r.File, Vault: r.Vault})
}
