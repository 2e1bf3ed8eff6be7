// Package replay says what a draft would have done to decisions that were made: each recorded input is evaluated under
// the draft, and what it says is compared with what was recorded.
//
// It knows nothing of where decisions are kept, of HTTP or of files; it reads an iterator. It imports policy and nothing
// else of Chancery.
//
// What a replay cannot know: what is masked in a record (it is evaluated with its pseudonym, and counted where the draft reads
// it), what scopes implied where an older record does not tell (Options.Implies tells what they imply now), and whether a
// person who would be challenged could have answered. Inputs are evaluated as they are: a member that an older
// version did not record is absent.
package replay
