// Package rehearsal takes an assertion through the grant as it is served, and
// issues nothing: the same code decides, on the same picture of the tenant, but
// its journal keeps nothing, its signing key is made for the one rehearsal and
// thrown away with the token, and the assertion is neither used up nor stored nor
// logged. It answers what would be granted, check by check.
//
// What it does not check: whether the assertion was redeemed before (nothing is
// looked up in the ledger), and the client's credential, which it stands in for.
// It must not be reachable without the permission to test IdPs: what it tells is
// what outsiders must not learn.
package rehearsal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Stage rehearses. Every member is required.
type Stage struct {
	// Grant is how the served grants are made; what records, signs and counts is replaced.
	Grant   grant.Config
	Clients client.Registry
	// Fetch gets keys. Each rehearsal has a cache of its own, so that a draft cannot touch the served keys.
	Fetch jwks.Getter
	Now   func() time.Time
}

// ErrIncomplete is returned where a check would be empty.
var ErrIncomplete = errors.New("rehearsal: a part is missing")

// Ask is what is rehearsed.
type Ask struct {
	Tenant    *snapshot.Tenant
	Assertion string
	// ClientID stands for the client that would authenticate; "" is the assertion's client_id.
	ClientID        string
	Resource, Scope string // of the request; "" names none
}

// String says nothing of the assertion.
func (a Ask) String() string { return "rehearsal" }

// GoString is String, for %#v.
func (a Ask) GoString() string { return a.String() }

// Result is what would have come of the request.
type Result struct {
	Granted bool            `json:"granted"`
	Code    string          `json:"code,omitempty"`
	Rows    []diagnose.Row  `json:"checks"`
	Policy  json.RawMessage `json:"policy,omitempty"` // the decision, as it would be recorded
	// Token is the claims of the token that would be issued. No signed form of it exists.
	Token json.RawMessage `json:"token,omitempty"`
}

// trace marks what never was a request.
const trace = "trc_rehearsal"

// Run rehearses. An error means that it is not known what would happen; a refusal is a result.
func (s Stage) Run(ctx context.Context, a Ask) (Result, error) {
	if s.Clients == nil || s.Fetch == nil || s.Now == nil || s.Grant.Assertions == nil || a.Tenant == nil || a.Assertion == "" {
		return Result{}, ErrIncomplete
	}
	if a.ClientID == "" {
		a.ClientID = clientOf(a.Assertion)
	}
	keys := jwks.NewCache(s.Fetch, s.Now)
	defer keys.Close()
	standIn, err := s.standIn(ctx, a)
	if err != nil {
		return Result{}, err
	}
	signers, err := throwaway(s.Now)
	if err != nil {
		return Result{}, err
	}
	kept := &journal{}
	c := s.Grant
	verifier := *c.Assertions
	verifier.Keys = keys
	c.Assertions, c.Clients, c.Signers, c.Journal, c.Lane, c.Observer = &verifier, standIn, signers, kept, kept, nobody{}
	c.Captures, c.Uses = nil, nil
	grants, err := grant.New(c)
	if err != nil {
		return Result{}, err
	}
	form, err := formOf(a, standIn.form)
	if err != nil {
		return Result{}, err
	}
	response, err := grants.Token(ctx, grant.Request{Tenant: a.Tenant, Trace: trace, Form: form, Authorization: standIn.authorization})
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	return tell(kept, response, err) // what was refused is a result
}

// clientOf and issuerOf read claims of an assertion that nobody has verified: only to know as which client to ask, and
// which entry is meant.
func clientOf(compact string) string { return claimOf(compact, "client_id") }
func issuerOf(compact string) string { return claimOf(compact, "iss") }

