package authorization

import (
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
)

// Mode is how an answer gets back (OAuth 2.0 Multiple Response Type Encoding
// Practices §2.1, OAuth 2.0 Form Post Response Mode).
type Mode string

// The modes that are served. An answer is never put into a fragment.
const (
	Query    Mode = "query"
	FormPost Mode = "form_post"
)

// Modes lists what is served, for response_modes_supported (RFC 8414 §2).
func Modes() []Mode { return []Mode{Query, FormPost} }

// Return is where the answer to one request goes, and what goes with every answer.
// Only Parse makes one, of a redirect URI that is the client's.
type Return struct {
	uri    string
	mode   Mode
	state  string
	issuer string
}

// RedirectURI is where the answer goes.
func (r Return) RedirectURI() string { return r.uri }

// Mode is how.
func (r Return) Mode() Mode { return r.mode }

// Answer is one authorization response.
type Answer struct {
	mode   Mode
	uri    string
	fields []Field
}

// Field is a parameter of an answer.
type Field struct{ Name, Value string }

// Granted answers with a code (RFC 6749 §4.1.2).
func (r Return) Granted(code secret.Text) Answer {
	return r.answer(Field{"code", code.Reveal()})
}

// Refused answers with an error (RFC 6749 §4.1.2.1); what is no refusal says nothing.
func (r Return) Refused(err error, trace string) Answer {
	wire := oauth.AsError(err).Wire(r.issuer, trace)
	return r.answer(Field{"error", atEndpoint(wire.Error)}, Field{"error_description", wire.Description}, Field{"error_uri", wire.URI})
}

// atEndpoint: some errors are the token endpoint's, and have another name here (RFC 6749 §4.1.2.1).
func atEndpoint(name string) string {
	switch name {
	case "invalid_grant":
		return oauth.ErrorAccessDenied
	case "invalid_client":
		return "unauthorized_client"
	default:
		return name
	}
}

// answer adds what each answer has: state as it came (RFC 6749 §4.1.2), and our name (RFC 9207 §2, on errors too).
func (r Return) answer(fields ...Field) Answer {
	if r.state != "" {
		fields = append(fields, Field{"state", r.state})
	}
	return Answer{mode: r.mode, uri: r.uri, fields: append(fields, Field{"iss", r.issuer})}
}

// Mode tells which of Location and Fields is meant.
func (a Answer) Mode() Mode { return a.mode }

// Action is the redirect URI: where the form is sent in mode FormPost.
func (a Answer) Action() string { return a.uri }

// Fields are the form's values in mode FormPost, in their order.
func (a Answer) Fields() []Field { return slices.Clone(a.fields) }

// Location is the whole address in mode Query: the redirect URI with its own query kept and the answer behind it
// (RFC 6749 §3.1.2). It is empty in mode FormPost, where nothing secret goes into an address.
func (a Answer) Location() string {
	if a.mode != Query {
		return ""
	}
	var b strings.Builder
	b.WriteString(a.uri)
	separator := "?"
	if strings.Contains(a.uri, "?") {
		separator = "&"
		if strings.HasSuffix(a.uri, "?") || strings.HasSuffix(a.uri, "&") {
			separator = ""
		}
	}
	for _, f := range a.fields {
		b.WriteString(separator + f.Name + "=" + url.QueryEscape(f.Value))
		separator = "&"
	}
	return b.String()
}

// String says where an answer goes; the code stays out of logs.
func (a Answer) String() string { return "answer to " + a.uri }

// GoString is String, for %#v.
func (a Answer) GoString() string { return a.String() }
