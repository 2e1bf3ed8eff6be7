package trace_test

import (
	"context"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/trace"
)

// book notes what it is told.
type book struct{ lines []string }

func (b *book) Begin(ctx context.Context, name string) (context.Context, trace.Span) {
	b.lines = append(b.lines, "begin "+name)
	return context.WithValue(ctx, b, name), entry{b, name}
}

type entry struct {
	book *book
	name string
}

func (e entry) End(code string) { e.book.lines = append(e.book.lines, "end "+e.name+" "+code) }

func TestSteps(t *testing.T) {
	b := &book{}
	ctx, outer := trace.Begin(trace.With(t.Context(), b), trace.StepAssertion)
	inner, step := trace.Begin(ctx, trace.StepKeys)
	if inner.Value(b) != trace.StepKeys || ctx.Value(b) != trace.StepAssertion {
		t.Error("a step's context is not its own")
	}
	step.End("")
	outer.End("assertion_untrusted")
	want := []string{"begin assertion.verify", "begin jwks.wait", "end jwks.wait ", "end assertion.verify assertion_untrusted"}
	if !slices.Equal(b.lines, want) {
		t.Errorf("%q", b.lines)
	}
}

// TestNobodyTraces: a step is nothing, and costs no memory.
func TestNobodyTraces(t *testing.T) {
	ctx := t.Context()
	same, step := trace.Begin(ctx, trace.StepPolicy)
	if same != ctx || step != (trace.Step{}) {
		t.Error("a step began")
	}
	if n := testing.AllocsPerRun(100, func() {
		_, step := trace.Begin(ctx, trace.StepPolicy)
		step.End("")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNobodyTraces(b *testing.B) {
	ctx := context.WithValue(context.WithValue(b.Context(), &book{}, 1), &book{}, 2) // as deep as a request's
	for b.Loop() {
		_, step := trace.Begin(ctx, trace.StepPolicy)
		step.End("")
	}
}
