package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// walked is the record of both legs. The token is not in it.
type walked struct {
	Resource string      `json:"resource"`
	Issuer   string      `json:"issuer"`
	Asked    []string    `json:"asked"`
	Legs     []walkedLeg `json:"legs"`
	Granted  []string    `json:"granted"`
	Dropped  []dropped   `json:"dropped"`
	Bound    bool        `json:"dpop_bound"`
	Trace    string      `json:"trace,omitempty"`
	Refused  *refusal    `json:"refused,omitempty"`
	Error    string      `json:"error,omitempty"` // of what is no refusal
}

type walkedLeg struct {
	Leg     int      `json:"leg"`
	What    string   `json:"what"`
	Issuer  string   `json:"issuer"`
	OK      bool     `json:"ok"`
	Seconds int64    `json:"seconds,omitempty"`
	Scopes  []string `json:"scopes"`
	Code    string   `json:"code,omitempty"`
	Trace   string   `json:"trace,omitempty"`
}

// dropped is a scope that was asked for and not granted, and by whom.
type dropped struct {
	Scope string `json:"scope"`
	By    string `json:"by"` // idp, policy, limits or unknown
	Why   string `json:"why,omitempty"`
}

func (c *command) explainToken(ctx context.Context, a asked) error {
	got, failure := obtain.Do(ctx, a.request)
	record := walked{
		Resource: got.Resource, Issuer: got.Issuer, Asked: orNone(got.Asked), Legs: []walkedLeg{}, Granted: orNone(got.Granted()), Dropped: []dropped{},
		Bound: a.request.Identity.DPoP != nil, Trace: got.Trace(),
	}
	for _, leg := range got.Legs {
		record.Legs = append(record.Legs, walkedLegOf(leg, a.request.Identity))
	}
	if failure == nil {
		record.Dropped = c.whyDropped(ctx, a, got)
	} else if record.Refused = refusalOf(failure); record.Refused == nil {
		record.Error = plainError(failure).Error()
	}
	if err := c.print(record, func(w io.Writer) error { return writeWalked(w, record) }); err != nil {
		return err
	}
	if failure != nil {
		return refused(failure, a.dev != nil)
	}
	return nil
}

func walkedLegOf(l agent.Leg, who obtain.Identity) walkedLeg {
	leg := walkedLeg{Leg: l.Number, Issuer: l.Issuer, OK: l.Err == nil, Seconds: int64(l.Lifetime.Seconds()), Scopes: orNone(l.Scopes), Trace: l.Trace}
	switch {
	case l.Number == 1 && who.SubjectIsIDT:
		leg.What = "id_token → ID-JAG"
	case l.Number == 1:
		leg.What = "refresh_token → ID-JAG"
	case who.ClientCredentials:
		leg.What = "client_credentials → access token"
	case who.AssertionFile != "":
		leg.What = "assertion → access token"
	default:
		leg.What = "ID-JAG → access token"
	}
	if refused, ok := errors.AsType[*agent.Error](l.Err); ok {
		leg.Code = cmp.Or(refused.Code, refused.OAuth)
	}
	return leg
}

func writeWalked(w io.Writer, r walked) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, leg := range r.Legs {
		state, rest := "ok", fmt.Sprintf("%d s\tscopes %s", leg.Seconds, strings.Join(leg.Scopes, " "))
		if !leg.OK {
			state, rest = "refused", cmp.Or(leg.Code, "failed")+"\tscopes "+strings.Join(leg.Scopes, " ")
		}
		if i == len(r.Legs)-1 && len(r.Dropped) > 0 {
			rest += "\t(" + droppedText(r.Dropped) + ")"
		}
		_, _ = fmt.Fprintf(columns, "leg %d\t%s\t%s\t%s\n", leg.Leg, leg.What, state, visibleColumns(rest))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	if r.Trace != "" {
		_, _ = fmt.Fprintf(w, "trace  %s   chancery explain %s\n", visible(r.Trace), visible(r.Trace))
	}
	return nil
}

// visibleColumns is visible, but for the tabs between columns.
func visibleColumns(text string) string {
	cells := strings.Split(text, "\t")
	for i := range cells {
		cells[i] = visible(cells[i])
	}
	return strings.Join(cells, "\t")
}

