package grant

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// recordGrant commits what was granted; only then is there an answer.
func (g *Grants) recordGrant(ctx context.Context, c *call, result granted) (Response, error) {
	var event audit.Event
	if result.token != nil {
		event = c.event(audit.TypeTokenIssued, audit.Allowed)
		event.TokenID, event.Scope = result.token.ID, result.token.Scope
	} else {
		event = c.eventOfLease(result.response)
	}
	err := g.commit(ctx, ledger.Entry{
		Tenant:      c.Tenant.UID,
		Pictures:    c.Tenant.Pictures(),
		Redemptions: c.usedWith(result),
		Decision:    c.decision,
		Token:       result.token,
		Family:      result.family,
		Rotation:    result.rotation,
		Event:       event,
		Conflict:    c.conflict,
	})
	if err != nil {
		return Response{}, g.notRecorded(c, err)
	}
	g.Observer.Granted(c.Form.Get("grant_type"), c.issuerName(), "")
	g.lentTo(ctx, c)
	return result.response, nil
}

// commit writes the entry down, and counts the checks that it tells of.
func (g *Grants) commit(ctx context.Context, e ledger.Entry) error {
	ctx, step := trace.Begin(ctx, trace.StepCommit)
	err := g.Journal.Commit(ctx, e)
	step.End(codeOfCommit(err))
	conflict, lost := errors.AsType[*ledger.Conflict](err)
	switch {
	case errors.Is(err, ledger.ErrStale), errors.Is(err, ledger.ErrMoved): // decided again, and told again
	case lost:
		g.Observer.Checked(e.Conflict(conflict.Lost).Checks)
	default:
		g.Observer.Checked(e.Event.Checks)
	}
	return err
}

// codeOf is what a trace is told of an error: a code of the catalogue.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if refusal, ok := errors.AsType[*federation.Refusal](err); ok {
		return string(refusal.Code)
	}
	if errors.Is(err, assertion.ErrClientNeeded) {
		err = errNoClient()
	}
	return string(oauth.AsError(err).Code)
}

func codeOfCommit(err error) string {
	if conflict, ok := errors.AsType[*ledger.Conflict](err); ok {
		return conflict.Lost.Code
	}
	if err != nil && !errors.Is(err, ledger.ErrStale) && !errors.Is(err, ledger.ErrMoved) { // another attempt follows
		return string(oauth.CodeLedgerUnavailable)
	}
	return ""
}

// recordRefusal commits a refusal. What proves the caller (client assertion, DPoP proof) is used up by it; the assertion
// is not, so that a step-up or a mended policy can still redeem it.
func (g *Grants) recordRefusal(ctx context.Context, c *call, refusal *oauth.Error) error {
	// A flood of strangers must not fill the disk. Nor must challenges for a nonce (RFC 9449 §8), or what goes past a rate:
	// those use nothing up, a client assertion neither, so that the client can come again with the same request.
	if !c.identified() || refusal.Code == oauth.CodeDPoPNonceRequired || refusal.Code == oauth.CodeClientRateExceeded {
		return g.turnAway(c, refusal)
	}
	if waits(refusal.Code) && len(c.used()) == 0 { // a device asks every few seconds
		return g.turnAway(c, refusal)
	}
	event := c.event(audit.TypeTokenRefused, outcomeOf(refusal.Code))
	event.Code = string(refusal.Code)
	event.Detail = c.told(detail(refusal))
	err := g.commit(ctx, ledger.Entry{
		Tenant:      c.Tenant.UID,
		Pictures:    c.Tenant.Pictures(),
		Redemptions: c.used(),
		Decision:    c.decision,
		Ending:      c.ending,
		Event:       event,
		Conflict:    c.conflict,
	})
	if err != nil {
		return g.notRecorded(c, err)
	}
	g.Observer.Granted(c.Form.Get("grant_type"), c.issuerName(), refusal.Code)
	g.vended(c, refusal.Code)
	return refusal
}

// notRecorded says why there is no record, and so no token: the caller lost a race for something that can be used once,
// the tenant changed, or the ledger cannot be written.
func (g *Grants) notRecorded(c *call, err error) error {
	if errors.Is(err, ledger.ErrStale) {
		return ledger.ErrStale
	}
	if errors.Is(err, ledger.ErrMoved) {
		return ledger.ErrMoved
	}
	if conflict, ok := errors.AsType[*ledger.Conflict](err); ok {
		code := oauth.Code(conflict.Lost.Code)
		g.Observer.Granted(c.Form.Get("grant_type"), c.issuerName(), code)
		return oauth.Refuse(code, "used before", "something fresh")
	}
	g.Observer.Granted(c.Form.Get("grant_type"), c.issuerName(), oauth.CodeLedgerUnavailable)
	return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
}

