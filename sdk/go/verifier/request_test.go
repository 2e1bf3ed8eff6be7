package verifier

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Without credentials there is no error code (RFC 6750 §3.1), and both schemes are named.
func TestNoCredentials(t *testing.T) {
	i := newIssuer(t)
	bearer := `Bearer scope="notes:read", resource_metadata="` + metadataURL + `"`
	for name, set := range map[string][]string{"none": nil, "another scheme": {"Basic YTpi"}, "empty": {""}} {
		t.Run(name, func(t *testing.T) {
			r := i.attempt().request()
			r.Header.Del("Authorization")
			for _, value := range set {
				r.Header.Add("Authorization", value)
			}
			s := send(t, i.verifier(), r)
			if s.reached || s.status != 401 || !slices.Equal(s.challenges, []string{bearer, "DPoP " + algs}) {
				t.Errorf("%d %q", s.status, s.challenges)
			}
			if _, has := s.body["error"]; has || s.body["error_description"] != "token_missing: an access token is needed" {
				t.Errorf("%v", s.body)
			}
		})
	}
	r := i.attempt().request()
	r.Header.Del("Authorization")
	s := send(t, i.verifier(WithDPoPRequired()), r)
	if want := `DPoP scope="notes:read", resource_metadata="` + metadataURL + `", ` + algs; s.status != 401 || !slices.Equal(s.challenges, []string{want}) {
		t.Errorf("%d %q", s.status, s.challenges)
	}
}

func TestCredentialsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		finish      func(*http.Request)
		description string
		plain       bool // the scheme is not known
	}{
		"twice": {func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, "credentials_repeated: more than one Authorization field", true},
		"in the query": {func(r *http.Request) {
			r.URL.RawQuery = "access_token=" + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			r.Header.Del("Authorization")
		}, "token_in_query: a token must not be in the URL", true},
		"in the query too": {func(r *http.Request) { r.URL.RawQuery = "a=b&access_token=x" }, "token_in_query: a token must not be in the URL", true},
		"scheme alone":     {func(r *http.Request) { r.Header.Set("Authorization", "Bearer") }, "credentials_malformed: no token after the scheme", false},
		"scheme and space": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer  ") }, "credentials_malformed: no token after the scheme", false},
		"two tokens":       {func(r *http.Request) { r.Header.Set("Authorization", "Bearer a b") }, "credentials_malformed: no token after the scheme", false},
		"a list":           {func(r *http.Request) { r.Header.Set("Authorization", "Bearer a,b") }, "credentials_malformed: no token after the scheme", false},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.attempt()
			a.finish = c.finish
			s := send(t, i.verifier(), a.request())
			if c.plain {
				if s.reached || s.status != 400 || len(s.challenges) != 2 || s.body["error"] != "invalid_request" || s.body["error_description"] != c.description {
					t.Errorf("%d %q %v", s.status, s.challenges, s.body)
				}
				return
			}
			s.must(t, want{status: 400, scheme: "Bearer", code: "invalid_request", description: c.description})
		})
	}
}

// A token in the body is not looked for: the body is the handler's.
func TestTokenInBodyIsNone(t *testing.T) {
	i := newIssuer(t)
	a := i.attempt()
	a.finish = func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Del("Authorization")
	}
	a.body = "access_token=" + a.token.compact(t)
	if s := send(t, i.verifier(), a.request()); s.reached || s.status != 401 {
		t.Errorf("%d", s.status)
	}
}