// droppedText puts scopes that were dropped for one reason together.
func droppedText(list []dropped) string {
	var parts []string
	for len(list) > 0 {
		first := list[0]
		var scopes []string
		list = slices.DeleteFunc(slices.Clone(list), func(d dropped) bool {
			same := d.By == first.By && d.Why == first.Why
			if same {
				scopes = append(scopes, d.Scope)
			}
			return same
		})
		by := map[string]string{"idp": "the IdP dropped ", "policy": "policy dropped ", "limits": "limits dropped "}[first.By]
		text := cmp.Or(by, "dropped ") + strings.Join(scopes, " ")
		if first.Why != "" {
			text += ": " + first.Why
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// whyDropped says who took a scope. What the server alone knows is asked of the admin API, where it can be reached.
func (c *command) whyDropped(ctx context.Context, a asked, got obtain.Obtained) []dropped {
	found := []dropped{}
	asserted := got.Asked
	if len(got.Legs) > 1 {
		asserted = got.Legs[0].Scopes
	}
	var why *decided
	for _, scope := range got.Asked {
		if slices.Contains(got.Granted(), scope) {
			continue
		}
		if !slices.Contains(asserted, scope) {
			found = append(found, dropped{Scope: scope, By: "idp", Why: "it does not assert it for this audience"})
			continue
		}
		if why == nil {
			why = c.decided(ctx, a, got.Trace())
		}
		found = append(found, why.dropped(ctx, scope))
	}
	return found
}

// decided is the server's record of a request; empty where it cannot be read.
type decided struct {
	admin    *client.Client
	story    story.Story
	resource string // the name of its object
}

func (c *command) decided(ctx context.Context, a asked, trace string) *decided {
	d := &decided{}
	admin, err := c.adminFor(a)
	if err != nil || trace == "" {
		return d
	}
	raw, err := admin.Explain(ctx, trace)
	if err != nil || json.Unmarshal(raw, &d.story) != nil {
		return d
	}
	d.admin = admin
	if d.story.Policy != nil {
		var input struct {
			Resource struct {
				Name string `json:"name"`
			} `json:"resource"`
		}
		if json.Unmarshal(d.story.Policy.Input, &input) == nil {
			d.resource = input.Resource.Name
		}
	}
	return d
}

func (c *command) adminFor(a asked) (*client.Client, error) {
	if a.dev != nil {
		return devAdmin(a.dev)
	}
	return c.admin()
}

func (d *decided) dropped(ctx context.Context, scope string) dropped {
	if d.admin == nil {
		return dropped{Scope: scope, By: "unknown", Why: "the admin API, which knows why, was not reached"}
	}
	for _, check := range d.story.Checks {
		if check.Name == "scope" && !slices.Contains(strings.Fields(check.Expected), scope) {
			return dropped{Scope: scope, By: "limits", Why: "not allowed by assertion, client, IdP entry and resource together"}
		}
	}
	if groups := d.groupsFor(ctx, scope); len(groups) > 0 {
		return dropped{Scope: scope, By: "policy", Why: "needs group " + strings.Join(groups, " or ")}
	}
	return dropped{Scope: scope, By: "policy", Why: d.reasons()}
}

// groupsFor reads from the policies that decided, where they are made of the template group-scopes, who is granted a scope.
func (d *decided) groupsFor(ctx context.Context, scope string) []string {
	var groups []string
	if d.story.Policy == nil {
		return nil
	}
	for _, p := range d.story.Policy.Policies {
		policy, err := d.admin.Get(ctx, object.KindPolicy, p.Name)
		if err != nil {
			continue
		}
		spec, ok := policy.Spec.(*object.PolicySpec)
		if !ok || spec.Template != "group-scopes" {
			continue
		}
		var rows struct {
			Grants []struct {
				Groups   []string `json:"groups"`
				Resource string   `json:"resource"`
				Scopes   []string `json:"scopes"`
			} `json:"grants"`
		}
		raw, err := json.Marshal(spec.Data)
		if err != nil || json.Unmarshal(raw, &rows) != nil {
			continue
		}
		for _, row := range rows.Grants {
			if row.Resource == d.resource && slices.Contains(row.Scopes, scope) {
				groups = append(groups, row.Groups...)
			}
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func (d *decided) reasons() string {
	if d.story.Policy == nil {
		return ""
	}
	var details []string
	for _, reason := range d.story.Policy.Reasons {
		details = append(details, cmp.Or(reason.Detail, reason.Code))
	}
	return strings.Join(details, ", ")
}
