package regocheck

import (
	"context"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Compiler prepares policies for evaluation, and decides where that is. It is safe for concurrent use.
type Compiler struct {
	shelf *policy.Shelf
	where Where
}

// Where says which policies are evaluated in another process (policy/pool).
type Where int

// Where policies are evaluated. What nobody decided is the strictest.
const (
	// Elsewhere is another process, for all of them.
	Elsewhere Where = iota
	// OthersElsewhere is another process for modules of a tenant that is not the default one, and for a template's data with
	// a schema of theirs: who wrote them is not who runs this server.
	OthersElsewhere
	// Here is this process, for all of them: the modules of other tenants too.
	Here
)

// NewCompiler makes a Compiler whose policies share what is compiled.
func NewCompiler(where Where, shelf *policy.Shelf) *Compiler {
	return &Compiler{shelf: shelf, where: where}
}

// Compile prepares a policy of a tenant. What is evaluated elsewhere is not compiled here; of what is, tests are not looked at.
func (c *Compiler) Compile(ctx context.Context, tenantName string, src policy.Source) (*policy.Compiled, error) {
	others := tenantName != tenant.DefaultName && worded(src.Template, nil, src.DataSchema)
	if c.where == Here || c.where == OthersElsewhere && !others {
		return c.shelf.Compile(ctx, src)
	}
	return c.shelf.Isolate(src)
}
