package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// record is what is said of a step, for people or for programs.
type record struct {
	Step      int        `json:"step"`
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	OK        bool       `json:"ok"`
	Error     string     `json:"error,omitempty"`
	Exchanges []exchange `json:"exchanges,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
}

type printer interface {
	open(w *world)
	print(r record) error
	close(ok bool)
}

type jsonPrinter struct{ out *json.Encoder }

func (p jsonPrinter) open(*world)          {}
func (p jsonPrinter) print(r record) error { return p.out.Encode(r) }
func (p jsonPrinter) close(bool)           {}

type textPrinter struct {
	out   io.Writer
	color bool
}

func (p textPrinter) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p textPrinter) open(w *world) {
	p.line("%s", p.paint("1", "Chancery: from a corporate sign-in to a tool call"))
	p.line("")
	p.line("  identity provider  %s   (fake: alice, bob and eve, no passwords)", w.IdP.Issuer())
	p.line("  chancery           %s   (SQLite and keyring in %s)", w.Issuer, w.folder)
	p.line("  notes, MCP server  %s", w.Resource)
}

func (p textPrinter) print(r record) error {
	mark := p.paint("32", "✓")
	if !r.OK {
		mark = p.paint("31", "✗")
	}
	p.line("")
	p.line("%s %d. %s", mark, r.Step, p.paint("1", r.Title))
	for _, e := range r.Exchanges {
		p.line("    %-5s %s %s → %d", e.Method, e.To, e.Path, e.Status)
		p.members("→", e.Sent)
		p.members("←", e.Received)
	}
	for _, note := range r.Notes {
		p.line("    %s", p.paint("36", note))
	}
	if r.Error != "" {
		p.line("    %s", p.paint("31", r.Error))
	}
	return nil
}

func (p textPrinter) members(arrow string, members map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p.line("          %s %-18s %s", arrow, name, members[name])
	}
}

func (p textPrinter) close(ok bool) {
	p.line("")
	if ok {
		p.line("%s", p.paint("32", "Every step did what it must."))
		return
	}
	p.line("%s", p.paint("31", "A step did not do what it must."))
}

func (p textPrinter) line(format string, args ...any) {
	_, _ = fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}
