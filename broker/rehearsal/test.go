package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

// Pictures gives a tenant's picture by its name.
type Pictures interface {
	Get(ctx context.Context, name string) (*snapshot.Tenant, error)
}

// Tests are what `chancery idp test` asks for: a connection, and an assertion
// rehearsed if there is one. All members but Relying are required.
type Tests struct {
	Pictures Pictures
	Tester   diagnose.Tester
	Stage    Stage
	Journal  grant.Journal // of who tests; nothing else is recorded
	// Relying tries a saved entry's credential; nil leaves that out.
	Relying  diagnose.Relying
	Metadata Metadata
}

// TestAsk says what is tested: a saved entry by its name, a draft, or the entry
// whose issuer the assertion names.
type TestAsk struct {
	Tenant string
	Name   string
	Draft  *object.Object

	Assertion       string
	ClientID        string
	Resource, Scope string

	By    audit.Principal
	Trace string
}

// String says nothing of the assertion.
func (a TestAsk) String() string { return "test of an IdP of " + a.Tenant }

// GoString is String, for %#v.
func (a TestAsk) GoString() string { return a.String() }

// TestAnswer is what came of it.
type TestAnswer struct {
	diagnose.Report
	Passed    bool    `json:"passed"`
	Assertion *Result `json:"assertion,omitempty"`
}

// ErrInactive is returned where nothing can be decided at the moment.
var ErrInactive = errors.New("the tenant is not active: it is suspended, or was made a moment ago")

// ErrNothing is returned for an ask that names neither entry nor assertion.
var ErrNothing = errors.New("name an IdP, give one, or give an assertion")

// IdP tests. An entry that is not there is object.ErrNotFound.
func (t Tests) IdP(ctx context.Context, a TestAsk) (TestAnswer, error) {
	picture, err := t.Pictures.Get(ctx, a.Tenant)
	if errors.Is(err, snapshot.ErrUnknownTenant) {
		return TestAnswer{}, ErrInactive
	}
	if err != nil {
		return TestAnswer{}, err
	}
	entry, picture, taken, err := t.entry(picture, a)
	if err != nil {
		return TestAnswer{}, err
	}
	// A draft may name any host, and a rehearsal tells what outsiders must not learn: who had it done is recorded first.
	if err := t.Journal.Commit(ctx, ledger.Entry{Tenant: picture.UID, Event: t.event(picture.UID, entry, a)}); err != nil {
		return TestAnswer{}, err
	}
	answer := TestAnswer{Report: diagnose.Report{At: t.Stage.Now().UTC(), Rows: []diagnose.Row{}}}
	switch {
	case taken != "":
		answer.Report = diagnose.Taken(*entry, taken, t.Stage.Now())
	case entry != nil && speaksSAMLAlone(picture, entry):
		answer.IdP, answer.Issuer = entry.Name, entry.Issuer
	case entry != nil:
		if answer.Report, err = t.Tester.Connection(ctx, *entry); err != nil {
			return TestAnswer{}, err
		}
	}
	if entry != nil && a.Draft == nil {
		if err := t.signIn(ctx, picture, entry, &answer.Report); err != nil {
			return TestAnswer{}, err
		}
	}
	for i, row := range answer.Rows {
		if row.Change == "" && row.Status == diagnose.Fail {
			answer.Rows[i].Change = fixOf(string(row.Code))
		}
	}
	answer.Passed = answer.Report.Passed()
	if a.Assertion == "" || taken != "" {
		return answer, nil
	}
	result, err := t.Stage.Run(ctx, Ask{Tenant: picture, Assertion: a.Assertion, ClientID: a.ClientID, Resource: a.Resource, Scope: a.Scope})
	if err != nil {
		return TestAnswer{}, err
	}
	answer.Assertion, answer.Passed = &result, answer.Passed && result.Granted
	return answer, nil
}

func (t Tests) event(uid tenant.UID, entry *federation.IdentityProvider, a TestAsk) audit.Event {
	now := t.Stage.Now()
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: uid, Trace: a.Trace, Type: audit.TypeIdPTested, Outcome: audit.Allowed, Principal: a.By,
		Detail: map[string]string{"draft": strconv.FormatBool(a.Draft != nil), "assertion": strconv.FormatBool(a.Assertion != "")},
	}
	if entry != nil {
		e.IdP, e.Detail["issuer"] = entry.Name, entry.Issuer
	}
	return e
}

// entry finds what is tested. taken is the name of the entry that has a draft's issuer.
func (t Tests) entry(picture *snapshot.Tenant, a TestAsk) (entry *federation.IdentityProvider, in *snapshot.Tenant, taken string, err error) {
	switch {
	case a.Draft != nil:
		return t.draft(picture, *a.Draft)
	case a.Name != "":
		found, ok := picture.Registry.Named(a.Name)
		if !ok {
			return nil, nil, "", fmt.Errorf("IdentityProvider %s: %w", a.Name, object.ErrNotFound)
		}
		return found, picture, "", nil
	case a.Assertion != "":
		for _, one := range picture.Registry.All() {
			if one.Issuer == issuerOf(a.Assertion) {
				return one, picture, "", nil
			}
		}
		return nil, picture, "", nil // the rehearsal says that nobody has this issuer
	default:
		return nil, nil, "", ErrNothing
	}
}

func (t Tests) draft(picture *snapshot.Tenant, o object.Object) (entry *federation.IdentityProvider, in *snapshot.Tenant, taken string, err error) {
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return nil, nil, "", err
	}
	in, made, err := picture.Draft(object.Stored{
		Tenant: picture.UID, UID: id.New(id.IdentityProvider, t.Stage.Now()), Kind: object.KindIdentityProvider, Name: o.Metadata.Name, Revision: 1, Spec: spec,
	})
	if errors.Is(err, federation.ErrIssuerTaken) {
		for _, other := range picture.Registry.All() {
			if other.Issuer == made.Issuer && other.Name != made.Name {
				return &made, picture, other.Name, nil
			}
		}
	}
	if err != nil {
		return nil, nil, "", err
	}
	return &made, in, "", nil
}
