package decision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// ErrNoCase says that a decision makes no test.
var ErrNoCase = errors.New("this decision makes no test")

// Case is a decision as a test of one policy.
type Case struct {
	Policy   string `json:"policy"`
	Revision int64  `json:"revision"`
	File     string `json:"file"` // a name for the text among the policy's tests
	Text     string `json:"text"` // Rego
	// Kept are personal members that the policy decides by, so that they could not be replaced.
	Kept []string `json:"kept,omitempty"`
}

// maxCaseData bounds the policy's data that a test carries; above it the test runs on the policy's own.
const maxCaseData = 16 << 10

// TestCase makes a test of what one policy said of a recorded decision: the grant policy, or the one that is named. Personal
// data is replaced by invented values, as long as the policy says the same of them. The test passes on the revision that
// decided.
func (c Court) TestCase(ctx context.Context, t tenant.UID, d ledger.Decision, name string) (Case, error) {
	in, _, err := input(d)
	if err != nil {
		return Case{}, fmt.Errorf("%w: %w", ErrNoCase, err)
	}
	refs := Recorded(d).Policies
	i := slices.IndexFunc(refs, func(r policy.Ref) bool { return r.Name == name || (name == "" && r.Role == policy.RoleGrant) })
	if i < 0 {
		return Case{}, fmt.Errorf("%w: no such policy was asked", ErrNoCase)
	}
	p, err := c.panel(ctx, t, refs[i:i+1])
	if err != nil {
		return Case{}, fmt.Errorf("%w: %w", ErrNoCase, err)
	}
	evaluator, done := c.evaluator()
	defer done()
	asked := witness{Witness: policy.WitnessOf(evaluator), compiled: p.compiled[0]}
	said, err := asked.say(ctx, in)
	if err != nil {
		return Case{}, fmt.Errorf("%w: the policy gives no answer: %w", ErrNoCase, err)
	}
	made := Case{Policy: refs[i].Name, Revision: refs[i].Revision}
	in, made.Kept = invented(ctx, asked, in, said)
	said, err = asked.say(ctx, in)
	if err != nil {
		return Case{}, fmt.Errorf("%w: %w", ErrNoCase, err)
	}
	label := strings.ToLower(strings.TrimPrefix(d.ID, "dec_"))
	made.File = "decision_" + label + "_test.rego"
	data := p.texts[0].Data
	if !p.owns(0) { // what tenant default keeps there is not for others to read
		data = nil
	}
	if made.Text, err = made.rego(d, label, in, said, data); err != nil {
		return Case{}, err
	}
	return made, c.proves(ctx, p.compiled[0], p.texts[0], made)
}

// witness is one policy, wherever it is evaluated.
type witness struct {
	policy.Witness
	compiled *policy.Compiled
}

func (w witness) say(ctx context.Context, in *policy.Input) (json.RawMessage, error) {
	return w.Say(ctx, w.compiled, in)
}

// proves runs the test on the revision that decided. What is evaluated elsewhere is tested elsewhere.
func (c Court) proves(ctx context.Context, compiled *policy.Compiled, src policy.Source, made Case) error {
	src.Tests = map[string]string{made.File: made.Text}
	run := c.Tests
	if !compiled.Isolated() {
		src.Template, run = "", testedHere // its modules are here
	}
	if run == nil {
		return fmt.Errorf("%w: its tests run in another process, and there is none", ErrNoCase)
	}
	passes, err := run(ctx, src)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCase, err)
	}
	if !passes {
		return fmt.Errorf("%w: it does not pass on the revision that decided", ErrNoCase)
	}
	return nil
}

func testedHere(ctx context.Context, src policy.Source) (bool, error) {
	compiled, err := policy.Compile(ctx, src)
	if err != nil {
		return false, err
	}
	results, err := compiled.RunTests(ctx)
	return err == nil && len(results) > 0 && len(policy.Failed(results)) == 0, err
}

// invented replaces personal values, one member after the other, and keeps those by which the policy decides.
func invented(ctx context.Context, asked witness, in *policy.Input, said json.RawMessage) (*policy.Input, []string) {
	var kept []string
	try := func(change func(*policy.Input) bool) bool {
		other := *in
		if !change(&other) {
			return true
		}
		again, err := asked.say(ctx, &other)
		if err != nil || !sameAnswer(said, again) {
			return false
		}
		in = &other
		return true
	}
	values := &inventor{names: map[string]string{}}
	for _, m := range members() {
		if !m.personal && m.name != "actor.chain" && m.name != "workload.sub" && m.name != "user.home_tenant" {
			continue
		}
		done := try(func(in *policy.Input) bool { return m.visit(in, nil, values) })
		if !done && m.name == "user.email" { // its domain may decide
			values.domains = true
			done = try(func(in *policy.Input) bool { return m.visit(in, nil, values) })
			values.domains = false
		}
		if !done {
			kept = append(kept, m.name)
		}
	}
	if !try(func(in *policy.Input) bool {
		if in.User == nil {
			return false
		}
		u := *in.User
		u.ID, in.User = "usr_test", &u
		return true
	}) {
		kept = append(kept, "user.id")
	}
	return in, kept
}

// inventor makes values up, the same for the same.
type inventor struct {
	names   map[string]string
	domains bool // of addresses stay
}

func (v *inventor) text(s string) string {
	if _, ok := v.names[s]; !ok {
		v.names[s] = fmt.Sprintf("value-%d", len(v.names)+1)
	}
	return v.names[s]
}

