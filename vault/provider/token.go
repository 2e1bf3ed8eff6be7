package provider

import (
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// credential reads what a successful answer holds. ok is false where there is no token that we can present.
func (p *Provider) credential(a answer, paths TokenPaths, origin Origin) (Credential, bool) {
	now := p.now().UTC()
	access := words(at(a.body, paths.AccessToken))
	if !isToken(access) || !p.presentable(words(at(a.body, paths.TokenType))) {
		return Credential{}, false
	}
	c := Credential{Origin: origin, Access: NewSecret(access), IssuedAt: now, Scopes: p.scopes(at(a.body, paths.Scope)), Kept: p.kept(a)}
	if refresh := words(at(a.body, paths.RefreshToken)); isToken(refresh) {
		c.Refresh = NewSecret(refresh)
	}
	// What a provider says twice, once where a scope or something to keep is read, is a token there too.
	c.Scopes = slices.DeleteFunc(c.Scopes, c.holds)
	maps.DeleteFunc(c.Kept, func(_, value string) bool { return c.holds(value) })
	c.ExpiresAt = p.expiry(a, paths, access, now)
	if seconds, ok := seconds(at(a.body, paths.RefreshExpiresIn)); ok {
		c.RefreshExpiresAt = now.Add(seconds)
	}
	return c, true
}

// leastSecret is how long a token is that cannot stand within something else by chance.
const leastSecret = 16

// holds tells whether a text is one of the credential's tokens, or holds one.
func (c Credential) holds(text string) bool {
	return slices.ContainsFunc([]string{c.Access.Reveal(), c.Refresh.Reveal()}, func(token string) bool {
		return token != "" && (text == token || len(token) >= leastSecret && strings.Contains(text, token))
	})
}

// isToken: visible ASCII, so that it can stand in a header and nothing can follow it there (RFC 6749 Appendix A.12).
func isToken(s string) bool {
	return s != "" && len(s) <= maxToken && strings.IndexFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
}

// Presentable tells whether a secret can be a token: see isToken.
func (s Secret) Presentable() bool { return isToken(s.Reveal()) }

// presentable: a token of a type that we do not know must not be used (RFC 6749 §7.1).
func (p *Provider) presentable(tokenType string) bool {
	return tokenType == "" || slices.ContainsFunc(p.manifest.Tokens.Types, func(t string) bool { return strings.EqualFold(t, tokenType) })
}

// scopes reads a list, or names with spaces or commas between them; nil where the answer names none.
func (p *Provider) scopes(v any) []string {
	var names []string
	if list, ok := v.([]any); ok {
		for _, one := range list {
			names = append(names, words(one))
		}
	} else {
		names = strings.FieldsFunc(words(v), func(r rune) bool { return r == ' ' || r == ',' })
	}
	var asked []string
	for _, name := range names[:min(len(names), 256)] {
		for alias, granted := range p.manifest.Scopes.Aliases {
			if granted == name {
				name = alias
			}
		}
		if name != "" && !slices.Contains(asked, name) {
			asked = append(asked, name)
		}
	}
	return asked
}

// granted is what an answer says was given. One that says nothing gives what was asked (RFC 6749 §5.1); names that the
// provider never lists are taken to be given when they were asked.
func (p *Provider) granted(said, asked []string) []string {
	if said == nil {
		return slices.Clone(asked)
	}
	for _, name := range p.manifest.Scopes.Unlisted {
		if slices.Contains(asked, name) && !slices.Contains(said, name) {
			said = append(said, name)
		}
	}
	return said
}

func (p *Provider) kept(a answer) map[string]string {
	var kept map[string]string
	for name, path := range p.manifest.Tokens.Keep {
		if value := words(at(a.body, path)); value != "" && len(value) <= maxKept && printable(value) {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}

// expiry is when the access token ends; zero where the provider names no end. An end that cannot be read is now: the token is
// used, and refreshed the next time.
func (p *Provider) expiry(a answer, paths TokenPaths, access string, now time.Time) time.Time {
	rule := p.manifest.Expiry
	if rule.Source == NoExpiry {
		return time.Time{}
	}
	var end time.Time
	var said, ok bool
	switch rule.Source {
	case ExpiresIn:
		v := at(a.body, paths.ExpiresIn)
		var life time.Duration
		life, ok = seconds(v)
		said, end = v != nil, now.Add(life)
	case IssuedAtTTL:
		v := at(a.body, paths.IssuedAt)
		end, ok = since(words(v))
		said, end = v != nil, end.Add(time.Duration(rule.Default))
	case ExpiresAt:
		v := at(a.body, paths.ExpiresAt)
		var err error
		end, err = time.Parse(time.RFC3339, words(v))
		said, ok = v != nil, err == nil
	case JWTExp:
		end, said = jwtExp(access)
		ok = said
	case NoExpiry:
	}
	switch {
	case ok && end.Sub(now) <= longest:
		return end.UTC()
	case ok:
		return now.Add(longest)
	case rule.Default > 0:
		return now.Add(time.Duration(rule.Default))
	case said:
		return now
	default:
		return time.Time{}
	}
}

// seconds reads a positive number of seconds, which some write as text.
func seconds(v any) (time.Duration, bool) {
	n, err := strconv.ParseFloat(words(v), 64)
	if err != nil || math.IsNaN(n) || n <= 0 {
		return 0, false
	}
	return time.Duration(min(n, longest.Seconds())) * time.Second, true
}

// since reads a moment in seconds or, as Salesforce writes it, in milliseconds as text.
func since(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n <= 0:
		return time.Time{}, false
	case n > 1e11: // the year 5138 in seconds
		return time.UnixMilli(min(n, math.MaxInt64/int64(time.Millisecond))), true
	default:
		return time.Unix(n, 0), true
	}
}

// jwtExp reads exp without verifying: nothing is decided by it but when to refresh.
func jwtExp(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	claims, err := readJSON(b)
	if err != nil {
		return time.Time{}, false
	}
	n, err := strconv.ParseFloat(words(at(claims, "exp")), 64)
	if err != nil || n <= 0 || n > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}
