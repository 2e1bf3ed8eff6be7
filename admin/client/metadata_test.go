package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/admin/client"
)

// noMetadata is asked for nothing.
type noMetadata struct{ admin.IdPMetadata }

// An IdP that is not there is told by its code, and by nothing of the document.
func TestMetadataOfNobody(t *testing.T) {
	c, _ := newClient(t)
	for name, ask := range map[string]func(ctx context.Context) error{
		"look": func(ctx context.Context) error { _, err := c.LookMetadata(ctx, "nobody", "<secret/>"); return err },
		"accept": func(ctx context.Context) error {
			_, err := c.AcceptMetadata(ctx, "nobody", strings.Repeat("ab", 32))
			return err
		},
	} {
		err := ask(t.Context())
		if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Code != "object_unknown" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
