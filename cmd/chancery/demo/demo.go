// Package demo runs the product's main job from end to end on loopback: a person
// signs in at a fake enterprise IdP, an agent built on the official MCP SDK gets
// an assertion and redeems it, and a protected MCP server answers. Then it tries
// what must fail, and goes the browser's way: sign-in through OpenID Connect and
// SAML, consent, step-up, refresh, logout. What it prints is what went over the
// wire; what it claims, it has checked. It is wiring and a story, and no part of
// the service.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
)

// Options say how the demo is told.
type Options struct {
	Out   io.Writer
	JSON  bool
	Color bool
	// Executable is the binary that becomes the child in which policies are checked; empty checks in process.
	Executable string
	// Stay keeps everything running until the context ends.
	Stay bool
}

// ErrStep says that a step did not do what it must.
var ErrStep = errors.New("a step of the demo failed")

// Run tells the story. It succeeds only if every step did what it must.
func Run(ctx context.Context, o Options) error {
	w, err := build(ctx, slog.New(slog.DiscardHandler), o.Executable)
	if err != nil {
		return err
	}
	defer w.close()
	var out printer = textPrinter{out: o.Out, color: o.Color}
	if o.JSON {
		out = jsonPrinter{out: json.NewEncoder(o.Out)}
	}
	out.open(w)
	document, unpublish, err := publish(ctx)
	if err != nil {
		return err
	}
	defer unpublish()
	s := &show{world: w, agent: newAgent(w), document: document}
	failed := false
	for i, step := range steps() {
		notes, err := step.Run(ctx, s)
		r := record{Step: i + 1, Name: step.Name, Title: step.Title, OK: err == nil, Notes: notes, Exchanges: s.agent.tape.rewind()}
		if err != nil {
			r.Error, failed = err.Error(), true
		}
		if err := out.print(r); err != nil {
			return err
		}
	}
	out.close(!failed)
	if o.Stay {
		<-ctx.Done()
	}
	if failed {
		return ErrStep
	}
	return nil
}
