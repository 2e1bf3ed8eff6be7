package cimd

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/strict"
)

const maxName = 128 // characters

// text reads a member that may be absent. One that is there and null, or of
// another type, is malformed: absent and unreadable are not one thing.
func text(members map[string]any, name string) (value string, present bool, err error) {
	member, present := members[name]
	if !present {
		return "", false, nil
	}
	value, ok := member.(string)
	if !ok {
		return "", true, refuse(oauth.CodeCIMDMalformed, name, "a string")
	}
	return value, true, nil
}

func texts(members map[string]any, name string) (values []string, present bool, err error) {
	member, present := members[name]
	if !present {
		return nil, false, nil
	}
	list, ok := member.([]any)
	if !ok {
		return nil, true, refuse(oauth.CodeCIMDMalformed, name, "a list of strings")
	}
	for _, entry := range list {
		value, ok := entry.(string)
		if !ok {
			return nil, true, refuse(oauth.CodeCIMDMalformed, name, "a list of strings")
		}
		values = append(values, value)
	}
	return values, true, nil
}

func boolean(members map[string]any, name string) (bool, error) {
	member, present := members[name]
	if !present {
		return false, nil
	}
	value, ok := member.(bool)
	if !ok {
		return false, refuse(oauth.CodeCIMDMalformed, name, "true or false")
	}
	return value, nil
}

// checkSecrets: draft §4.1. client_secret and client_secret_expires_at MUST NOT be
// there; whatever else begins so is one too.
func checkSecrets(members map[string]any) error {
	for name := range members {
		if strings.HasPrefix(strict.Fold(name), "client_secret") {
			return refuse(oauth.CodeCIMDSharedSecret, name, "no such member")
		}
	}
	return nil
}

func clientName(members map[string]any) (string, error) {
	given, present, err := text(members, "client_name")
	if err != nil || !present {
		return "", err
	}
	name := visible(given)
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return "", refuse(oauth.CodeCIMDClientName, given, "1 to 128 visible characters")
	}
	return name, nil
}

// visible leaves out what a person does not see, and what would move the text
// around it: control and format characters (those of bidirectional text among
// them), private use, blank letters. Any white space is one space.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || isBlank(r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// isBlank: letters and marks that show nothing (fillers, variation selectors, the
// empty Braille cell), and code points that are none (U+FDD0 and the like).
func isBlank(r rune) bool {
	switch {
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x2800, r == 0x3164, r == 0xffa0:
		return true
	case 0x180b <= r && r <= 0x180f, 0xfe00 <= r && r <= 0xfe0f, 0xe0100 <= r && r <= 0xe01ef:
		return true
	default:
		return 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
	}
}

// readPages: every URL in a document is held to what its own is held to, though
// none of these is fetched (draft §6: special-use addresses).
func (d *Document) readPages(members map[string]any) (err error) {
	for name, into := range map[string]*string{
		"client_uri": &d.pages.Client, "logo_uri": &d.pages.Logo, "tos_uri": &d.pages.Terms, "policy_uri": &d.pages.Policy,
	} {
		if *into, err = d.uri(members, name); err != nil {
			return err
		}
	}
	return nil
}

// uri reads a URL inside the document.
func (d *Document) uri(members map[string]any, name string) (string, error) {
	value, present, err := text(members, name)
	if err != nil || !present {
		return "", err
	}
	if expected := d.uriProblem(value); expected != "" {
		return "", refuse(oauth.CodeCIMDURIRefused, name+": "+value, expected)
	}
	return value, nil
}

// uriProblem: https to a host name and port 443, or, in a document that is on
// loopback itself, loopback. What the name resolves to is looked at by whoever
// dials.
func (d *Document) uriProblem(uri string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	switch {
	case len(uri) > maxRedirectURI || !plain(uri):
		return "at most 1024 characters of a URL (RFC 3986 §2)"
	case strings.Contains(uri, "#"):
		return "no fragment"
	case scheme != "https" && (scheme != "http" || !d.url.loopback):
		return "https"
	}
	at, wrong := hierarchy(rest)
	switch {
	case wrong != "":
		return wrong
	case d.url.loopback && isLoopback(at.host):
		return ""
	case scheme != "https":
		return "https"
	case !isHost(strings.ToLower(at.host)):
		return "a host name with a dot"
	case at.port != "" && at.port != "443":
		return "port 443"
	}
	return ""
}