func claimOf(compact, name string) string {
	_, rest, _ := strings.Cut(compact, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || len(compact) > jws.MaxBytes {
		return ""
	}
	claims, err := jws.ParseClaims(text)
	if err != nil {
		return ""
	}
	value, _, err := claims.String(name)
	if err != nil {
		return ""
	}
	return value
}

func formOf(a Ask, credential url.Values) (oauth.Form, error) {
	values := url.Values{"grant_type": {oauth.GrantTypeJWTBearer}, "assertion": {a.Assertion}}
	if a.Resource != "" {
		values.Set("resource", a.Resource)
	}
	if a.Scope != "" {
		values.Set("scope", a.Scope)
	}
	maps.Copy(values, credential)
	return oauth.ParseForm([]byte(values.Encode()))
}

// tell makes rows of what the grant would have recorded.
func tell(kept *journal, response grant.Response, refused error) (Result, error) {
	if kept.event == nil {
		return Result{}, fmt.Errorf("rehearsal: nothing was decided: %w", refused)
	}
	granted := refused == nil
	result := Result{Granted: granted, Code: kept.event.Code, Rows: []diagnose.Row{}}
	if kept.decision != nil {
		result.Policy = kept.decision.Result
	}
	for _, check := range kept.event.Checks {
		result.Rows = append(result.Rows, rowOf(check, kept.event.Code))
	}
	if !granted {
		return result.refused(kept.event), nil
	}
	claims, err := claimsOf(response.AccessToken)
	if err != nil {
		return Result{}, err
	}
	result.Token = claims
	result.Rows = append(result.Rows,
		diagnose.Row{Check: "once", Status: diagnose.Skipped, Seen: "not looked up: a rehearsal redeems nothing"},
		diagnose.Row{Check: "token", Status: diagnose.Pass, Seen: response.Scope, Expected: "for " + response.Resource})
	return result, nil
}

func rowOf(check audit.Check, code string) diagnose.Row {
	row := diagnose.Row{Check: check.Name, Status: diagnose.Pass, Seen: check.Received, Expected: check.Expected}
	if !check.OK {
		row.Status, row.Code, row.Change = diagnose.Fail, federation.Code(code), fixOf(code)
	}
	return row
}

// refused makes sure that what refused has a row, and that what came after it is said to be skipped.
func (r Result) refused(event *audit.Event) Result {
	failed := len(r.Rows) > 0 && r.Rows[len(r.Rows)-1].Status == diagnose.Fail
	if !failed {
		r.Rows = append(r.Rows, diagnose.Row{
			Check: "request", Status: diagnose.Fail, Code: federation.Code(event.Code), Seen: event.Detail["received"], Expected: event.Detail["expected"], Change: fixOf(event.Code),
		})
	}
	return r.skip("resource", "subject", "scope", "policy", "token")
}

func (r Result) skip(checks ...string) Result {
	made := map[string]bool{}
	for _, row := range r.Rows {
		made[row.Check] = true
	}
	for _, check := range checks {
		if !made[check] {
			r.Rows = append(r.Rows, diagnose.Row{Check: check, Status: diagnose.Skipped, Seen: "an earlier check failed"})
		}
	}
	return r
}

func fixOf(code string) string {
	row, ok := oauth.Lookup(oauth.Code(code))
	if !ok {
		return ""
	}
	return row.Fix
}

// claimsOf takes the claims out of the token, whose signature is worth nothing.
func claimsOf(compact string) (json.RawMessage, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errors.New("rehearsal: the token has no three parts")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("rehearsal: %w", err)
	}
	return claims, nil
}

// journal stands for the ledger and for the lane of strangers, and writes nothing.
type journal struct {
	event    *audit.Event
	decision *ledger.Decision
}

// Commit implements grant.Journal.
func (j *journal) Commit(_ context.Context, e ledger.Entry) error {
	j.event, j.decision = &e.Event, e.Decision
	return nil
}

// Add implements grant.Lane.
func (j *journal) Add(e audit.Event, _ string) { j.event = &e }

// nobody counts nothing.
type nobody struct{}

// Granted implements grant.Observer.
func (nobody) Granted(string, string, oauth.Code) {}

// Checked implements grant.Observer.
func (nobody) Checked([]audit.Check) {}

// Decided implements grant.Observer.
func (nobody) Decided(time.Duration, string) {}
