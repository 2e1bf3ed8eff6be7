// Package policy decides: it loads, checks, tests and evaluates Rego, and
// combines the answers of several policies into one Decision.
//
// Everything that a policy can see arrives in Input, everything that it can say
// leaves in Decision; both have a published JSON Schema (InputSchema,
// DecisionSchema). What is undefined, invalid, late or broken denies, with a
// reason that says so.
//
// The package knows nothing of HTTP, tokens, storage or identity providers. It
// imports rego (the embedded templates) and OPA, never federation, vault or
// broker, and it never reads a clock for a decision: time comes in Input.
//
// What bounds a policy that means harm, from the outside in:
//
//   - built-ins are an allow-list (builtins.txt): nothing that reaches the
//     network, the host, the clock or chance, nothing that grows memory without
//     bound in one call; those that grow with their operands are replaced by
//     bounded ones (bounded.go);
//   - modules, data and results have sizes, counts and depths (limits.go);
//   - a decision has a time budget: evaluation is cancelled at the budget, and
//     what cannot be cancelled is abandoned, while its policy denies until it ends;
//   - one policy has a bounded number of evaluations in flight.
//
// Memory is not bounded in process; package policy/gate checks what is published
// in a child process with hard limits.
package policy
