package grant

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// recordVerdict writes the answer down before it leaves.
func (g *Grants) recordVerdict(ctx context.Context, c *call, a *asking, refusal *oauth.Error) error {
	outcome := audit.Allowed
	if refusal != nil {
		outcome = outcomeOf(refusal.Code)
	}
	event := a.signed(c.event(audit.TypeEvaluated, outcome))
	event.Scope, event.Detail = c.question.Action, c.toldOfQuestion(a, refusal)
	if refusal != nil {
		event.Code = string(refusal.Code)
	}
	return unwritten(g.commit(ctx, ledger.Entry{Tenant: c.Tenant.UID, Pictures: c.Tenant.Pictures(), Decision: c.decision, Event: event}))
}

func (c *call) toldOfQuestion(a *asking, refusal *oauth.Error) map[string]string {
	d := map[string]string{"subject": c.question.Subject.Type + " " + c.question.Subject.ID, "token_shown": strconv.FormatBool(c.question.presented != nil)}
	if acting := c.client(); acting != nil {
		d["for_client"] = acting.ClientID
	}
	if a.RequestID != "" {
		d["request_id"] = a.RequestID
	}
	if refusal != nil {
		maps.Copy(d, detail(refusal))
	}
	return d
}

// signed names the caller where a call names the client that acts.
func (a *asking) signed(e audit.Event) audit.Event {
	caller := a.caller.Client()
	if caller == nil {
		return e
	}
	e.Principal, e.Client = audit.Principal{Kind: "client", ID: caller.UID, Name: caller.Name}, caller.ClientID
	return e
}

// turnAwayAsking records a refusal before it is known who asks in the bounded lane, and returns it.
func (g *Grants) turnAwayAsking(a *asking, refusal *oauth.Error) error {
	event := audit.Event{
		ID: id.New(id.Event, g.Now()), At: g.Now(), Tenant: a.Tenant.UID, Trace: a.Trace, Type: audit.TypeRequestRefused,
		Outcome: audit.Refused, Remote: a.Remote, Code: string(refusal.Code), Detail: detail(refusal),
		Principal: audit.Principal{Kind: "anonymous", Name: a.Message.ClientID},
	}
	g.Lane.Add(event, a.Remote)
	return refusal
}

// gone is the answer where there is no picture to answer on.
func gone(err error) error {
	if errors.Is(err, snapshot.ErrUnknownTenant) {
		return oauth.Fail(oauth.CodeTenantUnknown, err)
	}
	return notKnown(err)
}

// unwritten: what is not written down is not answered.
func unwritten(err error) error {
	if err == nil || errors.Is(err, ledger.ErrStale) {
		return err
	}
	return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
}
