package decision

import (
	"errors"
	"sync"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrMatrixBusy says that a matrix is computed for the tenant already, or for as many as may.
var ErrMatrixBusy = errors.New("another matrix is computed at this moment; wait for it")

// maxMatrices is how many are computed at a time, of this process; of one tenant one. Each takes all cores while it lasts.
const maxMatrices = 2

// Turns bound how many matrices are asked for at a time. The zero value is ready; it is safe for concurrent use.
type Turns struct {
	mu   sync.Mutex
	held map[tenant.UID]bool
}

// take holds a tenant's turn until leave.
func (t *Turns) take(of tenant.UID) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[of] || len(t.held) >= maxMatrices {
		return nil, ErrMatrixBusy
	}
	if t.held == nil {
		t.held = map[tenant.UID]bool{}
	}
	t.held[of] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.held, of)
	}, nil
}
