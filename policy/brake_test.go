package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// bomb compares two values of a few hundred bytes that share structure: unfolded they have 2^30 parts.
func bomb(comparison string) map[string]string {
	var b strings.Builder
	b.WriteString("package chancery.authz\n\n")
	for _, name := range []string{"a", "b"} {
		b.WriteString(name + " := x30 if {\n\tx0 := input.user.sub\n")
		for i := range 30 {
			fmt.Fprintf(&b, "\tx%d := object.get({\"k\": [x%d, x%d]}, input.user.id, 1)\n", i+1, i, i)
		}
		b.WriteString("}\n\n")
	}
	return map[string]string{"bomb.rego": b.String() + "decision := {\"allow\": true} if " + comparison}
}

// Unified, each part is another frame on the stack, which ends the process when it is full;
// compared, it is time that nothing gives back.
func TestComparingSharedStructureIsStopped(t *testing.T) {
	for comparison, code := range map[string]string{
		"a = b": CodeTimeout, "a == b": CodeTimeout, "a != b": CodeError, "a <= b": CodeError, "a in [b]": CodeError, "a in {b}": CodeError,
		"0, a in [b]": CodeError,
	} {
		t.Run(comparison, func(t *testing.T) {
			c := compiled(t, RoleGrant, BindsTenant, bomb(comparison))
			set, err := NewSet([]*Compiled{c}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e := NewInProcess(0)
			defer e.Close()
			in := &Input{Action: ActionIssue, User: &User{ID: "k", Sub: "eve"}, Resource: &Resource{Name: "notes"}}
			if d := e.Decide(t.Context(), set, in); d.Allow || d.Code != code {
				t.Errorf("%+v", d)
			}
			for deadline := time.Now().Add(10 * time.Second); len(c.flight.slots)+len(c.flight.alone) > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it is still under way")
				}
			}
		})
	}
}

func TestExplainingSharedStructureIsStopped(t *testing.T) {
	in := &Input{Action: ActionIssue, User: &User{ID: "k", Sub: "eve"}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := compiled(t, RoleGrant, BindsTenant, bomb("a = b")).Explain(ctx, in); !errors.Is(err, errTimeout) {
		t.Errorf("%v", err)
	}
}
