package page

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Change is a change of the company's rules that waits for a second person.
type Change struct {
	Action string // where the answer goes: a path of ours; empty: whoever looks at it has nothing to answer
	List   string // a path of ours, where all that waits is
	Token  string
	Hash   string // of the content that is shown; it comes back with the answer
	ID     string
	Author string
	Note   string
	Until  time.Time
	Person Person // who is signed in

	Objects []ChangedObject
	Access  []AccessChange // what it changes of who gets what, where that is known
	More    bool           // Access has more than is shown

	Mine   bool // he wrote some of it
	Partly bool // not all of it is shown, so nothing can be answered here
	Stands bool // it could not be made now
}

// ChangedObject is one object that a change makes, changes or deletes.
type ChangedObject struct {
	Kind, Name string
	Deleted    bool
	Members    []ChangedMember
	Files      []ChangedFile
}

// ChangedMember is a member with its values before and after, "" where there is none.
type ChangedMember struct{ Path, From, To string }

// ChangedFile is a text line by line: ' ' stays, '-' goes, '+' comes.
type ChangedFile struct {
	Path  string
	Lines []string
}

// AccessChange is what somebody gets for a client and a resource, before and after.
type AccessChange struct {
	Client, Resource string
	Group            string // "": a person without one, or with Program nobody
	Program          bool
	From, To         Gets
}

// Gets is what a policy gives.
type Gets struct {
	Allowed          bool
	Scopes           []string
	StepUp, Approval bool
}

// Bounds of what is shown.
const (
	MaxChangeLines  = 3000
	MaxAccessShown  = 200
	maxCode         = 400 // characters of a line
	changeIndented  = "    "
	unknownMarks    = "-+ "
	maxChangeObject = 100
	// Whoever compares objects lists no more members than this.
	maxChangedMembers = 200
)

// Codes spells a line of code so that nothing of it is unseen: what has no picture is written as its number. Not whole: it was cut.
func Codes(s string) (shown string, whole bool) {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxCode {
			return b.String() + "…", false
		}
		switch {
		case r == '\t':
			b.WriteString(changeIndented)
		case r == ' ':
			b.WriteByte(' ')
		case r == utf8.RuneError, hidden(r), unicode.IsSpace(r), unicode.In(r, unicode.Mn, unicode.Me):
			fmt.Fprintf(&b, "\\u{%04x}", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), true
}

func codes(s string) string {
	shown, _ := Codes(s)
	return shown
}

// Line is a line of a file with what becomes of it.
type Line struct {
	Mark string
	Text string
}

// Shown are the lines as they are drawn.
func (f ChangedFile) Shown() []Line {
	lines := make([]Line, 0, len(f.Lines))
	for _, l := range f.Lines {
		if l == "" {
			l = " "
		}
		lines = append(lines, Line{l[:1], codes(l[1:])})
	}
	return lines
}

// End is when it is over.
func (m Change) End() Moment { return moment(m.Until) }

// Whole tells whether everything that would be allowed is on the page.
func (m Change) Whole() bool {
	lines := 0
	for _, o := range m.Objects {
		if len(o.Members) >= maxChangedMembers {
			return false
		}
		for _, member := range o.Members {
			for _, s := range []string{member.Path, member.From, member.To} {
				if _, ok := Codes(s); !ok || strings.HasSuffix(s, "…") { // it was cut before it came here
					return false
				}
			}
		}
		for _, f := range o.Files {
			lines += len(f.Lines)
			for _, l := range f.Lines {
				if _, ok := Codes(l); !ok || l != "" && !strings.Contains(unknownMarks, l[:1]) {
					return false
				}
			}
		}
	}
	return lines <= MaxChangeLines && len(m.Objects) <= maxChangeObject
}

// Render shows the page. The answer comes back as `decision=allow` or `decision=deny`, with `hash`.
func (m Change) Render(f Frame) (Page, error) {
	if err := here(m.List); err != nil {
		return Page{}, err
	}
	if m.Person.Label() == "" || m.ID == "" || len(m.Objects) == 0 {
		return Page{}, unfit("a change of nothing, or for nobody")
	}
	allowed := allowance{}
	if m.Action != "" {
		if err := here(m.Action); err != nil {
			return Page{}, err
		}
		if m.Token == "" || m.Hash == "" || m.Mine || m.Partly || m.Stands || !m.Whole() {
			return Page{}, unfit("an answer without a token, to oneself, or to what is not shown")
		}
		allowed = stay
	}
	return f.render("change", m, allowed)
}

// Decided says that the person's word on a change was taken, or that there is nothing left to say.
type Decided struct {
	List    string // a path of ours, where all that waits is
	Denied  bool
	Settled bool // it was answered or changed before
}

// Render shows the page.
func (m Decided) Render(f Frame) (Page, error) {
	if err := here(m.List); err != nil {
		return Page{}, err
	}
	return f.render("decided", m, allowance{})
}
