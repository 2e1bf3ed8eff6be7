package client

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Why Basic credentials cannot be read.
var (
	errScheme  = errors.New("the Authorization scheme is not Basic")
	errBase64  = errors.New("the Basic credentials are not canonical base64")
	errNoColon = errors.New("the Basic credentials have no colon")
	errForm    = errors.New("the Basic credentials are not form-encoded (RFC 6749 §2.3.1)")
	errControl = errors.New("the Basic credentials hold control characters or invalid UTF-8")
)

type basicCredentials struct{ clientID, secret string }

// parseBasic reads one Authorization value: RFC 7617 §2 outside, and inside it,
// unlike everywhere else, client_id and secret each form-encoded (RFC 6749
// §2.3.1). A secret with a bare % or + is read by the standard, not guessed.
func parseBasic(value string) (basicCredentials, error) {
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return basicCredentials{}, errScheme
	}
	token := strings.TrimLeft(rest, " ") // 1*SP (RFC 9110 §11.4)
	if strings.ContainsAny(token, "\r\n") {
		return basicCredentials{}, errBase64 // the decoder would pass over them
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return basicCredentials{}, errBase64
	}
	id, secret, found := strings.Cut(string(decoded), ":")
	if !found {
		return basicCredentials{}, errNoColon
	}
	var c basicCredentials
	if c.clientID, err = unescape(id); err != nil {
		return basicCredentials{}, err
	}
	if c.secret, err = unescape(secret); err != nil {
		return basicCredentials{}, err
	}
	return c, nil
}

func unescape(encoded string) (string, error) {
	plain, err := url.QueryUnescape(encoded)
	if err != nil {
		return "", errForm // the cause quotes what may be a secret
	}
	if !utf8.ValidString(plain) || strings.ContainsFunc(plain, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return "", errControl
	}
	return plain, nil
}
