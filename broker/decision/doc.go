// Package decision keeps the log of policy decisions: what of an input is written down and what is masked, the decisions read
// back and exported, turned into test cases, decided again under the revisions that decided, and replayed under a draft.
//
// It declares what it asks of stores and knows no SQL and no HTTP. Masking depends on a key that is derived; it must not see
// tokens, secrets or assertions, which no input holds.
package decision
