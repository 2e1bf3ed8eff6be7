package authorization

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Bounds, in bytes and in values: a request is kept, and sent on through the browser.
const (
	maxState       = 2048
	maxNonce       = 512
	maxHint        = 320 // an address of RFC 5321 has 254
	maxIDTokenHint = 8 << 10
	maxList        = 1024
	maxLocales     = 256
	maxACRValues   = 10
	maxLocale      = 35 // RFC 5646 §4.4.1
	maxAgeDigits   = 9
)

// readWishes reads how the person is to be authenticated (OIDC Core §3.1.2.1).
func (r *Request) readWishes(a Ask) *oauth.Error {
	if wrong := r.readPrompt(a.Form.Get("prompt")); wrong != nil {
		return wrong
	}
	if wrong := r.readMaxAge(a.Form.Get("max_age")); wrong != nil {
		return wrong
	}
	return r.readACRValues(a.Form.Get("acr_values"))
}

// readPrompt: a value that is not known is refused; it may ask for more care.
func (r *Request) readPrompt(raw string) *oauth.Error {
	if raw == "" {
		return nil
	}
	var p Prompt
	seen := map[string]bool{}
	for value := range strings.SplitSeq(raw, " ") {
		switch value {
		case "none":
			p.None = true
		case "login":
			p.Login = true
		case "consent":
			p.Consent = true
		case "select_account":
			p.SelectAccount = true
		default:
			return oauth.Refuse(oauth.CodePromptInvalid, fmt.Sprintf("%.40q", value), "none, login, consent or select_account")
		}
		seen[value] = true
	}
	if p.None && len(seen) > 1 {
		return oauth.Refuse(oauth.CodePromptInvalid, "none beside others", "none alone")
	}
	r.prompt = p
	return nil
}

// readMaxAge takes one way to write each number.
func (r *Request) readMaxAge(raw string) *oauth.Error {
	if raw == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(raw, 10, 32)
	if err != nil || len(raw) > maxAgeDigits || strconv.FormatUint(seconds, 10) != raw {
		return oauth.Refuse(oauth.CodeMaxAgeInvalid, fmt.Sprintf("%.20q", raw), "a whole number of seconds")
	}
	r.maxAge, r.hasMaxAge = time.Duration(seconds)*time.Second, true
	return nil
}

func (r *Request) readACRValues(raw string) *oauth.Error {
	if raw == "" {
		return nil
	}
	if len(raw) > maxList {
		return oauth.Refuse(oauth.CodeParameterTooLarge, "acr_values", "at most 1024 bytes")
	}
	values := strings.Split(raw, " ")
	malformed := len(values) > maxACRValues
	for _, value := range values {
		malformed = malformed || value == "" || strings.ContainsFunc(value, func(c rune) bool { return c <= 0x20 || c > 0x7e })
	}
	if malformed {
		return oauth.Refuse(oauth.CodeAcrValuesMalformed, printable(raw), "at most ten values separated by single spaces")
	}
	r.acrValues = values
	return nil
}

// readText bounds what is opaque here.
func (r *Request) readText(a Ask) *oauth.Error {
	for _, text := range []struct {
		name string
		most int
		into *string
	}{
		{"nonce", maxNonce, &r.nonce},
		{"login_hint", maxHint, &r.loginHint},
	} {
		value := a.Form.Get(text.name)
		if len(value) > text.most {
			return oauth.Refuse(oauth.CodeParameterTooLarge, text.name, fmt.Sprintf("at most %d bytes", text.most))
		}
		*text.into = value
	}
	return r.readLocales(a.Form.Get("ui_locales"))
}

// A hint as it rests: whom it means. What a request itself says under that name is not looked at.
const (
	expectedUser = "expected_user"
	unknownUser  = "unknown" // a hint that means nobody; a user's uid it is not
)

// readHint keeps of an id_token_hint whom it means (OIDC Core §3.1.2.1).
func (r *Request) readHint(a Ask) *oauth.Error {
	if a.Via == Pushed {
		r.expected = a.Form.Get(expectedUser)
		return nil
	}
	hint := a.Form.Get("id_token_hint")
	if len(hint) > maxIDTokenHint {
		return oauth.Refuse(oauth.CodeParameterTooLarge, "id_token_hint", fmt.Sprintf("at most %d bytes", maxIDTokenHint))
	}
	if hint == "" {
		return nil
	}
	r.expected = unknownUser
	if a.Hint == nil {
		return nil
	}
	if user, ok := a.Hint(hint); ok && user != "" {
		r.expected = user
	}
	return nil
}

// readLocales leaves out what is no language tag: a language that we do not speak is no error (OIDC Core §3.1.2.1).
func (r *Request) readLocales(raw string) *oauth.Error {
	if len(raw) > maxLocales {
		return oauth.Refuse(oauth.CodeParameterTooLarge, "ui_locales", "at most 256 bytes")
	}
	for tag := range strings.SplitSeq(raw, " ") {
		if isLanguageTag(tag) {
			r.uiLocales = append(r.uiLocales, tag)
		}
	}
	return nil
}

func isLanguageTag(s string) bool {
	return s != "" && len(s) <= maxLocale && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}