func TestRequirements(t *testing.T) {
	claim := func(name string, value any) func(*attempt) {
		return func(a *attempt) { a.token.claims[name] = value }
	}
	without := func(name string) func(*attempt) { return func(a *attempt) { delete(a.token.claims, name) } }
	none := func(*attempt) {}
	scope := func(scopes, missing string) want {
		return want{status: 403, scheme: "Bearer", code: "insufficient_scope", description: "scope_missing: " + missing, scope: scopes}
	}
	stronger := want{status: 401, scheme: "Bearer", code: "insufficient_user_authentication", description: "step_up_required: a stronger sign-in is needed"}
	recent := want{status: 401, scheme: "Bearer", code: "insufficient_user_authentication", description: "step_up_required: a more recent sign-in is needed"}
	with := func(w want, more string) want { w.more = more; return w }
	for name, c := range map[string]struct {
		change func(*attempt)
		needs  []Requirement
		want   want
	}{
		"no scope":             {without("scope"), nil, scope("notes:read", "notes:read")},
		"another scope":        {claim("scope", "notes:write"), nil, scope("notes:read", "notes:read")},
		"a longer scope":       {claim("scope", "notes:read:all"), nil, scope("notes:read", "notes:read")},
		"scope in capitals":    {claim("scope", "NOTES:READ"), nil, scope("notes:read", "notes:read")},
		"one scope more":       {none, []Requirement{RequireScopes("notes:write")}, scope("notes:read notes:write", "notes:write")},
		"two scopes more":      {none, []Requirement{RequireScopes("a"), RequireScopes("b", "a")}, scope("notes:read a b", "a b")},
		"acr another":          {claim("acr", "pwd"), []Requirement{RequireACR("phr")}, with(stronger, `acr_values="phr", `)},
		"acr absent":           {without("acr"), []Requirement{RequireACR("phr", "phrh")}, with(stronger, `acr_values="phr phrh", `)},
		"acr longer":           {claim("acr", "phrh"), []Requirement{RequireACR("phr")}, with(stronger, `acr_values="phr", `)},
		"too long ago":         {none, []Requirement{RequireMaxAge(59 * time.Second)}, with(recent, `max_age="59", `)},
		"auth_time absent":     {without("auth_time"), []Requirement{RequireMaxAge(time.Hour)}, with(recent, `max_age="3600", `)},
		"auth_time to come":    {claim("auth_time", noon.Add(61*time.Second).Unix()), []Requirement{RequireMaxAge(time.Hour)}, with(recent, `max_age="3600", `)},
		"now":                  {none, []Requirement{RequireMaxAge(0)}, with(recent, `max_age="0", `)},
		"the shorter of two":   {claim("acr", "pwd"), []Requirement{RequireMaxAge(time.Hour), RequireMaxAge(time.Minute), RequireACR("phr")}, with(stronger, `acr_values="phr", max_age="60", `)},
		"sign-in before scope": {claim("scope", "x"), []Requirement{RequireACR("other")}, with(stronger, `acr_values="other", `)},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.attempt()
			c.change(a)
			send(t, i.verifier(), a.request(), c.needs...).must(t, c.want)
		})
	}
	// A new token would not help: no challenge.
	for name, c := range map[string]struct {
		change      func(*attempt)
		need        Requirement
		status      int
		description string
	}{
		"plan another":        {none, RequirePlan("enterprise"), 403, "plan_required: the client's plan does not include this"},
		"plan absent":         {without("plan"), RequirePlan("pro"), 403, "plan_required: the client's plan does not include this"},
		"environment another": {none, RequireEnvironment("staging"), 403, "environment_not_allowed: the client's environment is not allowed here"},
		"environment absent":  {without("environment"), RequireEnvironment("production"), 403, "environment_not_allowed: the client's environment is not allowed here"},
		"nothing is required": {none, Requirement{}, 500, "misconfigured"},
		"nor any plan":        {without("plan"), RequirePlan(""), 403, "plan_required: the client's plan does not include this"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			a := i.attempt()
			c.change(a)
			s := send(t, i.verifier(), a.request(), c.need)
			if s.reached || s.status != c.status || len(s.challenges) != 0 || s.body["error_description"] != c.description {
				t.Errorf("%d %q %v", s.status, s.challenges, s.body)
			}
		})
	}
	t.Run("all are met", func(t *testing.T) {
		i := newIssuer(t)
		s := send(t, i.verifier(), i.attempt().request(), RequireScopes("notes:read"), RequirePlan("free", "pro"),
			RequireEnvironment("production"), RequireACR("phr"), RequireMaxAge(time.Minute))
		if !s.reached {
			t.Errorf("%d %v", s.status, s.body)
		}
	})
}

// Scopes that include one another cost no more than they are many.
func TestImpliedScopesInACircle(t *testing.T) {
	i := newIssuer(t)
	var all []string
	for n := range 40 {
		all = append(all, "s"+strconv.Itoa(n))
	}
	var options []Option
	for _, scope := range all {
		options = append(options, WithImpliedScopes(scope, all...))
	}
	v := i.verifier(options...)
	token := Token{v: v, claims: Claims{Scopes: []string{all[0]}}}
	began := time.Now()
	if token.HasScope("other") || !token.HasScope(all[39]) {
		t.Error("the circle is read wrong")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it takes %s", took)
	}
}

// An error that somebody else made is an answer too.
func TestWriteErrorWithoutStatus(t *testing.T) {
	w := httptest.NewRecorder()
	WriteError(w, &Error{Reason: "closed"})
	if w.Code != http.StatusInternalServerError {
		t.Error(w.Code)
	}
}

