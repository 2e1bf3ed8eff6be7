package authorization_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestParse(t *testing.T) {
	a := valid(picture(t))
	for name, value := range map[string]string{
		"scope": "openid profile offline_access notes:write notes:read notes:read", "prompt": "login consent", "max_age": "0", "acr_values": "phr urn:x:2",
		"login_hint": "alice@acme.com", "ui_locales": "de-DE x_y en", "nonce": "n1", "dpop_jkt": jkt, "response_mode": "form_post", "id_token_hint": "a.b.c",
		"display": "popup", "claims": `{"id_token":{"acr":{"essential":true}}}`, "unknown": "x",
	} {
		a.form.Set(name, value)
	}
	r := mustParse(t, a)
	age, hasAge := r.MaxAge()
	for what, ok := range map[string]bool{
		"client":     r.Client().ClientID == "app",
		"challenge":  r.Challenge() == challenge,
		"resources":  len(r.Resources()) == 1 && r.Resources()[0].Name == "notes",
		"scopes":     slices.Equal(r.Scopes(), []string{"notes:write", "notes:read"}),
		"identity":   slices.Equal(r.Identity(), []string{"openid", "profile"}),
		"offline":    r.Offline(),
		"prompt":     r.Prompt() == authorization.Prompt{Login: true, Consent: true},
		"max_age":    age == 0 && hasAge,
		"acr_values": slices.Equal(r.ACRValues(), []string{"phr", "urn:x:2"}),
		"login_hint": r.LoginHint() == "alice@acme.com",
		"ui_locales": slices.Equal(r.UILocales(), []string{"de-DE", "en"}),
		"nonce":      r.Nonce() == "n1",
		"dpop_jkt":   r.Thumbprint() == jkt,
		"mode":       r.Return().Mode() == authorization.FormPost,
		"hint":       expects(r, "usr_alice", true),
	} {
		if !ok {
			t.Errorf("%s: %+v", what, r)
		}
	}
	r.Scopes()[0], r.Resources()[0] = "changed", nil
	if r.Scopes()[0] == "changed" || r.Resources()[0] == nil {
		t.Error("a request can be changed from outside")
	}
}

func expects(r authorization.Request, user string, hinted bool) bool {
	got, was := r.Expected()
	return got == user && was == hinted
}

// TestHintRests: whom an ID token means rests with a request, the token does not; and what a request says of that itself, in the
// words in which it rests, is not looked at.
func TestHintRests(t *testing.T) {
	tenant := picture(t)
	for name, c := range map[string]struct {
		change change
		user   string
		hinted bool
	}{
		"none":            {func(*asked) {}, "", false},
		"of alice":        {param("id_token_hint", "a.b.c"), "usr_alice", true},
		"of nobody":       {param("id_token_hint", "x.y.z"), "", true},
		"in our words":    {param("expected_user", "usr_alice"), "", false},
		"of both, forged": {both(param("id_token_hint", "x.y.z"), param("expected_user", "usr_alice")), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			c.change(a)
			r := mustParse(t, a)
			if !expects(r, c.user, c.hinted) || strings.Contains(r.Parameters(), "a.b.c") || strings.Contains(r.Parameters(), "x.y.z") {
				t.Fatalf("rests as %s", r.Parameters())
			}
			var err error
			a.form, err = url.ParseQuery(r.Parameters())
			if err != nil {
				t.Fatal(err)
			}
			a.via = authorization.Pushed
			if again := mustParse(t, a); !expects(again, c.user, c.hinted) || again.Parameters() != r.Parameters() {
				t.Errorf("again: %s", again.Parameters())
			}
		})
	}
}

