package audit

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// What of an event comes from outside is bounded, so that nobody fills the log with one request.
const (
	maxText    = 1024 // bytes of one string
	maxMembers = 64   // checks, policies, details
)

// timeForm is RFC 3339 with exactly six digits, in UTC: one spelling for one instant.
const timeForm = "2006-01-02T15:04:05.000000Z"

// Canonical returns the event's bytes in the form of RFC 8785: names sorted,
// no space, no floats, what is absent left out.
func Canonical(e Event) []byte {
	w := canonical{out: make([]byte, 0, 1024)}
	w.open()
	w.text("assertion_iss", e.AssertionBy)
	w.text("assertion_jti", e.AssertionID)
	w.time("at", e.At)
	w.checks(e.Checks)
	w.text("client", e.Client)
	w.text("code", e.Code)
	w.text("decision", e.Decision)
	w.detail(e.Detail)
	w.text("grant_type", e.GrantType)
	w.text("id", e.ID)
	w.text("idp", e.IdP)
	w.text("input_hash", e.InputHash)
	w.text("on_behalf", e.OnBehalf)
	w.text("outcome", string(e.Outcome))
	w.policies(e.Policies)
	w.principal(e.Principal)
	w.text("remote", e.Remote)
	w.text("resource", e.Resource)
	w.text("scope", e.Scope)
	w.text("tenant", e.Tenant.String())
	w.text("token_jti", e.TokenID)
	w.text("trace", e.Trace)
	w.text("type", string(e.Type))
	w.name("v")
	w.out = strconv.AppendInt(w.out, Version, 10)
	w.shut()
	return w.out
}

// canonical writes objects whose members the caller names in sorted order.
type canonical struct {
	out  []byte
	more bool // a member precedes the next one
}

func (w *canonical) open() {
	w.out = append(w.out, '{')
	w.more = false
}

func (w *canonical) shut() {
	w.out = append(w.out, '}')
	w.more = true
}

// name begins a member; the names here need no escape.
func (w *canonical) name(name string) {
	if w.more {
		w.out = append(w.out, ',')
	}
	w.more = true
	w.out = append(w.out, '"')
	w.out = append(w.out, name...)
	w.out = append(w.out, '"', ':')
}

// text writes a member unless it is absent.
func (w *canonical) text(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	w.out = appendText(w.out, Clean(value))
}

func (w *canonical) time(name string, t time.Time) {
	w.name(name)
	w.out = append(w.out, '"')
	w.out = t.UTC().AppendFormat(w.out, timeForm)
	w.out = append(w.out, '"')
}

func (w *canonical) checks(checks []Check) {
	if len(checks) == 0 {
		return
	}
	w.name("checks")
	w.out = append(w.out, '[')
	for i, c := range checks[:min(len(checks), maxMembers)] {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.open()
		w.text("expected", c.Expected)
		w.text("name", c.Name)
		w.name("ok")
		w.out = strconv.AppendBool(w.out, c.OK)
		w.text("received", c.Received)
		w.shut()
	}
	w.out = append(w.out, ']')
}

// detail sorts by UTF-16 code units (RFC 8785 §3.2.3), which is not the order of the bytes.
func (w *canonical) detail(detail map[string]string) {
	cleaned := make(map[string]string, len(detail))
	for _, name := range slices.Sorted(maps.Keys(detail)) { // sorted: of two names that clean alike the last counts
		if name != "" && detail[name] != "" {
			cleaned[Clean(name)] = Clean(detail[name])
		}
	}
	if len(cleaned) == 0 {
		return
	}
	names := slices.SortedFunc(maps.Keys(cleaned), compareUTF16)
	w.name("detail")
	w.open()
	for _, name := range names[:min(len(names), maxMembers)] {
		if w.more {
			w.out = append(w.out, ',')
		}
		w.more = true
		w.out = appendText(w.out, name)
		w.out = append(w.out, ':')
		w.out = appendText(w.out, cleaned[name])
	}
	w.shut()
}

func (w *canonical) policies(policies []PolicyRef) {
	if len(policies) == 0 {
		return
	}
	w.name("policies")
	w.out = append(w.out, '[')
	for i, p := range policies[:min(len(policies), maxMembers)] {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.open()
		w.text("hash", p.Hash)
		w.text("name", p.Name)
		w.name("revision")
		w.out = strconv.AppendInt(w.out, p.Revision, 10)
		w.text("role", p.Role)
		w.text("uid", p.UID)
		w.shut()
	}
	w.out = append(w.out, ']')
}

func (w *canonical) principal(p Principal) {
	if p == (Principal{}) {
		return
	}
	w.name("principal")
	w.open()
	w.text("id", p.ID)
	w.text("kind", p.Kind)
	w.text("name", p.Name)
	w.shut()
}

func compareUTF16(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// appendText writes a string as RFC 8785 §3.2.2.2 does; it is valid UTF-8 by now.
func appendText(out []byte, s string) []byte {
	out = append(out, '"')
	plain := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, `\b`...)
		case '\t':
			out = append(out, `\t`...)
		case '\n':
			out = append(out, `\n`...)
		case '\f':
			out = append(out, `\f`...)
		case '\r':
			out = append(out, `\r`...)
		default:
			const hex = "0123456789abcdef"
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	out = append(out, s[plain:]...)
	return append(out, '"')
}

// Clean makes a string fit to be recorded: what is no UTF-8 and the NUL byte become U+FFFD, and
// it is cut to 1 KiB between two characters.
func Clean(s string) string {
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) > maxText { // each replacement takes three bytes
		return Clean(s)
	}
	return s
}