func TestImpliedScopes(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(WithImpliedScopes("admin", "notes:write"), WithImpliedScopes("notes:write", "notes:read", "admin"))
	a := i.attempt()
	a.token.claims["scope"] = "admin"
	if s := send(t, v, a.request()); !s.reached {
		t.Errorf("%d %v", s.status, s.body)
	}
	send(t, v, a.request(), RequireScopes("other")).
		must(t, want{status: 403, scheme: "Bearer", code: "insufficient_scope", description: "scope_missing: other", scope: "notes:read other"})
}

// A handler, or a tool, asks for more.
func TestTokenCheck(t *testing.T) {
	i := newIssuer(t)
	s := send(t, i.verifier(), i.attempt().request())
	if err := s.token.Check(RequirePlan("pro"), RequireScopes("notes:read")); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		token  *Token
		needs  []Requirement
		after  time.Duration
		status int
		reason string
	}{
		"scope":   {s.token, []Requirement{RequireScopes("x")}, 0, 403, "scope_missing"},
		"zero":    {s.token, []Requirement{{}}, 0, 500, "misconfigured"},
		"no one":  {&Token{}, nil, 0, 401, "token_missing"},
		"nil":     {nil, nil, 0, 401, "token_missing"},
		"expired": {s.token, nil, 5 * time.Minute, 401, "token_expired"},
	} {
		i.clock.add(c.after)
		e, ok := errors.AsType[*Error](c.token.Check(c.needs...))
		if !ok || e.Status != c.status || e.Reason != c.reason {
			t.Errorf("%s: %+v", name, e)
		}
		i.clock.add(-c.after)
	}
	if (&Token{}).HasScope("") || (&Token{}).HasScope("x") {
		t.Error("the zero token has a scope")
	}
}

func TestZeroVerifierRefuses(t *testing.T) {
	i := newIssuer(t)
	for _, v := range []*Verifier{nil, {}} {
		_, err := v.Verify(i.attempt().request())
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 500 {
			t.Error(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	const good = "https://auth.acme.com"
	for name, c := range map[string]struct {
		issuer, resource string
		option           Option
	}{
		"no issuer":             {"", resource, Option{}},
		"issuer with slash":     {good + "/", resource, Option{}},
		"issuer http":           {"http://auth.acme.com", resource, Option{}},
		"issuer with query":     {good + "?a", resource, Option{}},
		"issuer with fragment":  {good + "#", resource, Option{}},
		"issuer with user":      {"https://a@auth.acme.com", resource, Option{}},
		"no resource":           {good, "", Option{}},
		"resource relative":     {good, "/mcp", Option{}},
		"resource fragment":     {good, resource + "#a", Option{}},
		"resource http":         {good, "http://notes.acme.com", Option{}},
		"resource without URL":  {good, "urn:acme:notes", Option{}},
		"no algorithm":          {good, resource, WithAlgorithms()},
		"alg none":              {good, resource, WithAlgorithms("none")},
		"alg HS256":             {good, resource, WithAlgorithms("ES256", "HS256")},
		"no scope":              {good, resource, WithScopes()},
		"scope with space":      {good, resource, WithScopes("a b")},
		"implies nothing":       {good, resource, WithImpliedScopes("a")},
		"leeway too long":       {good, resource, WithLeeway(61 * time.Second)},
		"leeway negative":       {good, resource, WithLeeway(-1)},
		"no clock":              {good, resource, WithClock(nil)},
		"public URL http":       {good, resource, WithPublicURL("http://notes.acme.com")},
		"public URL with query": {good, resource, WithPublicURL("https://notes.acme.com?a=b")},
		"metadata relative":     {good, resource, WithResourceMetadata("/x")},
		"window none":           {good, resource, WithProofWindow(0)},
		"window too long":       {good, resource, WithProofWindow(6 * time.Minute)},
		"no replay store":       {good, resource, WithReplayStore(nil)},
		"nonce secret short":    {good, resource, WithNonces(make([]byte, 31))},
		"body negative":         {good, resource, WithContentDigest(-1)},
	} {
		t.Run(name, func(t *testing.T) {
			var options []Option
			if c.option.apply != nil {
				options = append(options, c.option)
			}
			if v, err := New(c.issuer, c.resource, options...); err == nil {
				t.Errorf("made %v", v)
			}
		})
	}
	if _, err := New(good, "urn:acme:notes", WithPublicURL("https://notes.acme.com"), WithResourceMetadata("https://auth.acme.com/m")); err != nil {
		t.Error(err)
	}
}
