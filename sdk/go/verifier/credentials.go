package verifier

import (
	"net/http"
	"strings"
)

// credentials are the token of a request, and how it was presented.
type credentials struct {
	scheme string // schemeBearer, schemeDPoP, or "" for none
	token  string
}

// readCredentials takes a token from the Authorization header field and from nowhere
// else: RFC 6750 §2.3 is not supported (RFC 9700 §4.3.2), and a token in the URL is
// refused even beside a good one, since it is in somebody's log by now.
func readCredentials(r *http.Request) (credentials, *Error) {
	if r.URL.Query().Has("access_token") {
		return credentials{}, invalidRequest("token_in_query", "a token must not be in the URL")
	}
	fields := r.Header.Values("Authorization")
	switch len(fields) {
	case 0:
		return credentials{}, &Error{Status: http.StatusUnauthorized, Reason: "token_missing", description: "an access token is needed"}
	case 1:
	default:
		return credentials{}, invalidRequest("credentials_repeated", "more than one Authorization field")
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	c := credentials{token: strings.TrimLeft(token, " ")}
	switch { // RFC 9110 §11.1: without case
	case strings.EqualFold(scheme, schemeBearer):
		c.scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		c.scheme = schemeDPoP
	default:
		return credentials{}, &Error{Status: http.StatusUnauthorized, Reason: "token_missing", description: "an access token is needed"}
	}
	if c.token == "" || strings.ContainsAny(c.token, " ,\t") {
		return c, invalidRequest("credentials_malformed", "no token after the scheme")
	}
	return c, nil
}

func invalidRequest(reason, description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_request", Reason: reason, description: description}
}
