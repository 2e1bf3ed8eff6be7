package decision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/remedy"
)

// Again is a recorded decision decided again by the revisions that decided it.
type Again struct {
	// Problem says why it could not be: the input is no longer kept, or a revision is gone.
	Problem string `json:"problem,omitempty"`
	// Differs says that the same revisions say something else today of what is recorded; Result is what.
	Differs bool             `json:"differs"`
	Result  *policy.Decision `json:"result,omitempty"`
	// Masked is what the policies read of the input and the record does not tell: the answer is not certain.
	Masked []string `json:"masked,omitempty"`
	// Rules are those that were true, by policy, in the order in which they were.
	Rules []Rule `json:"rules,omitempty"`
	// Silent are the policies of which no rule of decision was true: each alone denies.
	Silent  []string  `json:"silent,omitempty"`
	Reasons []Meaning `json:"reasons,omitempty"`
	// Remedies are the smallest changes of the request that would have turned the answer.
	Remedies *remedy.Remedies `json:"remedies,omitempty"`
}

// Rule is a rule that was true. One that decided is shown with its text, unless it is of a guard that tenant default lays on
// others.
type Rule struct {
	Policy   string `json:"policy"`
	Revision int64  `json:"revision"`
	policy.Rule
	Decided bool     `json:"decided"`
	Text    []string `json:"text,omitempty"`
}

// Meaning is what a reason means: what the product says of a code of its own, or what the policy's author wrote above the
// rule that gives it.
type Meaning struct {
	policy.Reason
	Means string `json:"means,omitempty"`
	File  string `json:"file,omitempty"` // where the policy gives it
	Row   int    `json:"row,omitempty"`
}

// Court decides recorded decisions again.
type Court struct {
	Revisions Revisions
	Root      tenant.UID // of tenant default, whose guards may bind all
	// Evaluator decides; nil is one in this process with five times the budget of a decision.
	Evaluator policy.Evaluator
	// Compile prepares a policy of a tenant, here or elsewhere; nil compiles here.
	Compile Compile
	// Tests runs the tests of a policy that is evaluated elsewhere, there, and tells whether there are any and all pass;
	// nil is nowhere.
	Tests func(ctx context.Context, src policy.Source) (bool, error)
}

func (c Court) evaluator() (policy.Evaluator, func()) {
	if c.Evaluator != nil {
		return c.Evaluator, func() {}
	}
	e := policy.NewInProcess(5*policy.DefaultBudget, policy.WithApprovals())
	return e, e.Close
}

// panel compiles the revisions that decided.
func (c Court) panel(ctx context.Context, t tenant.UID, refs []policy.Ref) (panel, error) {
	var own, inherited []policy.Source
	for _, ref := range refs {
		src, err := c.Revisions.Get(ctx, t, ref.UID, ref.Revision)
		all := false
		if err != nil && t != c.Root && ref.Role == policy.RoleGuard {
			src, err = c.Revisions.Get(ctx, c.Root, ref.UID, ref.Revision)
			all = true
		}
		if err != nil {
			return panel{}, fmt.Errorf("revision %d of policy %s is gone: %w", ref.Revision, ref.Name, err)
		}
		if ref.Hash != "" && src.Hash() != ref.Hash {
			return panel{}, fmt.Errorf("revision %d of policy %s is not the text that decided", ref.Revision, ref.Name)
		}
		if src.Name = ref.Name; all {
			inherited = append(inherited, src)
		} else {
			own = append(own, src)
		}
	}
	name := "" // of a tenant other than default: what others wrote may be evaluated elsewhere
	if t == c.Root {
		name = tenant.DefaultName
	}
	return c.Compile.assemble(ctx, name, own, inherited)
}

var errPurged = errors.New("its input is no longer kept")

// input reads what was recorded.
func input(d ledger.Decision) (*policy.Input, policy.Record, error) {
	if len(bytes.TrimSpace(d.Input)) == 0 {
		return nil, policy.Record{}, errPurged
	}
	return policy.ParseRecorded(d.Input)
}

// Decide evaluates a recorded decision again. What stands in its way is in the answer; only an end of ctx is an error.
func (c Court) Decide(ctx context.Context, t tenant.UID, d ledger.Decision) (Again, error) {
	in, beside, err := input(d)
	if err != nil {
		return Again{Problem: err.Error()}, nil
	}
	refs := Recorded(d).Policies
	if len(refs) == 0 {
		return Again{Problem: "nobody was asked: no grant policy was there for the resource and the action"}, nil
	}
	p, err := c.panel(ctx, t, refs)
	if err != nil {
		return Again{Problem: err.Error()}, ctx.Err()
	}
	evaluator, done := c.evaluator()
	defer done()

	a := Again{}
	for _, member := range beside.Masked {
		if p.set.MayRead(resourceOf(in), in.Action, member) {
			a.Masked = append(a.Masked, member)
		}
	}
	now := evaluator.Decide(ctx, p.set, in)
	if late(now) && now.Code != d.Code { // that says nothing of what is recorded
		return Again{Problem: "its policies did not answer in time; ask again later", Masked: a.Masked}, ctx.Err()
	}
	if a.Differs = !alike(d.Result, now); a.Differs {
		a.Result = &now
	}
	if err := a.rules(ctx, evaluator, p, in); err != nil {
		return a, err
	}
	for _, r := range now.Reasons {
		a.Reasons = append(a.Reasons, meaning(p, r))
	}
	found, err := remedy.Find(ctx, evaluator, p.set, p.sources(), in, remedy.Options{})
	if err != nil {
		return a, err
	}
	if !found.Granted {
		a.Remedies = &found
	}
	return a, nil
}

