package agent

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// parameter of a challenge (RFC 9110 §11.2): name=token or name="quoted".
var parameter = regexp.MustCompile(`([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))`)

// readChallenge gives the parameters of the Bearer or DPoP challenge that says the most:
// the first with an error.
func readChallenge(response *http.Response) map[string]string {
	best := map[string]string{}
	for _, field := range response.Header.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(field, " ")
		if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP") || len(field) > 8<<10 {
			continue
		}
		read := map[string]string{}
		for _, m := range parameter.FindAllStringSubmatch(rest, 64) {
			name := strings.ToLower(m[1])
			if _, twice := read[name]; !twice {
				read[name] = clip(strings.ReplaceAll(m[2], `\`, "") + m[3])
			}
		}
		if best["error"] == "" {
			best = read
		}
	}
	return best
}

func challengeError(response *http.Response) string { return readChallenge(response)["error"] }

// ResourceError reads a refusal of a resource server from its challenge (RFC 6750 §3,
// RFC 9470 §3): nil where there is none. The body is left alone.
func ResourceError(resource string, response *http.Response) *Error {
	challenge := readChallenge(response)
	if challenge["error"] == "" {
		return nil
	}
	return resourceError(resource, response.StatusCode, challenge)
}

func resourceError(resource string, status int, challenge map[string]string) *Error {
	e := &Error{
		Issuer: resource, Status: status, OAuth: challenge["error"], Description: challenge["error_description"],
		URI: challenge["error_uri"], ACRValues: strings.Fields(challenge["acr_values"]), MaxAge: -1,
	}
	if code, _, ok := strings.Cut(e.Description, ": "); ok && isCode(code) {
		e.Code = code
	}
	if age, err := strconv.Atoi(challenge["max_age"]); err == nil && age >= 0 {
		e.MaxAge = seconds(int64(age))
	}
	return e
}