func (v *inventor) email(s string) string {
	domain := "@example.com"
	if at := strings.LastIndexByte(s, '@'); at >= 0 && v.domains {
		domain = s[at:]
	}
	return "person" + domain
}

// answer is what a test holds a policy to: not its words for people, which may speak of them.
type answer struct {
	Allow    any `json:"allow"`
	Scopes   any `json:"scopes"`
	Deny     any `json:"deny"`
	StepUp   any `json:"step_up"`
	Approval any `json:"approval"`
	Lifetime any `json:"lifetime"`
	Reasons  any `json:"reasons"`
}

func answerOf(said json.RawMessage) (a answer, err error) {
	if said == nil {
		return a, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(said))
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil {
		return a, err
	}
	if list, ok := a.Deny.([]any); ok {
		a.Deny = len(list)
	}
	codes := map[string]bool{}
	list, _ := a.Reasons.([]any)
	for _, item := range list {
		if reason, ok := item.(map[string]any); ok {
			if code, ok := reason["code"].(string); ok {
				codes[code] = true
			}
		}
	}
	if a.Reasons != nil {
		a.Reasons = slices.Sorted(maps.Keys(codes))
	}
	return a, nil
}

func sameAnswer(x, y json.RawMessage) bool {
	if x == nil || y == nil {
		return x == nil && y == nil
	}
	a, errA := answerOf(x)
	b, errB := answerOf(y)
	textA, errC := json.Marshal(a)
	textB, errD := json.Marshal(b)
	return errors.Join(errA, errB, errC, errD) == nil && bytes.Equal(textA, textB)
}

// rego writes the test.
func (c Case) rego(d ledger.Decision, label string, in *policy.Input, said json.RawMessage, data map[string]any) (string, error) {
	text, err := in.JSON()
	if err != nil {
		return "", err
	}
	inputText, err := indented(text)
	if err != nil {
		return "", err
	}
	with := " with input as request_" + label
	var b strings.Builder
	fmt.Fprintf(&b, "# What revision %d said in decision %s of %s. Personal data is invented", c.Revision, d.ID, d.At.UTC().Format("2006-01-02"))
	if len(c.Kept) > 0 {
		b.WriteString(", but for that by which the policy decides: " + strings.Join(c.Kept, ", "))
	}
	fmt.Fprintf(&b, ".\npackage chancery.authz_test\n\nimport data.chancery.authz\n\nrequest_%s := %s\n", label, inputText)
	if dataText, err := json.Marshal(data); err == nil && len(data) > 0 && len(dataText) <= maxCaseData {
		shown, err := indented(dataText)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\ndata_%s := %s\n", label, shown)
		with += " with data.policy as data_" + label
	}
	fmt.Fprintf(&b, "\ntest_decision_%s if {\n", label)
	lines, err := assertions(said, with)
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		b.WriteString("\t" + l + "\n")
	}
	b.WriteString("}\n")
	formatted, err := policy.Format(c.File, b.String())
	if err != nil {
		return b.String(), nil //nolint:nilerr // it reads as well as it is
	}
	return formatted, nil
}

func indented(text []byte) (string, error) {
	var b bytes.Buffer
	err := json.Indent(&b, text, "", "\t")
	return b.String(), err
}

// assertions hold a policy to what it said. Lists that are sets in Rego are compared as sets.
func assertions(said json.RawMessage, with string) ([]string, error) {
	if said == nil {
		return []string{"not authz.decision" + with}, nil
	}
	a, err := answerOf(said)
	if err != nil {
		return nil, err
	}
	lines := []string{"d := authz.decision" + with}
	member := func(name string, v any) error {
		if v == nil {
			lines = append(lines, `object.get(d, "`+name+`", null) == null`)
			return nil
		}
		text, err := json.Marshal(v)
		lines = append(lines, `object.get(d, "`+name+`", null) == `+string(text))
		return err
	}
	set := func(of string, v any) error {
		if list, ok := v.([]any); ok && len(list) == 0 { // nothing can be taken from a list of nothing
			lines = append(lines, "count("+of+") == 0")
			return nil
		}
		text, err := json.Marshal(v)
		lines = append(lines, "{x | some x in "+of+"} == {x | some x in "+string(text)+"}")
		return err
	}
	errs := []error{member("allow", a.Allow)}
	if a.Scopes != nil {
		errs = append(errs, set(`object.get(d, "scopes", [])`, a.Scopes))
	} else {
		lines = append(lines, `object.get(d, "scopes", null) == null`)
	}
	if n, ok := a.Deny.(int); ok {
		lines = append(lines, fmt.Sprintf(`count(object.get(d, "deny", [])) == %d`, n))
	}
	for name, v := range map[string]any{"step_up": a.StepUp, "approval": a.Approval, "lifetime": a.Lifetime} {
		if v != nil {
			errs = append(errs, member(name, v))
		}
	}
	if codes, ok := a.Reasons.([]string); ok && len(codes) == 0 {
		lines = append(lines, `count(object.get(d, "reasons", [])) == 0`)
	} else if ok {
		text, err := json.Marshal(codes)
		lines = append(lines, `{r.code | some r in object.get(d, "reasons", [])} == {c | some c in `+string(text)+"}")
		errs = append(errs, err)
	}
	slices.Sort(lines[2:])
	return lines, errors.Join(errs...)
}
