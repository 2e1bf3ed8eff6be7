package agent

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Error is a refusal by a token endpoint. Errors of the network and of answers that make
// no sense are not of this type.
type Error struct {
	Issuer      string // of who refused: Chancery, or the IdP
	Status      int    // of the HTTP answer
	OAuth       string // error (RFC 6749 §5.2): invalid_grant, …; "" if the answer is not OAuth's
	Code        string // Chancery's stable code, at the head of the description: policy_denied, …
	Description string // error_description, as sent
	URI         string // error_uri: what the code means and who fixes it
	Trace       string // for chancery explain

	// Of a step-up (RFC 9470 §3): how the person must sign in, and how recently, in whole
	// seconds; MaxAge is negative where it is not said.
	ACRValues []string
	MaxAge    time.Duration

	// Of a step that a person takes in a browser, and the approval that he gives there.
	InteractionURI string
	ApprovalID     string
	Interval       time.Duration // between two tries, 0 if it is not said
	ExpiresIn      time.Duration // until it is too late, 0 if it is not said
	RetryAfter     time.Duration // of 429 and 503, 0 if it is not said
}

// Error implements error. It says what the server said, and nothing that was sent.
func (e *Error) Error() string {
	text := e.Issuer + " answered " + strconv.Itoa(e.Status)
	if e.OAuth != "" {
		text += " " + e.OAuth
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Trace != "" {
		text += " (trace " + e.Trace + ")"
	}
	return text
}

// NeedsStepUp tells whether a sign-in as ACRValues and MaxAge say would help.
func (e *Error) NeedsStepUp() bool { return e.OAuth == "insufficient_user_authentication" }

// NeedsInteraction tells whether a person at InteractionURI would help.
func (e *Error) NeedsInteraction() bool { return e.OAuth == "interaction_required" }

// Temporary tells whether the same request may succeed later.
func (e *Error) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable || e.OAuth == "temporarily_unavailable"
}

func (e *endpoint) refusal(response *http.Response, members map[string]any, trace string) *Error {
	a := answer{members: members}
	r := &Error{
		Issuer: e.issuer, Status: response.StatusCode, OAuth: clip(a.text("error")),
		Description: clip(a.text("error_description")), URI: clip(a.text("error_uri")), Trace: trace,
		MaxAge:         -1,
		InteractionURI: clip(a.text("interaction_uri")), ApprovalID: clip(a.text("approval_id")),
		Interval: seconds(members["interval"]), ExpiresIn: seconds(members["expires_in"]),
	}
	if code, _, ok := strings.Cut(r.Description, ": "); ok && isCode(code) {
		r.Code = code
	}
	if u, err := url.Parse(r.URI); err == nil && r.Trace == "" {
		r.Trace = traceOf(u.Query().Get("trace")) // unescaped here: it may hold anything
	}
	if acr := clip(a.text("acr_values")); acr != "" {
		r.ACRValues = strings.Fields(acr)
	}
	if age, ok := members["max_age"].(int64); ok && age >= 0 {
		r.MaxAge = seconds(age)
	}
	if after, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && after > 0 {
		r.RetryAfter = seconds(int64(after))
	}
	return r
}

func seconds(value any) time.Duration {
	n, _ := value.(int64)
	return time.Duration(min(max(0, n), 1<<31)) * time.Second
}

// traceOf is a trace that may be shown and pasted, or "".
func traceOf(s string) string {
	if len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return ""
	}
	return s
}

func isCode(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// clip makes what a server said fit for a terminal: printable ASCII, and not long.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 1024)]
}
