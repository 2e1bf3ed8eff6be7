package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// controlEvery is how many cases are sent between two positive controls. A target
// that turns everything away by then proves nothing from there on.
const controlEvery = 25

// Options are how the suite is run.
type Options struct {
	Now  func() time.Time
	Only []string                     // ids, or their beginnings: "assertion.aud"; all when empty
	Done func(Result)                 // told of each result; may be nil
	Wait func(idp *idptest.IdP) error // told of the IdP before anything is sent; may be nil
}

// ErrNothingProved is returned with a report whose positive controls failed.
var ErrNothingProved = errors.New("the target refuses a valid assertion, so that its refusals prove nothing")

// Plan is every case that Run would send, in its order. It sends nothing.
func Plan(s Settings, only []string) []Result {
	var list []Result
	for _, c := range Cases(s.Profile) {
		if chosen(c.ID, only) {
			list = append(list, c.result())
		}
	}
	return list
}

func chosen(id string, only []string) bool {
	if len(only) == 0 {
		return true
	}
	for _, prefix := range only {
		if id == prefix || strings.HasPrefix(id, strings.TrimSuffix(prefix, ".")+".") || strings.HasPrefix(id, prefix+"_") {
			return true
		}
	}
	return false
}

func (c Case) result() Result {
	return Result{ID: c.ID, Title: c.Title, Section: c.Section, Severity: c.Severity, Sent: c.Sends, Expected: c.Expect}
}

// Run asks the target everything. With ErrNothingProved comes a report that says so;
// with any other error there is none.
func Run(ctx context.Context, s Settings, o Options) (*Report, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if len(Plan(s, o.Only)) == 0 {
		return nil, fmt.Errorf("no case is named %s", strings.Join(o.Only, ", "))
	}
	provider, stop, err := listen(ctx, s, o.Now)
	if err != nil {
		return nil, err
	}
	defer stop()
	if o.Wait != nil {
		if err := o.Wait(provider); err != nil {
			return nil, err
		}
	}
	proofKey, err := idptest.NewKey("", "ES256")
	if err != nil {
		return nil, err
	}
	pace := time.NewTicker(time.Duration(float64(time.Second) / s.Rate))
	defer pace.Stop()
	r := &run{
		session: &session{
			target:   &target{settings: s, client: newClient(s), now: o.Now, turn: pace.C},
			provider: provider, profile: s.Profile, proofKey: proofKey,
		},
		options: o,
		report:  &Report{Target: s.Target, Profile: s.Profile, Started: o.Now().UTC(), Results: []Result{}},
	}
	return r.all(ctx)
}

// run is a session and what it found so far.
type run struct {
	*session
	options Options
	report  *Report
}

func (r *run) all(ctx context.Context) (*Report, error) {
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	defer func() { r.report.finish(r.now()) }()
	// 1. What is valid is accepted, or nothing below means anything.
	if err := r.control(ctx, "before"); err != nil {
		return r.report, err
	}
	// 2. One change each, and a control now and then.
	sent := 0
	for _, c := range Cases(r.profile) {
		if !chosen(c.ID, r.options.Only) {
			continue
		}
		r.one(ctx, c)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if sent++; sent%controlEvery == 0 {
			if err := r.control(ctx, fmt.Sprintf("after %d cases", sent)); err != nil {
				return r.report, err
			}
		}
	}
	// 3. And it still is.
	return r.report, r.control(ctx, "after the last case")
}

// prepare fetches what the target publishes.
func (r *run) prepare(ctx context.Context) error {
	if err := r.discover(ctx); err != nil {
		return err
	}
	r.inserts = r.get(ctx, places(r.settings.Target)[0])
	if r.meta.KeysURI != "" {
		if err := r.settings.checkURL("jwks_uri", r.meta.KeysURI, r.settings.AllowPlainHTTP); err != nil {
			return err
		}
		r.keys = r.get(ctx, r.meta.KeysURI)
	}
	return nil
}

// control is a positive one: a fresh, valid assertion in a valid request.
func (r *run) control(ctx context.Context, when string) error {
	result := Result{
		ID: fmt.Sprintf("control.%d", len(r.report.Controls)+1), Title: "a valid assertion is accepted, " + when,
		Section: "RFC 7521 §4.1", Severity: Must, Sent: "a valid assertion", Expected: "a token", Outcome: Passed,
	}
	a := r.fresh(ctx)
	if result.Got = r.shown(a.String()); a.token() == "" || a.status != http.StatusOK { // RFC 6749 §5.1
		result.Outcome, result.Fault = Failed, Refused
	}
	r.report.Controls = append(r.report.Controls, result)
	if r.options.Done != nil {
		r.options.Done(result)
	}
	if result.Outcome == Failed {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %s: %s%s", ErrNothingProved, when, result.Got, r.hint())
	}
	if r.granted.token() == "" {
		r.granted, r.access = a, decodeAccessToken(a.token())
	}
	return nil
}

// hint says what to look at first when the very first assertion is refused.
func (r *run) hint() string {
	switch {
	case len(r.report.Controls) > 1:
		return ""
	case r.settings.IdP.Listen != Nothing && r.provider.Requests(idptest.PathKeys) == 0:
		return " (it did not fetch " + r.provider.KeysURI() + ": does it know this issuer, can it reach it, or does it keep the keys of an earlier run?)"
	}
	return " (it fetched the keys: look at client, person, resource and scopes, as --print-setup says them)"
}

// one runs a case.
func (r *run) one(ctx context.Context, c Case) {
	result := c.result()
	began := r.now()
	f := Finding{Outcome: NotApplicable}
	if f.Got = r.missing(c); f.Got == "" {
		f = c.run(ctx, r.session)
	}
	result.took = r.now().Sub(began)
	result.Milliseconds = result.took.Milliseconds()
	result.Outcome, result.Fault, result.Got = f.Outcome, f.Fault, r.shown(f.Got)
	if f.Sent != "" {
		result.Sent = f.Sent
	}
	if f.Outcome == Failed && c.Severity == May {
		result.Outcome = Noted
	}
	r.report.Results = append(r.report.Results, result)
	if r.options.Done != nil {
		r.options.Done(result)
	}
}

// shown is what a report may hold of what a target said: nothing that drives a terminal, and no secret that it says back.
func (r *run) shown(text string) string {
	for _, client := range []Client{r.settings.Client, r.settings.OtherClient} {
		if !client.Secret.IsZero() {
			text = strings.ReplaceAll(text, client.Secret.Reveal(), "(the client's secret)")
		}
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

// missing says why a case does not apply.
func (r *run) missing(c Case) string {
	for _, n := range c.need {
		var there bool
		switch n {
		case needDPoP:
			there = len(r.meta.ProofSigningMethods) > 0
		case needOtherClient:
			there = r.settings.OtherClient.ID != ""
		case needScope:
			there = len(r.settings.Scopes) > 0
		case needTwoScopes:
			there = len(r.settings.Scopes) > 1
		case needResource:
			there = r.settings.Resource != ""
		case needJWT:
			there = r.access != nil
		case needKeys:
			there = r.meta.KeysURI != ""
		case needGrant:
			there = r.granted.token() != ""
		}
		if !there {
			return string(n)
		}
	}
	return ""
}
