package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
)

// evaluating are policy eval's flags.
type evaluating struct {
	files    []string
	input    string
	decision string
	explain  bool
}

func (c *command) policyEvalCommand() *cobra.Command {
	var e evaluating
	cmd := &cobra.Command{
		Use:   "eval -f FILE|DIR --input FILE|-|--decision ID",
		Short: "Decide one request by the policies of files",
		Long: `Decide one request by the Policy objects of files, as the server would: the one grant policy that matches with every guard, those of
the tenant default that bind all included. The input is a JSON document as policies see it; --decision takes the one that the server
recorded of a decision (dec_…) or of a request (trc_…), masked as the log keeps it. What a scope implies is read from the Resource objects of the files. The rules that were
true are listed; --explain shows the policies' text too, + before each line that was evaluated and - before those that were not. An approval that a policy demands denies, as it does where no workflow is served; step-up is shown, not compared.

Exit status: 0 allowed; 1 the files cannot be read, or a policy does not compile; 2 denied.`,
		Example: `  chancery policy eval -f objects/ --input request.json
  chancery policy eval -f objects/ --decision dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G --explain`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&e.files, "filename", "f", nil, "file or folder of objects; may be repeated")
	flags.StringVar(&e.input, "input", "", "the request: a JSON file, or - for standard input")
	flags.StringVar(&e.decision, "decision", "", "the request: of a recorded decision, asked of the server")
	flags.BoolVar(&e.explain, "explain", false, "show in the text of the policies which lines were evaluated")
	c.addRemoteFlags(cmd)
	flags.Lookup("tenant").Usage = "whose policies decide (default: default)"
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		return plainError(c.evaluate(cmd.Context(), e))
	}
	return cmd
}

// evaluated is what policy eval prints.
type evaluated struct {
	policy.Decision
	Rules   []evaluatedRule `json:"rules,omitempty"`
	Reached []policyCovered `json:"reached,omitempty"`
}

type evaluatedRule struct {
	Policy string `json:"policy"`
	policy.Rule
}

func (c *command) evaluate(ctx context.Context, e evaluating) error {
	if e.input == objectfile.Stdin && slices.Contains(e.files, objectfile.Stdin) {
		return errors.New("standard input can be read once")
	}
	written, policies, err := c.readPolicies(e.files)
	if err != nil {
		return err
	}
	in, err := c.askedInput(ctx, e)
	if err != nil {
		return err
	}
	of := c.remote.tenant
	if of == "" {
		of = tenant.DefaultName
	}
	in.Implies = implied(written.Objects, of, in.Resource)
	own, inherited, err := compileFor(ctx, of, policies)
	if err != nil {
		return err
	}
	set, err := policy.NewSet(own, inherited)
	if err != nil {
		return err
	}
	evaluator := policy.NewInProcess(0, policy.WithApprovals())
	defer evaluator.Close()
	result := evaluated{Decision: evaluator.Decide(ctx, set, in)}
	for _, compiled := range slices.Concat(own, inherited) {
		ref := compiled.Ref()
		if !slices.ContainsFunc(result.Policies, func(r policy.Ref) bool { return r.UID == ref.UID }) {
			continue
		}
		rules, err := compiled.Explain(ctx, in)
		if err != nil {
			continue // the decision says what went wrong
		}
		for _, r := range rules {
			result.Rules = append(result.Rules, evaluatedRule{Policy: ref.Name, Rule: r})
		}
		if !e.explain {
			continue
		}
		if reached, err := compiled.Reached(ctx, in); err == nil {
			owner, _, _ := strings.Cut(ref.UID, "/")
			result.Reached = append(result.Reached, policyCovered{Tenant: owner, Policy: ref.Name, Percent: reached.Percent(), Coverage: reached, text: compiled.Text})
		}
	}
	if err := c.print(result, result.write); err != nil {
		return err
	}
	if !result.Allow {
		return errDiffers
	}
	return nil
}

