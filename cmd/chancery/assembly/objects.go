package assembly

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// applyObjects applies what `objects:` names, before the listeners open. A bad one stops the start.
func (s *Server) applyObjects(ctx context.Context) error {
	var checker regocheck.Checker
	if s.Executable != "" {
		checker.Gate = func(ctx context.Context, source policy.Source) error { return gate.Check(ctx, s.Executable, source) }
	}
	var err error
	s.path, err = object.NewPath(object.Config{
		Store: s.objects, Keys: s.objects, Secrets: s.objects, Checker: checker, Now: s.Now, Resolve: s.resolve,
	})
	if err != nil || len(s.Config.Objects) == 0 {
		return err
	}
	written, err := objectfile.Read(s.Config.Objects, nil)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	plan, err := s.path.ApplyAll(ctx, written.Objects, object.Request{Manager: object.ManagerConfig, By: system(), Prune: true})
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	for _, w := range plan.Warnings {
		s.Log.Warn("objects", "warning", w.String())
	}
	return nil
}

// resolve reads a secret that an object of the configuration refers to.
func (s *Server) resolve(r object.SecretRef) (secret.Text, error) {
	return config.Ref{Env: r.Env, File: r.File}.Resolve(s.Config.Lookup)
}
