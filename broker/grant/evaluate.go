package grant

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authzen"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/policy"
)

// EvaluationRequest is a message of a resource, or of the gateway in front of it, decoded once.
type EvaluationRequest struct {
	Tenant        *snapshot.Tenant
	Trace         string
	Remote        string
	Authorization []string // header values
	RequestID     string   // the caller's own name for it; "" for none
	Message       authzen.Request
}

// Verdict is the answer to one evaluation.
type Verdict struct {
	Allow bool
	// Refusal is why not; nil where it is allowed.
	Refusal *oauth.Error
	// Unasked: it was no question, or not the caller's to ask.
	Unasked bool
	// Decision is the id of what was recorded; "" where policy was not asked.
	Decision string
}

// atOnce is how many evaluations of one message are made at a time, so that their records share a transaction.
const atOnce = 8

// Evaluate answers what policy says (action evaluate), in the order of the questions, and records each answer. Where the
// semantic ends early the list does too. An error is of the whole message: nobody who may ask, or nothing that can be known.
func (g *Grants) Evaluate(ctx context.Context, r EvaluationRequest) ([]Verdict, error) {
	if g.Questions == nil {
		return nil, errors.New("grant: nobody's questions are answered here")
	}
	a := &asking{EvaluationRequest: r, spent: &client.Spent{}}
	if err := g.admitCaller(ctx, a); err != nil {
		return nil, err
	}
	if r.Message.Semantic == authzen.ExecuteAll {
		return g.evaluateAll(ctx, a)
	}
	var verdicts []Verdict
	for _, item := range r.Message.Items {
		v, err := g.evaluateItem(ctx, *a, item)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
		if v.Allow == (r.Message.Semantic == authzen.PermitOnFirstPermit) { // §7.1.2.1
			break
		}
	}
	return verdicts, nil
}

func (g *Grants) evaluateAll(ctx context.Context, a *asking) ([]Verdict, error) {
	items := a.Message.Items
	verdicts, failures := make([]Verdict, len(items)), make([]error, len(items))
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(atOnce, len(items)) {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(items); i = int(next.Add(1)) - 1 {
				verdicts[i], failures[i] = g.evaluateItem(ctx, *a, items[i])
			}
		})
	}
	working.Wait()
	if at := slices.IndexFunc(failures, func(err error) bool { return err != nil }); at >= 0 {
		return nil, failures[at]
	}
	return verdicts, nil
}

// TurnAwayEvaluation records the refusal of a message that never became one.
func (g *Grants) TurnAwayEvaluation(r EvaluationRequest, err error) {
	_ = g.turnAwayAsking(&asking{EvaluationRequest: r}, oauth.AsError(err)) // who asked has his answer already
}

// asking is a message on its way. Each evaluation has a copy: it takes its own to a newer picture.
type asking struct {
	EvaluationRequest
	spent  *client.Spent
	caller client.Authentication
}

// admitCaller finds out who asks, and uses up what proved it: once for the whole message.
func (g *Grants) admitCaller(ctx context.Context, a *asking) error {
	for range maxDecisions {
		if err := g.authenticateCaller(ctx, a); err != nil {
			return err
		}
		err := g.spendCaller(ctx, a)
		if !errors.Is(err, ledger.ErrStale) {
			return err
		}
		if a.Tenant, err = g.Pictures.Refresh(ctx, a.Tenant); err != nil {
			return gone(err)
		}
	}
	return notKnown(ledger.ErrStale)
}

// authenticateCaller is as at the introspection endpoint: a public client proves nothing, so it learns nothing.
func (g *Grants) authenticateCaller(ctx context.Context, a *asking) error {
	var err error
	a.caller, err = g.Clients.Authenticate(ctx, client.Request{
		Tenant: a.Tenant.UID, Issuer: a.Tenant.Issuer, TokenEndpoint: a.Tenant.Issuer + "/token", Authorization: a.Authorization,
		ClientID: a.Message.ClientID, Assertion: a.Message.Assertion, AssertionType: a.Message.AssertionType, Spent: a.spent,
	})
	if err != nil {
		return g.turnAwayAsking(a, oauth.AsError(err))
	}
	if !a.caller.Proved() {
		return g.turnAwayAsking(a, oauth.Refuse(oauth.CodeClientAuthenticationRequired, "a client that proved nothing", "client authentication"))
	}
	return nil
}

// spendCaller uses a client assertion up. Without one there is nothing to record, and nothing is written.
func (g *Grants) spendCaller(ctx context.Context, a *asking) error {
	r := a.caller.Redemption()
	if r == nil {
		return nil
	}
	c := g.callOfQuestion(a)
	event := a.signed(c.event(audit.TypeAssertionUsed, audit.Allowed))
	event.AssertionID, event.Detail = a.caller.AssertionID(), map[string]string{"endpoint": "evaluation"}
	err := g.commit(ctx, ledger.Entry{
		Tenant: a.Tenant.UID, Pictures: a.Tenant.Pictures(), Redemptions: []ledger.Redemption{*r}, Event: event,
		Conflict: func(lost ledger.Redemption) audit.Event {
			second := a.signed(c.event(audit.TypeRequestRefused, audit.Refused))
			second.Code, second.AssertionID = lost.Code, a.caller.AssertionID()
			return second
		},
	})
	if conflict, lost := errors.AsType[*ledger.Conflict](err); lost {
		return oauth.Refuse(oauth.Code(conflict.Lost.Code), "used before", "something fresh")
	}
	return unwritten(err)
}

