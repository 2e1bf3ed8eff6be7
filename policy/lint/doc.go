// Package lint reads a policy as a careful colleague would, before it is published:
// what its author cannot have meant, what grants by accident, what would be slow, and
// what nobody could explain afterwards. It proves nothing; package policy does what
// must hold.
//
// It reads the text as OPA parses it and resolves names by itself. It neither compiles
// nor evaluates: what OPA's compiler unfolds is its author's to choose, what is read
// here is linear in the text. Where it cannot tell what a name is, it says nothing.
//
// What it does not see: values that come through functions or through more than one
// assignment, what a rule of another policy says, and whether a rule that grants
// grants rightly.
//
// It imports policy and OPA's ast, never broker, federation or vault, and reads no
// clock: the context bounds it, and a count of what it looks at.
package lint

//go:generate go test -run TestPages -update .