// Before the redirect URI is verified the person is told, and nothing is redirected.
func TestShown(t *testing.T) {
	tenant := picture(t)
	for name, c := range map[string]struct {
		change change
		code   oauth.Code
	}{
		"no client_id":        {without("client_id"), oauth.CodeParameterMissing},
		"unknown client":      {func(a *asked) { a.client = client.Client{} }, oauth.CodeAuthorizationClientUnknown},
		"another client":      {param("client_id", "other"), oauth.CodeAuthorizationClientUnknown},
		"client in capitals":  {param("client_id", "APP"), oauth.CodeAuthorizationClientUnknown},
		"disabled client":     {func(a *asked) { a.client.Disabled = true }, oauth.CodeAuthorizationClientUnknown},
		"expired client":      {func(a *asked) { a.client.ExpiresAt = now }, oauth.CodeAuthorizationClientUnknown},
		"long expired client": {func(a *asked) { a.client.ExpiresAt = now.Add(-time.Hour) }, oauth.CodeAuthorizationClientUnknown},
		"large state":         {param("state", strings.Repeat("s", 2049)), oauth.CodeStateTooLarge},
		"pushed for another":  {both(param("client_id", "other"), func(a *asked) { a.via = authorization.Pushing }), oauth.CodeAuthorizationClientUnknown},
		"everything is wrong, the client first": {
			both(func(a *asked) { a.client.Disabled = true }, param("redirect_uri", "x"), param("scope", `"`)),
			oauth.CodeAuthorizationClientUnknown,
		},
		"everything is wrong, then where to": {
			both(param("redirect_uri", "https://evil.example"), param("scope", `"`), param("state", strings.Repeat("s", 3000))),
			oauth.CodeRedirectURIUnregistered,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			c.change(a)
			_, err := a.parse(t)
			shown(t, err, c.code)
		})
	}
}

