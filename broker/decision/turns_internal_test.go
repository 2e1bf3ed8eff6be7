package decision

import (
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestTurns(t *testing.T) {
	turns := &Turns{}
	a, b, c := tenant.MustParseUID("ten_a"), tenant.MustParseUID("ten_b"), tenant.MustParseUID("ten_c")
	leave, err := turns.take(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turns.take(a); !errors.Is(err, ErrMatrixBusy) {
		t.Errorf("two of one tenant: %v", err)
	}
	if _, err := turns.take(b); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := turns.take(c); !errors.Is(err, ErrMatrixBusy) {
		t.Errorf("a third: %v", err)
	}
	leave()
	if _, err := turns.take(c); err != nil {
		t.Errorf("after the first: %v", err)
	}
	desk := Desk{Turns: turns}
	if _, err := desk.Matrix(t.Context(), c, "c", Wanted{}); !errors.Is(err, ErrMatrixBusy) {
		t.Errorf("a matrix: %v", err)
	}
	if _, err := desk.MatrixDiff(t.Context(), c, "c", Wanted{}); !errors.Is(err, ErrMatrixBusy) {
		t.Errorf("a difference: %v", err)
	}
}
