// Package trace is the seam at which a request says what it is doing, so that an
// operator can see where its time goes. A Tracer that was put into a context is
// told of each Step below it; without one a Step costs the look into the context
// and nothing else.
//
// A step has a name from the list below and ends with a code of the error
// catalogue, and that is all that can be said of it: there is no way to put a
// client, a user or a token into a trace. The package knows no tracing library;
// cmd/chancery/telemetry brings one.
package trace

import "context"

// The steps of a token request.
const (
	StepClient    = "client.authenticate"
	StepProof     = "dpop.verify"
	StepAssertion = "assertion.verify"
	StepKeys      = "jwks.wait" // for an issuer's or a client's key set that is not in memory
	StepCode      = "code.open"
	StepFamily    = "refresh.find" // a refresh token, and its family in the database
	StepPolicy    = "policy.decide"
	StepMint      = "token.mint"
	StepCommit    = "ledger.commit"
)

// Tracer begins spans. A context that it returns makes what begins below it a child.
type Tracer interface {
	Begin(ctx context.Context, name string) (context.Context, Span)
}

// Span is a step that has begun. The code is empty where nothing went wrong.
type Span interface{ End(code string) }

// Step is a span, or none. The zero Step is none.
type Step struct{ span Span }

// End ends the step. The code comes from the error catalogue, or is empty.
func (s Step) End(code string) {
	if s.span != nil {
		s.span.End(code)
	}
}

type tracerKey struct{}

// With gives what runs under the context a tracer.
func With(ctx context.Context, t Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, t)
}

// Begin begins a step, if somebody traces.
func Begin(ctx context.Context, name string) (context.Context, Step) {
	t, ok := ctx.Value(tracerKey{}).(Tracer)
	if !ok {
		return ctx, Step{}
	}
	ctx, span := t.Begin(ctx, name)
	return ctx, Step{span}
}

// Request is what is said of a request when it begins: nothing that a caller chose
// but the ids of Parent, which are numbers.
type Request struct {
	Trace  string   // ours: trc_…
	Method string   // of HTTP
	Route  string   // as it was registered, "" where none matched
	Parent []string // the values of traceparent
	// Trusted tells that the connection comes from a proxy of the configuration.
	Trusted bool
}

// Answered is called with the status of the answer.
type Answered func(status int)

// Requests decides which requests are traced. One that is not comes back with its
// context as it was, and nil.
type Requests interface {
	Request(ctx context.Context, r Request) (context.Context, Answered)
}