// Each case is one mutation of a valid request. The client hears of it at its redirect URI, with state and iss.
func TestReturned(t *testing.T) {
	tenant := picture(t)
	lists := func(change func(*client.Client)) change { return func(a *asked) { change(&a.client) } }
	many := strings.Fields(strings.Repeat("https://mcp.acme.com/notes ", 9))
	for name, c := range map[string]struct {
		change change
		code   oauth.Code
		error  string
	}{
		"no response_type":          {without("response_type"), oauth.CodeParameterMissing, "invalid_request"},
		"empty response_type":       {param("response_type", ""), oauth.CodeParameterMissing, "invalid_request"},
		"token":                     {param("response_type", "token"), oauth.CodeResponseTypeUnsupported, "unsupported_response_type"},
		"id_token":                  {param("response_type", "id_token"), oauth.CodeResponseTypeUnsupported, "unsupported_response_type"},
		"hybrid":                    {param("response_type", "code id_token"), oauth.CodeResponseTypeUnsupported, "unsupported_response_type"},
		"none as type":              {param("response_type", "none"), oauth.CodeResponseTypeUnsupported, "unsupported_response_type"},
		"code in capitals":          {param("response_type", "Code"), oauth.CodeResponseTypeUnsupported, "unsupported_response_type"},
		"fragment":                  {param("response_mode", "fragment"), oauth.CodeResponseModeUnsupported, "invalid_request"},
		"jwt":                       {param("response_mode", "query.jwt"), oauth.CodeResponseModeUnsupported, "invalid_request"},
		"web_message":               {param("response_mode", "web_message"), oauth.CodeResponseModeUnsupported, "invalid_request"},
		"form_post to a program":    {both(param("response_mode", "form_post"), param("redirect_uri", "com.example.app:/cb")), oauth.CodeResponseModeUnsupported, "invalid_request"},
		"grant not listed":          {lists(func(c *client.Client) { c.GrantTypes = []string{"refresh_token"} }), oauth.CodeClientGrantNotAllowed, "unauthorized_client"},
		"no grant at all":           {lists(func(c *client.Client) { c.GrantTypes = nil }), oauth.CodeClientGrantNotAllowed, "unauthorized_client"},
		"a workload":                {lists(func(c *client.Client) { c.Auth.Method = client.MethodWorkload }), oauth.CodeClientGrantNotAllowed, "unauthorized_client"},
		"no challenge":              {without("code_challenge"), oauth.CodeCodeChallengeMissing, "invalid_request"},
		"no PKCE":                   {both(without("code_challenge"), without("code_challenge_method")), oauth.CodeCodeChallengeMissing, "invalid_request"},
		"plain":                     {param("code_challenge_method", "plain"), oauth.CodeCodeChallengeMethodUnsupported, "invalid_request"},
		"no method":                 {without("code_challenge_method"), oauth.CodeCodeChallengeMethodUnsupported, "invalid_request"},
		"method in lower case":      {param("code_challenge_method", "s256"), oauth.CodeCodeChallengeMethodUnsupported, "invalid_request"},
		"S512":                      {param("code_challenge_method", "S512"), oauth.CodeCodeChallengeMethodUnsupported, "invalid_request"},
		"short challenge":           {param("code_challenge", challenge[:42]), oauth.CodeCodeChallengeMalformed, "invalid_request"},
		"long challenge":            {param("code_challenge", challenge+"A"), oauth.CodeCodeChallengeMalformed, "invalid_request"},
		"padded challenge":          {param("code_challenge", challenge+"="), oauth.CodeCodeChallengeMalformed, "invalid_request"},
		"challenge in base64":       {param("code_challenge", strings.ReplaceAll(challenge, "-", "+")), oauth.CodeCodeChallengeMalformed, "invalid_request"},
		"challenge with loose bits": {param("code_challenge", challenge[:42]+"N"), oauth.CodeCodeChallengeMalformed, "invalid_request"},
		"challenge is a verifier":   {param("code_challenge", strings.Repeat("~", 43)), oauth.CodeCodeChallengeMalformed, "invalid_request"},

		"unknown resource":            {param("resource", "https://mcp.acme.com/nothing"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource with a slash":       {param("resource", notesURI+"/"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource with a port":        {param("resource", "https://mcp.acme.com:444/notes"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource in another case":    {param("resource", "https://mcp.acme.com/NOTES"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource with a fragment":    {param("resource", notesURI+"#x"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"relative resource":           {param("resource", "/notes"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource by name":            {param("resource", "notes"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"disabled resource":           {param("resource", "https://mcp.acme.com/old"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"resource of other clients":   {param("resource", "https://mcp.acme.com/payroll"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"one of two is unknown":       {param("resource", notesURI, "https://mcp.acme.com/nothing"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"one of two is not reachable": {param("resource", notesURI, "https://mcp.acme.com/payroll"), oauth.CodeResourceNotAllowed, "invalid_target"},
		"nine resources":              {param("resource", many...), oauth.CodeParameterTooLarge, "invalid_request"},
		"no resource, two reachable":  {without("resource"), oauth.CodeResourceUnsettled, "invalid_target"},
		"no resource, none reachable": {both(without("resource"), lists(func(c *client.Client) { c.Resources = nil })), oauth.CodeResourceUnsettled, "invalid_target"},
		"no resource, only disabled":  {both(without("resource"), lists(func(c *client.Client) { c.Resources = []string{"old"} })), oauth.CodeResourceUnsettled, "invalid_target"},
		"client without resources":    {lists(func(c *client.Client) { c.Resources = nil }), oauth.CodeResourceNotAllowed, "invalid_target"},

		"scope with two spaces":          {param("scope", "notes:read  notes:write"), oauth.CodeScopeMalformed, "invalid_scope"},
		"scope with a quote":             {param("scope", `"notes:read"`), oauth.CodeScopeMalformed, "invalid_scope"},
		"scope with a comma":             {param("scope", "notes:read,notes:write"), oauth.CodeScopeEmpty, "invalid_scope"},
		"large scope":                    {param("scope", strings.Repeat("s", 1025)), oauth.CodeParameterTooLarge, "invalid_request"},
		"scope above the client":         {param("scope", "notes:admin"), oauth.CodeScopeEmpty, "invalid_scope"},
		"scope of another resource":      {param("scope", "wiki:read"), oauth.CodeScopeEmpty, "invalid_scope"},
		"scope in capitals":              {param("scope", "NOTES:READ"), oauth.CodeScopeEmpty, "invalid_scope"},
		"client without scopes":          {lists(func(c *client.Client) { c.Scopes = nil }), oauth.CodeScopeEmpty, "invalid_scope"},
		"no scope, no defaults":          {both(without("scope"), param("resource", wikiURI)), oauth.CodeScopeEmpty, "invalid_scope"},
		"openid alone, no defaults":      {both(param("scope", "openid"), param("resource", wikiURI)), oauth.CodeScopeEmpty, "invalid_scope"},
		"no scope, defaults not allowed": {both(without("scope"), lists(func(c *client.Client) { c.Scopes = []string{"wiki:read"} })), oauth.CodeScopeEmpty, "invalid_scope"},
		"email without openid":           {param("scope", "email"), oauth.CodeScopeEmpty, "invalid_scope"},

		"authorization_details": {param("authorization_details", `[{"type":"x"}]`), oauth.CodeAuthorizationDetailsUnsupported, "invalid_authorization_details"},
		"no details":            {param("authorization_details", `[]`), oauth.CodeAuthorizationDetailsUnsupported, "invalid_authorization_details"},
		"request":               {param("request", "a.b.c"), oauth.CodeRequestObjectUnsupported, "request_not_supported"},
		"request_uri elsewhere": {param("request_uri", "https://evil.example/r"), oauth.CodeRequestURIUnsupported, "request_uri_not_supported"},
		"request_uri not taken": {param("request_uri", "urn:ietf:params:oauth:request_uri:"+challenge), oauth.CodeRequestURIUnsupported, "request_uri_not_supported"},
		"request_uri pushed": {
			both(param("request_uri", "urn:ietf:params:oauth:request_uri:"+challenge), func(a *asked) { a.via = authorization.Pushing }),
			oauth.CodeRequestURIPushed, "invalid_request",
		},
		"registration":     {param("registration", "{}"), oauth.CodeRegistrationUnsupported, "registration_not_supported"},
		"must push":        {func(a *asked) { a.mustPush = true }, oauth.CodePushedRequestRequired, "invalid_request"},
		"must push, wrong": {both(func(a *asked) { a.mustPush = true }, without("response_type")), oauth.CodePushedRequestRequired, "invalid_request"},

		"prompt unknown":        {param("prompt", "create"), oauth.CodePromptInvalid, "invalid_request"},
		"prompt in capitals":    {param("prompt", "None"), oauth.CodePromptInvalid, "invalid_request"},
		"prompt none and login": {param("prompt", "none login"), oauth.CodePromptInvalid, "invalid_request"},
		"prompt login and none": {param("prompt", "login none"), oauth.CodePromptInvalid, "invalid_request"},
		"prompt two spaces":     {param("prompt", "login  consent"), oauth.CodePromptInvalid, "invalid_request"},
		"prompt trailing space": {param("prompt", "login "), oauth.CodePromptInvalid, "invalid_request"},
		"max_age negative":      {param("max_age", "-1"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age signed":        {param("max_age", "+1"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age fraction":      {param("max_age", "1.5"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age exponent":      {param("max_age", "1e3"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age text":          {param("max_age", "soon"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age leading zero":  {param("max_age", "060"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age hexadecimal":   {param("max_age", "0x10"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age grouped":       {param("max_age", "1_000"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age Arabic digits": {param("max_age", "٣"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age enormous":      {param("max_age", "1000000000"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"max_age overflowing":   {param("max_age", "18446744073709551616"), oauth.CodeMaxAgeInvalid, "invalid_request"},
		"acr two spaces":        {param("acr_values", "a  b"), oauth.CodeAcrValuesMalformed, "invalid_request"},
		"acr not ASCII":         {param("acr_values", "ä"), oauth.CodeAcrValuesMalformed, "invalid_request"},
		"acr eleven":            {param("acr_values", "1 2 3 4 5 6 7 8 9 10 11"), oauth.CodeAcrValuesMalformed, "invalid_request"},
		"acr large":             {param("acr_values", strings.Repeat("a", 1025)), oauth.CodeParameterTooLarge, "invalid_request"},
		"nonce large":           {param("nonce", strings.Repeat("n", 513)), oauth.CodeParameterTooLarge, "invalid_request"},
		"login_hint large":      {param("login_hint", strings.Repeat("l", 321)), oauth.CodeParameterTooLarge, "invalid_request"},
		"id_token_hint large":   {param("id_token_hint", strings.Repeat("i", 8193)), oauth.CodeParameterTooLarge, "invalid_request"},
		"ui_locales large":      {param("ui_locales", strings.Repeat("d", 257)), oauth.CodeParameterTooLarge, "invalid_request"},
		"dpop_jkt short":        {param("dpop_jkt", jkt[:42]), oauth.CodeDPoPJktMalformed, "invalid_request"},
		"dpop_jkt padded":       {param("dpop_jkt", jkt+"="), oauth.CodeDPoPJktMalformed, "invalid_request"},
		"dpop_jkt in base64":    {param("dpop_jkt", strings.ReplaceAll(jkt, "-", "+")), oauth.CodeDPoPJktMalformed, "invalid_request"},
		"dpop_jkt another":      {both(param("dpop_jkt", jkt), func(a *asked) { a.thumbprint = challenge }), oauth.CodeDPoPJktMismatch, "invalid_dpop_proof"},
		"proof of nothing":      {func(a *asked) { a.thumbprint = "x" }, oauth.CodeInternal, "server_error"},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			c.change(a)
			_, err := a.parse(t)
			back := returned(t, err, c.code)
			u, err := url.Parse(back.Return.Refused(back.Refusal, "trc_1").Location())
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			if q.Get("error") != c.error || q.Get("state") != "s1" || q.Get("iss") != issuer ||
				!strings.HasPrefix(q.Get("error_description"), string(c.code)+": ") || q.Get("error_uri") != issuer+"/errors/"+string(c.code)+"?trace=trc_1" {
				t.Errorf("answered %s", u)
			}
		})
	}
}

// What a form cannot be, is refused before anything is known of it.
func TestRepeated(t *testing.T) {
	tenant := picture(t)
	for _, name := range []string{"client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method", "response_type", "nonce", "request_uri", "prompt", "max_age", "dpop_jkt"} {
		a := valid(tenant)
		a.form[name] = []string{"a", "a"}
		_, err := a.parse(t)
		if _, redirected := errors.AsType[*authorization.Returned](err); redirected || err == nil || oauth.AsError(err).Code != oauth.CodeParameterRepeated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccepted(t *testing.T) {
	tenant := picture(t)
	for name, c := range map[string]struct {
		change change
		scopes string
		also   func(authorization.Request) bool
	}{
		"as it is":                    {func(*asked) {}, "notes:read notes:write", nil},
		"client not yet expired":      {func(a *asked) { a.client.ExpiresAt = now.Add(1) }, "notes:read notes:write", nil},
		"no state":                    {without("state"), "notes:read notes:write", nil},
		"largest state":               {param("state", strings.Repeat("s", 2048)), "notes:read notes:write", nil},
		"public client":               {func(a *asked) { a.client.Type, a.client.Auth.Method = client.Public, client.MethodNone }, "notes:read notes:write", nil},
		"scopes above the client":     {param("scope", "notes:admin notes:read"), "notes:read", nil},
		"no scope: the defaults":      {without("scope"), "notes:read", nil},
		"openid: the defaults":        {param("scope", "openid"), "notes:read", func(r authorization.Request) bool { return len(r.Identity()) == 1 }},
		"offline: the defaults":       {param("scope", "offline_access"), "notes:read", func(r authorization.Request) bool { return r.Offline() && r.Identity() == nil }},
		"offline without the grant":   {both(param("scope", "notes:read offline_access"), func(a *asked) { a.client.GrantTypes = []string{"authorization_code"} }), "notes:read", func(r authorization.Request) bool { return !r.Offline() }},
		"profile without openid":      {param("scope", "notes:read profile"), "notes:read", func(r authorization.Request) bool { return r.Identity() == nil }},
		"profile that is not listed":  {both(param("scope", "notes:read openid profile"), func(a *asked) { a.client.Scopes = []string{"notes:read"} }), "notes:read", func(r authorization.Request) bool { return len(r.Identity()) == 1 }},
		"email of the person":         {param("scope", "notes:read openid email"), "notes:read", func(r authorization.Request) bool { return slices.Equal(r.Identity(), []string{"openid", "email"}) }},
		"email of the resource":       {both(param("scope", "wiki:read openid email"), param("resource", wikiURI)), "wiki:read email", func(r authorization.Request) bool { return len(r.Identity()) == 1 }},
		"two resources":               {both(param("resource", wikiURI, notesURI), param("scope", "notes:read wiki:read")), "notes:read wiki:read", func(r authorization.Request) bool { return len(r.Resources()) == 2 }},
		"one resource twice":          {param("resource", notesURI, "https://MCP.acme.com:443/notes"), "notes:read notes:write", func(r authorization.Request) bool { return len(r.Resources()) == 1 }},
		"the only reachable resource": {both(without("resource"), func(a *asked) { a.client.Resources = []string{"notes", "old"} }), "notes:read notes:write", nil},
		"prompt none":                 {param("prompt", "none"), "notes:read notes:write", func(r authorization.Request) bool { return r.Prompt().None }},
		"select_account":              {param("prompt", "select_account"), "notes:read notes:write", func(r authorization.Request) bool { return r.Prompt().SelectAccount }},
		"no max_age":                  {without("max_age"), "notes:read notes:write", func(r authorization.Request) bool { _, ok := r.MaxAge(); return !ok }},
		"longest max_age":             {param("max_age", "999999999"), "notes:read notes:write", func(r authorization.Request) bool { age, _ := r.MaxAge(); return age == 999999999*time.Second }},
		"claims are ignored":          {param("claims", "not even JSON"), "notes:read notes:write", nil},
		"must push, and did":          {func(a *asked) { a.mustPush, a.via = true, authorization.Pushed }, "notes:read notes:write", nil},
		"must push, and does":         {func(a *asked) { a.mustPush, a.via = true, authorization.Pushing }, "notes:read notes:write", nil},
		"pushed without client_id":    {both(without("client_id"), func(a *asked) { a.via = authorization.Pushing }), "notes:read notes:write", nil},
		"key by proof":                {func(a *asked) { a.thumbprint = jkt }, "notes:read notes:write", func(r authorization.Request) bool { return r.Thumbprint() == jkt }},
		"key by both":                 {both(param("dpop_jkt", jkt), func(a *asked) { a.thumbprint = jkt }), "notes:read notes:write", func(r authorization.Request) bool { return r.Thumbprint() == jkt }},
		"query, said":                 {param("response_mode", "query"), "notes:read notes:write", nil},
		"form_post on loopback":       {both(param("response_mode", "form_post"), param("redirect_uri", "http://127.0.0.1:9/cb")), "notes:read notes:write", nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			c.change(a)
			r := mustParse(t, a)
			if got := strings.Join(r.Scopes(), " "); got != c.scopes || c.also != nil && !c.also(r) {
				t.Errorf("scopes %q of %+v", got, r)
			}
		})
	}
}

// A caller that leaves out what a request is judged by is told so; nothing passes for want of it.
func TestParseNeeds(t *testing.T) {
	tenant := picture(t)
	nameless := *tenant
	nameless.Issuer = ""
	for name, c := range map[string]change{
		"no tenant": func(a *asked) { a.tenant = nil },
		"no issuer": func(a *asked) { a.tenant = &nameless },
		"no time":   func(a *asked) { a.now = time.Time{} },
		"no way":    func(a *asked) { a.via = 0 },
		"other way": func(a *asked) { a.via = 9 },
	} {
		a := valid(tenant)
		c(a)
		if _, err := a.parse(t); err == nil || oauth.AsError(err).Code != oauth.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
}