// askedInput is the request that is decided: of a file, or of a recorded decision.
func (c *command) askedInput(ctx context.Context, e evaluating) (*policy.Input, error) {
	if e.decision == "" {
		return c.readInput(e.input)
	}
	if e.input != "" {
		return nil, errors.New("--input and --decision are two requests: say one")
	}
	admin, err := c.admin()
	if err != nil {
		return nil, err
	}
	raw, err := admin.Explain(ctx, e.decision)
	if err != nil {
		return nil, err
	}
	var told story.Story
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, fmt.Errorf("admin API: read the story: %w", err)
	}
	if told.Policy == nil || told.Policy.Input == nil {
		return nil, fmt.Errorf("%s has no recorded input: no policy was asked, or it is purged", e.decision)
	}
	return policy.ParseInput(told.Policy.Input)
}

func (c *command) readInput(path string) (*policy.Input, error) {
	in := c.stdin
	switch path {
	case "":
		return nil, errors.New("say what is asked: --input FILE, --input - for standard input, or --decision ID")
	case objectfile.Stdin:
	default:
		f, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxModule))
	if err != nil {
		return nil, err
	}
	return policy.ParseInput(text)
}

// compileFor compiles a tenant's own policies, and the guards of default that bind all.
func compileFor(ctx context.Context, of string, policies []namedPolicy) (own, inherited []*policy.Compiled, err error) {
	for _, p := range policies {
		name, mine := p.object.Metadata.Name, p.object.TenantName() == of
		bindsAll := p.object.TenantName() == tenant.DefaultName && p.spec.Binds == object.BindsAll
		if !mine && !bindsAll {
			continue
		}
		// The label stands for the uid that the server would give: the decision is found by it again.
		compiled, err := policy.Compile(ctx, regocheck.Source(p.object.TenantName()+"/"+name, name, 0, p.spec))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", p.object.Label(), err)
		}
		if mine {
			own = append(own, compiled)
		} else {
			inherited = append(inherited, compiled)
		}
	}
	return own, inherited, nil
}

// implied is what the scopes of the resource imply, each with what that implies in turn.
func implied(objects []object.Object, of string, r *policy.Resource) map[string][]string {
	all := map[string][]string{}
	for _, o := range objects {
		spec, ok := o.Spec.(*object.ResourceSpec)
		if !ok || r == nil || o.TenantName() != of || o.Metadata.Name != r.Name {
			continue
		}
		for name := range spec.Scopes {
			reached := []string{}
			for next := slices.Clone(spec.Scopes[name].Implies); len(next) > 0; next = next[1:] {
				if next[0] != name && !slices.Contains(reached, next[0]) {
					reached = append(reached, next[0])
					next = append(next, spec.Scopes[next[0]].Implies...)
				}
			}
			all[name] = reached
		}
	}
	return all
}

func (e evaluated) write(w io.Writer) error {
	answer := "allow"
	if !e.Allow {
		answer = "deny  " + e.Code
	}
	lines := []string{answer}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("  "+format, args...)) }
	if e.Allow {
		add("scopes: %s", strings.Join(e.Scopes, " "))
	}
	if len(e.Narrowed) > 0 {
		add("cut, above a ceiling: %s", strings.Join(e.Narrowed, " "))
	}
	if e.StepUp != nil {
		text := "step-up: acr " + strings.Join(e.StepUp.ACRValues, " or ")
		if e.StepUp.ACRValues == nil {
			text = "step-up: any acr"
		}
		if e.StepUp.MaxAge != nil {
			text += fmt.Sprintf(", at most %d s ago", *e.StepUp.MaxAge)
		}
		add("%s", text)
	}
	if e.Lifetime > 0 {
		add("lifetime: %s", e.Lifetime)
	}
	for _, d := range e.Deny {
		add("deny: %s", d)
	}
	for _, r := range e.Reasons {
		add("%s %s %s", r.Policy, r.Code, r.Detail)
	}
	for _, r := range e.Rules {
		add("true: %s %s:%d %s", r.Policy, r.File, r.Row, r.Name)
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(w, visible(strings.TrimRight(line, " ")))
	}
	for _, p := range e.Reached {
		for _, f := range p.Files {
			_, _ = fmt.Fprintf(w, "\n%s %s\n", visible(p.Policy), visible(f.File))
			writeCovered(w, p.text(f.File), f)
		}
	}
	return nil
}
