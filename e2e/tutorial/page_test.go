package tutorial

import (
	"regexp"
	"strings"
	"testing"
)

// block is one fenced block of the page.
type block struct {
	language string
	file     string // that the sentence before it says to put it into
	text     string
}

var fence = regexp.MustCompile("(?ms)(?:into `([\\w./-]+)`:\n\n)?^```(\\w+)\n(.*?)^```")

func blocks(page string) []block {
	var found []block
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		found = append(found, block{language: m[2], file: m[1], text: m[3]})
	}
	return found
}

// typed is a command and the lines that the page promises.
type typed struct {
	command  string
	promised []string
}

// commands reads a console: `$ ` begins a command, `> ` continues it, the rest is what comes.
func commands(console string) []typed {
	var found []typed
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\n ")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			found = append(found, typed{command: command})
			continue
		}
		if len(found) == 0 {
			continue
		}
		last := &found[len(found)-1]
		if more, ok := strings.CutPrefix(line, "> "); ok {
			last.command += "\n" + more
			continue
		}
		if line != "" {
			last.promised = append(last.promised, line)
		}
	}
	return found
}

// fails tells whether the page shows the command failing.
func (c typed) fails() bool {
	return len(c.promised) > 0 && strings.HasPrefix(c.promised[0], "chancery: ")
}

var spaces = regexp.MustCompile(` +`)

// compare wants every promised line, in this order. `…` stands for anything, on a line of its own for any lines; without it,
// nothing may come between. The width of a gap does not count: addresses are longer in a test.
func compare(t *testing.T, c typed, came string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(came, "\n"), "\n")
	skipping := false
	for _, promise := range c.promised {
		if promise == "…" {
			skipping = true
			continue
		}
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(spaces.ReplaceAllString(promise, " ")), "…", ".*") + "$")
		for {
			if len(lines) == 0 {
				t.Fatalf("$ %s\npromised: %s\ncame:\n%s", c.command, promise, came)
			}
			line := strings.TrimRight(spaces.ReplaceAllString(lines[0], " "), " \r")
			lines = lines[1:]
			if pattern.MatchString(line) {
				break
			}
			if !skipping && line != "" {
				t.Fatalf("$ %s\npromised: %s\ncame:     %s\nin:\n%s", c.command, promise, line, came)
			}
		}
		skipping = false
	}
	if rest := strings.TrimSpace(strings.Join(lines, "\n")); rest != "" && !skipping && len(c.promised) > 0 && c.promised[len(c.promised)-1] != "…" {
		t.Fatalf("$ %s\nmore came than the page shows:\n%s", c.command, rest)
	}
}

// TestCompare: the comparison finds what it is for.
func TestCompare(t *testing.T) {
	parsed := commands("$ a \\\n>   b\none  two\n…\nlast …\n$ c\n")
	if len(parsed) != 2 || parsed[0].command != "a \\\n  b" || len(parsed[0].promised) != 3 || parsed[1].command != "c" {
		t.Fatalf("%q", parsed)
	}
	compare(t, parsed[0], "one      two\nx\ny\nlast words\n")
	if (typed{promised: []string{"chancery: no"}}).fails() != true || parsed[0].fails() {
		t.Error("what fails is not known")
	}
}
