package verifier

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Error is a refusal. [WriteError] answers with it.
type Error struct {
	// Status of the answer: 400, 401, 403, 500 or 503.
	Status int
	// Code is the error of RFC 6750 §3.1, RFC 9449 §7.1 or RFC 9470 §3; "" where no
	// credentials were given, which is no error (RFC 6750 §3.1).
	Code string
	// Reason is a stable word for what was wrong: token_expired, aud_not_us, ….
	Reason string

	description string
	challenges  []string
	nonce       string
	retryAfter  time.Duration
	cause       error
}

// Error says the reason and, for logs, the cause. No token and no proof is in it.
func (e *Error) Error() string {
	text := e.Reason
	if e.description != "" {
		text += ": " + e.description
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap gives the cause, which may be nil.
func (e *Error) Unwrap() error { return e.cause }

// Description is what the client is told: "reason: text", in ASCII.
func (e *Error) Description() string {
	if e.description == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.description
}

// Challenges are the values of WWW-Authenticate, one field each; none where a token of
// another kind would not help.
func (e *Error) Challenges() []string { return e.challenges }

// WriteError answers a request with a refusal: status, WWW-Authenticate, DPoP-Nonce and
// Retry-After where they apply, and a body of JSON. An error that is not an [*Error] is
// a 500 that says nothing.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e == nil || e.Status < http.StatusBadRequest {
		e = &Error{Status: http.StatusInternalServerError, Reason: "internal"}
	}
	h := w.Header()
	for _, challenge := range e.challenges {
		h.Add("WWW-Authenticate", challenge)
	}
	if e.nonce != "" {
		h.Set("DPoP-Nonce", e.nonce)
	}
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.retryAfter.Seconds())))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	body := map[string]string{"error_description": e.Description()}
	if e.Code != "" {
		body["error"] = e.Code
	}
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // strings only; a client that is gone is told nothing
}

func invalidToken(reason, description string, cause error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: reason, description: description, cause: cause}
}

func invalidProof(reason, description string, cause error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_dpop_proof", Reason: reason, description: description, cause: cause}
}

func unavailable(reason, description string, cause error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Reason: reason, description: description, cause: cause, retryAfter: 5 * time.Second}
}