// late is a decision for want of time or memory.
func late(d policy.Decision) bool { return d.Code == policy.CodeTimeout || d.Code == policy.CodeMemory }

func resourceOf(in *policy.Input) string {
	if in.Resource == nil {
		return ""
	}
	return in.Resource.Name
}

// alike compares a recorded result with one of today, but for the policies' hashes, which older records lack.
func alike(recorded []byte, now policy.Decision) bool {
	var was policy.Decision
	decoder := json.NewDecoder(bytes.NewReader(recorded))
	decoder.UseNumber()
	if decoder.Decode(&was) != nil {
		return false
	}
	was.Policies, now.Policies = nil, nil
	x, errX := json.Marshal(was)
	y, errY := json.Marshal(now)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// rules lists what was true, and marks the last rule of decision of each policy.
func (a *Again) rules(ctx context.Context, e policy.Evaluator, p panel, in *policy.Input) error {
	for _, ref := range p.set.Policies(resourceOf(in), in.Action) {
		i := slices.IndexFunc(p.compiled, func(c *policy.Compiled) bool { return c.Ref() == ref })
		if i < 0 {
			continue
		}
		found, err := policy.WitnessOf(e).Explain(ctx, p.compiled[i], in)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		decided := -1
		for _, r := range found {
			a.Rules = append(a.Rules, Rule{Policy: ref.Name, Revision: ref.Revision, Rule: r})
			if r.Name == "decision" || strings.HasPrefix(r.Name, "decision.") || strings.HasPrefix(r.Name, "decision[") {
				decided = len(a.Rules) - 1
			}
		}
		if decided < 0 {
			a.Silent = append(a.Silent, ref.Name)
			continue
		}
		last := &a.Rules[decided]
		if last.Decided = true; p.owns(i) {
			last.Text = text(p.texts[i].Modules[last.File], last.Row)
		}
	}
	return nil
}

const maxText = 24 // lines of a rule that are shown

// text is the rule that begins in a row: to where its brackets close.
func text(module string, row int) []string {
	lines := strings.Split(module, "\n")
	if row < 1 || row > len(lines) {
		return nil
	}
	depth := 0
	for i, line := range lines[row-1:] {
		depth += strings.Count(line, "{") + strings.Count(line, "[") + strings.Count(line, "(") -
			strings.Count(line, "}") - strings.Count(line, "]") - strings.Count(line, ")")
		if depth <= 0 || i+1 == maxText {
			return lines[row-1 : row+i]
		}
	}
	return lines[row-1:]
}

// meaning finds what a reason means.
func meaning(p panel, r policy.Reason) Meaning {
	m := Meaning{Reason: r}
	switch r.Code {
	case policy.ReasonScopeNarrowed:
		m.Means = "the policy named scopes above what was asked for or may be given; they were cut"
	case policy.ReasonStepUpImpossible:
		m.Means = "two policies demand sign-ins of which none can be both"
	case policy.ReasonApprovalUnavailable:
		m.Means = "a person would have to approve, and approvals are not served"
	default:
		if row, ok := oauth.Lookup(oauth.Code(r.Code)); ok && strings.HasPrefix(r.Code, "policy_") {
			m.Means = row.Text
		}
	}
	for _, src := range p.sources() {
		if r.Policy != "" && src.Name != r.Policy {
			continue
		}
		modules := src.Modules
		for _, file := range sorted(modules) {
			if row, above := said(modules[file], r.Code); row > 0 {
				m.File, m.Row = file, row
				if m.Means == "" {
					m.Means = above
				}
				return m
			}
		}
	}
	return m
}

// said finds the row where a module spells a code, and the comment above the rule it is in.
func said(module, code string) (row int, above string) {
	lines := strings.Split(module, "\n")
	at := slices.IndexFunc(lines, func(l string) bool {
		return strings.Contains(l, `"`+code+`"`) && !strings.HasPrefix(strings.TrimSpace(l), "#")
	})
	if at < 0 {
		return 0, ""
	}
	head := at
	for head > 0 && (lines[head] == "" || strings.ContainsAny(lines[head][:1], " \t}#")) {
		head--
	}
	var comment []string
	for i := head - 1; i >= 0 && strings.HasPrefix(lines[i], "#"); i-- {
		line := strings.TrimSpace(strings.TrimLeft(lines[i], "#"))
		switch value, titled := strings.CutPrefix(line, "title:"); {
		case titled:
			return at + 1, strings.TrimSpace(value)
		case line == "METADATA":
		default:
			comment = append(comment, line)
		}
	}
	slices.Reverse(comment)
	return at + 1, strings.Join(comment, " ")
}