// turnAway records a refusal of which there may be any number, before the client is authenticated above all, in the
// bounded lane, and returns it.
func (g *Grants) turnAway(c *call, refusal *oauth.Error) error {
	outcome := audit.Refused
	if refusal.Code == oauth.CodeDPoPNonceRequired {
		outcome = audit.Challenged
	}
	event := c.event(audit.TypeRequestRefused, outcome)
	event.Code = string(refusal.Code)
	event.Detail = detail(refusal)
	if !c.identified() {
		event.Principal = audit.Principal{Kind: "anonymous", Name: c.Form.Get("client_id")}
	}
	g.Lane.Add(event, c.Remote)
	g.Observer.Checked(event.Checks)
	g.Observer.Granted(c.Form.Get("grant_type"), c.issuerName(), refusal.Code)
	return refusal
}

// usedWith are the things that a grant uses up: an approval goes with it alone.
func (c *call) usedWith(result granted) []ledger.Redemption {
	used := append(c.used(), result.redemptions...)
	if c.approval != nil {
		used = append(used, *c.approval)
	}
	return used
}

// used are the things that a request uses up however it ends.
func (c *call) used() []ledger.Redemption {
	var used []ledger.Redemption
	if r := c.authentication.Redemption(); r != nil {
		used = append(used, *r)
	}
	if !c.proof.IsZero() {
		used = append(used, c.proof.Redemption())
	}
	return used
}

func (c *call) conflict(lost ledger.Redemption) audit.Event {
	event := c.event(audit.TypeTokenRefused, audit.Refused)
	event.Code = lost.Code
	event.Checks = append(event.Checks, audit.Check{Name: "once", Received: "used before", Expected: "used once"})
	if lost.Origin != "" {
		event.Detail = map[string]string{"ended": "what came of the first use"}
	}
	return event
}

// event is what every record of this call has in common.
func (c *call) event(kind audit.Type, outcome audit.Outcome) audit.Event {
	e := audit.Event{
		ID:        id.New(id.Event, c.now),
		At:        c.now,
		Tenant:    c.Tenant.UID,
		Trace:     c.Trace,
		Type:      kind,
		Outcome:   outcome,
		GrantType: c.Form.Get("grant_type"),
		Checks:    c.checks,
		Remote:    c.Remote,
	}
	if client := c.client(); client != nil {
		e.Principal = audit.Principal{Kind: "client", ID: client.UID, Name: client.Name}
		e.Client = client.ClientID
	}
	e.IdP = c.issuerName()
	if c.said != nil && c.signedIn == nil && c.lending == nil && c.question == nil {
		e.AssertionID, e.AssertionBy = c.said.id, c.said.issuer
	}
	e.OnBehalf = c.whose
	if c.person != nil {
		e.OnBehalf = c.person.UID
	}
	e.Detail = c.told(nil)
	if c.resource != nil {
		e.Resource = c.resource.Name
	}
	if c.decision != nil {
		e.Decision, e.Policies = c.decision.ID, c.decision.Policies
		e.InputHash = c.inputHash
	}
	return e
}

func (c *call) issuerName() string {
	if c.idp == nil {
		return ""
	}
	return c.idp.Name
}

// told adds to an event's detail what is known of refresh tokens (their family, and that what came of a grant ends with the
// event), and of what is lent: the provider, the connection and its account.
func (c *call) told(d map[string]string) map[string]string {
	if c.family == "" && c.ending == nil && c.lending == nil {
		return d
	}
	if d == nil {
		d = map[string]string{}
	}
	if l := c.lending; l != nil && l.provider != nil {
		d["provider"] = l.provider.Name
		if l.chosen != nil {
			d["connection"], d["account"] = l.chosen.ID, l.chosen.Account.ID
		}
	}
	if c.family != "" {
		d["refresh_family"] = c.family
	}
	if c.ending != nil {
		d["ended"] = c.ending.Why
	}
	return d
}

func detail(refusal *oauth.Error) map[string]string {
	d := map[string]string{}
	if refusal.Received != "" {
		d["received"] = refusal.Received
	}
	if refusal.Expected != "" {
		d["expected"] = refusal.Expected
	}
	if refusal.Cause != nil {
		d["cause"] = refusal.Cause.Error()
	}
	if len(d) == 0 {
		return nil
	}
	return d
}
