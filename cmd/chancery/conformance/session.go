package conformance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// session is one run of the suite under way.
type session struct {
	*target
	provider *idptest.IdP
	profile  Profile
	proofKey *Key // of DPoP proofs

	granted answer       // of the first positive control
	access  *accessToken // in it; nil when it is no JWT
	keys    answer       // the target's key set
	inserts answer       // what is at the first of the places of metadata
}

// draft is a valid assertion of the profile, with a jti of its own.
func (s *session) draft(options ...idptest.Option) (*idptest.Draft, error) {
	d, err := s.provider.Draft(person)
	if err != nil {
		return nil, err
	}
	if s.settings.Email == "" {
		delete(d.Claims, "email")
		delete(d.Claims, "email_verified")
	}
	if s.profile == JWTBearer {
		// RFC 7523 §3 names no type, no client and no scope.
		d.Header["typ"] = "JWT"
		for _, name := range []string{"client_id", "scope", "resource"} {
			delete(d.Claims, name)
		}
	}
	for _, option := range options {
		option(d)
	}
	return d, nil
}

// assertion is a signed draft.
func (s *session) assertion(options ...idptest.Option) (string, error) {
	d, err := s.draft(options...)
	if err != nil {
		return "", err
	}
	return d.Sign()
}

// request presents an assertion as the client, asking for what the settings say.
func (s *session) request(assertion string) (*request, error) {
	r, err := s.authenticated(s.settings.Client)
	if err != nil {
		return nil, err
	}
	s.fill(r, assertion)
	return r, nil
}

func (s *session) fill(r *request, assertion string) {
	r.form.Set("assertion", assertion)
	if len(s.settings.Scopes) > 0 {
		r.form.Set("scope", strings.Join(s.settings.Scopes, " "))
	}
	if s.settings.Resource != "" {
		r.form.Set("resource", s.settings.Resource)
	}
}

// present sends an assertion in a valid request.
func (s *session) present(ctx context.Context, assertion string, changes ...func(*request)) answer {
	r, err := s.request(assertion)
	if err != nil {
		return answer{err: err}
	}
	for _, change := range changes {
		change(r)
	}
	return s.ask(ctx, r)
}

// fresh sends a valid assertion in a request that changes break.
func (s *session) fresh(ctx context.Context, changes ...func(*request)) answer {
	assertion, err := s.assertion()
	if err != nil {
		return answer{err: err}
	}
	return s.present(ctx, assertion, changes...)
}

// expectation is what an answer may be.
type expectation struct {
	errors   []string // refused with one of these
	accepted bool     // or a token, of which holds says what is wrong ("" for nothing)
	holds    func(answer) string
}

func refusal(errors ...string) expectation { return expectation{errors: errors} }

func (e expectation) orToken(holds func(answer) string) expectation {
	e.accepted, e.holds = true, holds
	return e
}

func (e expectation) String() string {
	text := "refused: " + strings.Join(e.errors, " or ")
	if e.accepted {
		text += "; or a token without it"
	}
	return text
}

// judge holds an answer to an expectation.
func (e expectation) judge(sent string, a answer) Finding {
	got := a.String()
	switch {
	case a.err != nil:
		return Finding{Outcome: Undecided, Sent: sent, Got: got}
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		return Finding{Outcome: Undecided, Sent: sent, Got: got}
	case a.status >= http.StatusInternalServerError:
		return fail(ServerError, sent, got)
	case a.token() != "" && !e.accepted:
		return fail(Accepted, sent, got)
	case a.token() != "" && e.holds != nil:
		if wrong := e.holds(a); wrong != "" {
			return fail(WrongGrant, sent, got+": "+wrong)
		}
		return pass(sent, got)
	case a.token() != "":
		return pass(sent, got)
	}
	return e.judgeRefusal(sent, a)
}

// judgeRefusal: RFC 6749 §5.2.
func (e expectation) judgeRefusal(sent string, a answer) Finding {
	got, code := a.String(), a.text("error")
	switch {
	case code == "" || !strings.HasPrefix(strings.ToLower(a.header.Get("Content-Type")), "application/json"):
		return fail(NoOAuthError, sent, got)
	case !slices.Contains(e.errors, code):
		return fail(WrongError, sent, got)
	case a.status == http.StatusUnauthorized && code != "invalid_client", a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest:
		return fail(WrongError, sent, got)
	}
	return pass(sent, got)
}

// difference says what was changed of a valid assertion: members of header and
// claims, who signed, and the form.
func difference(before, after *idptest.Draft) string {
	var said []string
	said = append(said, changed("header ", before.Header, after.Header)...)
	said = append(said, changed("claim ", before.Claims, after.Claims)...)
	if after.RawHeader != nil {
		said = append(said, "the bytes of the header: "+shorten(string(after.RawHeader)))
	}
	if after.RawClaims != nil {
		said = append(said, "the bytes of the claims")
	}
	if after.Key != before.Key {
		said = append(said, "signed with a key that the IdP does not publish")
	}
	if after.Signature != nil {
		said = append(said, "another signature")
	}
	if after.Compact != nil {
		said = append(said, "the finished token is altered")
	}
	if len(said) == 0 {
		return "a valid assertion"
	}
	return strings.Join(said, "; ")
}

func changed(kind string, before, after map[string]any) []string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, there := before[name]
		switch is := text(after[name]); {
		case !there:
			said = append(said, kind+name+" = "+is)
		case text(was) != is:
			said = append(said, kind+name+" = "+is+" instead of "+text(was))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			said = append(said, kind+name+" left out")
		}
	}
	return said
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return shorten(string(encoded))
}

func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("… (%d bytes)", len(s))
}

func copied(d *idptest.Draft) *idptest.Draft {
	same := *d
	same.Header, same.Claims = maps.Clone(d.Header), maps.Clone(d.Claims)
	return &same
}

// marker is a name that no server knows.
func marker() string { return "chancery-conformance-" + strings.ToLower(rand.Text()[:8]) }