// evaluateItem answers one question on the newest picture there is. What it answers with an error fails the whole message.
func (g *Grants) evaluateItem(ctx context.Context, a asking, item authzen.Item) (Verdict, error) {
	if v, none := unasked(item); none {
		return v, nil
	}
	spent := *a.spent // charged already
	a.spent = &spent
	for range maxDecisions {
		v, err := g.evaluateOnce(ctx, &a, item.Evaluation)
		if !errors.Is(err, ledger.ErrStale) {
			return v, err
		}
		if a.Tenant, err = g.Pictures.Refresh(ctx, a.Tenant); err != nil {
			return Verdict{}, gone(err)
		}
		if err := g.authenticateCaller(ctx, &a); err != nil { // it may be what changed
			return Verdict{}, err
		}
	}
	return Verdict{}, notKnown(ledger.ErrStale)
}

// unasked is the answer to what is no question.
func unasked(item authzen.Item) (Verdict, bool) {
	return Verdict{Refusal: item.Malformed, Unasked: true}, item.Malformed != nil
}

func (g *Grants) evaluateOnce(ctx context.Context, a *asking, e authzen.Evaluation) (Verdict, error) {
	c := g.callOfQuestion(a)
	c.question = &question{Evaluation: e}
	err := g.judge(ctx, c, a.caller.Client())
	if errors.Is(err, ledger.ErrStale) {
		return Verdict{}, ledger.ErrStale
	}
	var refusal *oauth.Error
	if err != nil {
		refusal = oauth.AsError(err)
	}
	if err := g.recordVerdict(ctx, c, a, refusal); err != nil {
		return Verdict{}, err
	}
	if refusal != nil && oauth.Public(refusal.Code).Status >= http.StatusInternalServerError { // not known is no no
		return Verdict{}, refusal
	}
	v := Verdict{Allow: refusal == nil, Refusal: refusal, Unasked: c.resource == nil}
	if c.decision != nil {
		v.Decision = c.decision.ID
	}
	return v, nil
}

// judge is the walk of a token request to this resource, by whoever is asked about, without a token.
func (g *Grants) judge(ctx context.Context, c *call, caller *client.Client) error {
	// 1. The resource is the caller's own.
	if err := c.settleOwnResource(caller); err != nil {
		return err
	}
	// 2. What is asked is something that can be had there.
	if !slices.Contains(c.resource.ScopeNames, c.question.Action) {
		return c.refuse(oauth.CodeEvaluationActionUnknown, "action", c.question.Action, strings.Join(c.resource.ScopeNames, " "))
	}
	// 3. Who acts, and for whom.
	if err := g.settleNamed(ctx, c); err != nil {
		return err
	}
	// 4. The client reaches the resource, and the scope is inside every limit; those of the token too, if one was shown.
	c.limits = limitsOf(c.client())
	if !c.mayReach(c.resource) {
		return c.refuse(oauth.CodeResourceNotAllowed, "resource", c.resource.URI, "a resource of the client")
	}
	if p := c.question.presented; p != nil {
		c.limits.scopes = append(slices.Clone(c.limits.scopes), strings.Fields(p.Token.Claims().Scope))
	}
	left, err := c.scopesWithin([]string{c.question.Action}, c.limits.scopes)
	if err != nil {
		return err
	}
	// 5. Policy. What it demands beside is not begun here: who asks is neither the client nor the person.
	decision, err := g.consult(ctx, c, left)
	if err != nil {
		return err
	}
	return c.heed(decision)
}

// heed holds what policy demands beside a yes.
func (c *call) heed(d policy.Decision) error {
	switch {
	case d.StepUp != nil && c.person == nil:
		return c.refuse(oauth.CodePolicyDenied, "step_up", "no person", "a person who signed in as policy asks")
	case d.StepUp != nil && !d.StepUp.Met(c.acr(), c.provedAt(), c.now):
		return c.challenge(*d.StepUp, "")
	case !slices.Contains(d.Scopes, c.question.Action):
		return c.refuse(oauth.CodeScopeEmpty, "policy scopes", why(d), c.question.Action)
	case d.Approval != nil:
		return c.refuse(oauth.CodeApprovalRequired, "approval", "a request to which nobody can say yes", "a token, which waits for other people")
	}
	c.passed("policy", c.question.Action, "")
	return nil
}

func (g *Grants) callOfQuestion(a *asking) *call {
	c := newCall(Request{Tenant: a.Tenant, Trace: a.Trace, Remote: a.Remote}, g.Now())
	c.action = policy.ActionEvaluate
	return c
}
