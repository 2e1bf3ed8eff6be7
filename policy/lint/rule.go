package lint

// Rule is one thing that is looked for. Its texts make its page in docs/policy-lint.
type Rule struct {
	Name     string
	Severity Severity // of its findings, unless one says otherwise
	Title    string   // one line
	Why      string   // what happens if it is left so
	Bad      Example  // is found
	Good     Example  // is not
	check    func(*pass)
}

// Example is a policy in short: what follows "package chancery.authz".
type Example struct {
	Module string
	Tests  string // in package chancery.authz too
	Data   string // JSON
	Schema string // of the data
}

// Page is where the rule is described, in docs/.
func (r Rule) Page() string { return "policy-lint/" + r.Name + ".md" }

// The rules that Check itself speaks for.
const (
	ruleParse      = "parse-error"
	ruleIncomplete = "incomplete"
	ruleIgnore     = "ignore"
)

// Rules lists every rule by the part of a policy that it is about.
func Rules() []Rule {
	return []Rule{
		// What is granted.
		allowByDefault(), absentGrants(), denyAlways(), missingReasons(),
		decisionMember(), stepUpEmpty(), lifetimePositive(), wildcardScope(), scopeSource(),
		// Who is meant.
		emailEquality(), groupByName(), issuerPrefix(), regexUnanchored(),
		// What is read.
		unknownInput(), unknownData(), impossibleComparison(), timeAsString(), constantCondition(),
		// How it is written.
		unusedRule(), unusedImport(), unusedVariable(), shadowedName(), partialAndComplete(), longRule(), unboundedIteration(),
		builtinUnavailable(), printStatement(), secretLiteral(),
		// Its tests.
		testMissing(), testWithoutDenial(),
		// The check itself.
		ignoreRule(), parseRule(), incompleteRule(),
	}
}

func lookup(rules []Rule, name string) (Rule, bool) {
	for _, r := range rules {
		if r.Name == name {
			return r, true
		}
	}
	return Rule{}, false
}

func ignoreRule() Rule {
	return Rule{
		Name: ruleIgnore, Severity: Error,
		Title: "A `lint:ignore` comment that says nothing",
		Why: "A finding is silenced by `# lint:ignore RULE reason` in its line, in the line above, or above the rule that it is in. " +
			"Whoever reads it later must learn why: a comment without a reason, or for a rule that does not exist, silences nothing. One that has nothing to silence is a warning.",
		Bad:  Example{Module: "# lint:ignore email-equality\ndecision := {\"allow\": true, \"reasons\": [{\"code\": \"me\"}]} if input.user.email == \"me@example.com\"\n"},
		Good: Example{Module: "# lint:ignore email-equality the IdP verifies addresses, and nobody may change his\ndecision := {\"allow\": true, \"reasons\": [{\"code\": \"me\"}]} if input.user.email == \"me@example.com\"\n"},
	}
}

func parseRule() Rule {
	return Rule{
		Name: ruleParse, Severity: Error,
		Title: "The file is not Rego",
		Why:   "Nothing else is said of a file that cannot be read, and nothing of the policy as a whole.",
		Bad:   Example{Module: "decision := {\"allow\": = true}\n"},
		Good:  Example{Module: "decision := {\"allow\": false, \"deny\": [\"closed\"]}\n"},
	}
}

func incompleteRule() Rule {
	return Rule{
		Name: ruleIncomplete, Severity: Error,
		Title: "The check did not come to its end",
		Why: "A check has a budget of time, looks at a bounded number of things, and says at most 200. What it did not look at may be wrong: " +
			"a policy that is too large for it is refused, not passed.",
	}
}
