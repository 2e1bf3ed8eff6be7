package cimd_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestRulesValidate(t *testing.T) {
	for _, r := range []cimd.Rules{
		{},
		{Mode: cimd.ModeOff},
		{Mode: cimd.ModeRegistered},
		{Mode: cimd.ModeOpen},
		rules(),
		{Mode: cimd.ModeHosts, Hosts: []string{"claude.ai", "*.example.co.uk"}},
	} {
		if err := r.Validate(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := (cimd.Rules{Mode: "everyone"}).Validate(); err == nil {
		t.Error("a mode that does not exist is fine")
	}
	for _, host := range []string{
		"", "*", "*.", "*.com", ".example.com", "*example.com", "a.*.example.com", "App.example.com", "app.example.com.", "localhost",
		"https://app.example.com", "app.example.com/x", "app.example.com:443", "10.0.0.1", "[::1]", "*.*.example.com", "intranet",
	} {
		if err := (cimd.Rules{Mode: cimd.ModeHosts, Hosts: []string{host}}).Validate(); err == nil {
			t.Errorf("host %q is fine", host)
		}
	}
}

// Which hosts may name clients; nothing is fetched for the others.
func TestRulesHosts(t *testing.T) {
	at := func(host string) string { return "https://" + host + "/oauth/client.json" }
	for name, c := range map[string]struct {
		mode     cimd.Mode
		hosts    []string
		clientID string
		want     oauth.Code
	}{
		"listed":               {cimd.ModeHosts, []string{"app.example.com"}, at("app.example.com"), ""},
		"below a suffix":       {cimd.ModeHosts, []string{"*.example.com"}, at("app.example.com"), ""},
		"far below":            {cimd.ModeHosts, []string{"*.example.com"}, at("a.b.c.example.com"), ""},
		"the suffix itself":    {cimd.ModeHosts, []string{"*.example.com"}, at("example.com"), oauth.CodeCIMDHostUnlisted},
		"half a label":         {cimd.ModeHosts, []string{"*.example.com"}, at("badexample.com"), oauth.CodeCIMDHostUnlisted},
		"ends as the listed":   {cimd.ModeHosts, []string{"example.com"}, at("app.example.com"), oauth.CodeCIMDHostUnlisted},
		"begins as the listed": {cimd.ModeHosts, []string{"app.example.com"}, at("app.example.com.evil.example"), oauth.CodeCIMDHostUnlisted},
		"in the path":          {cimd.ModeHosts, []string{"app.example.com"}, "https://evil.example/app.example.com/c", oauth.CodeCIMDHostUnlisted},
		"no list":              {cimd.ModeHosts, nil, at("app.example.com"), oauth.CodeCIMDHostUnlisted},
		"everything":           {cimd.ModeHosts, []string{"*"}, at("app.example.com"), oauth.CodeCIMDHostUnlisted},
		"every .com":           {cimd.ModeHosts, []string{"*.com"}, at("example.com"), oauth.CodeCIMDHostUnlisted},
		"an empty entry":       {cimd.ModeHosts, []string{""}, at("app.example.com"), oauth.CodeCIMDHostUnlisted},
		"off":                  {cimd.ModeOff, []string{"app.example.com"}, at("app.example.com"), oauth.CodeCIMDOff},
		"registered":           {cimd.ModeRegistered, []string{"app.example.com"}, at("app.example.com"), oauth.CodeCIMDOff},
		"absent":               {"", []string{"app.example.com"}, at("app.example.com"), oauth.CodeCIMDOff},
		"unknown":              {"Hosts", []string{"app.example.com"}, at("app.example.com"), oauth.CodeCIMDOff},
		"open in production":   {cimd.ModeOpen, []string{"app.example.com"}, at("app.example.com"), oauth.CodeCIMDOff},
		"loopback":             {cimd.ModeHosts, []string{"localhost", "127.0.0.1"}, "http://localhost/client", oauth.CodeCIMDURLMalformed},
		"no URL":               {cimd.ModeHosts, []string{"app.example.com"}, "claude", oauth.CodeCIMDURLMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			door := serving(t, with(members(), "client_id", c.clientID))
			s := source(t, door, newClock().Now)
			got, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: c.mode, Hosts: c.hosts}, c.clientID)
			if code(t, err) != c.want {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if c.want == "" && got.Name != got.Document.URL().Host() || c.want != "" && got != nil {
				t.Errorf("client %+v", got)
			}
			if fetched := door.fetches(); (c.want == "") != (fetched == 1) {
				t.Errorf("%d fetches", fetched)
			}
		})
	}
}

func TestOpenInDevelopment(t *testing.T) {
	dev := func(c *cimd.Config) { c.Dev = true }
	for clientID, private := range map[string]bool{
		"https://anything.example/client.json": false, "http://localhost:9000/client": true, "https://127.0.0.1:9000/client": true,
	} {
		door := serving(t, with(members(), "client_id", clientID))
		s := source(t, door, newClock().Now, dev)
		if _, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeOpen}, clientID); err != nil {
			t.Errorf("%s: %v", clientID, err)
			continue
		}
		if door.seen[0].AllowPrivateAddresses != private {
			t.Errorf("%s: private addresses allowed: %v", clientID, !private)
		}
		// A list of hosts counts in development too, and has no loopback.
		strict := cimd.Rules{Mode: cimd.ModeHosts, Hosts: []string{"app.example.com"}}
		if _, err := s.Get(t.Context(), acme(), strict, clientID); err == nil {
			t.Errorf("%s passed a list that does not have it", clientID)
		}
	}
}

// The tenant's ceilings are all that such a client gets, whatever it says of itself.
func TestCeilings(t *testing.T) {
	m := confidential(t)
	m["scope"] = "admin notes:write"
	m["grant_types"] = []any{
		"authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:device_code",
	}
	m["plan"], m["resources"], m["environment"] = "enterprise", []any{"vault"}, "production"
	door := serving(t, m)
	s := source(t, door, newClock().Now)
	got := get(t, s)
	switch {
	case got.Type != client.Confidential, got.Auth.Method != client.MethodPrivateKeyJWT, got.Auth.Keys.Issuer != address, len(got.Auth.Keys.Inline) == 0,
		len(got.Auth.Secrets) != 0, got.ClientID != address, got.Name != "app.example.com", got.DisplayName != "Notes Agent", got.Disabled,
		len(got.GrantTypes) != 1 || got.GrantTypes[0] != "authorization_code",
		len(got.Scopes) != 1 || got.Scopes[0] != "notes:read", len(got.Resources) != 1 || got.Resources[0] != "notes",
		got.Plan != "", got.Environment != "", got.Stale:
		t.Errorf("client %+v", got.Client)
	}
	for _, grant := range []string{oauth.GrantTypeJWTBearer, oauth.GrantTypeJWTDPoP, oauth.GrantTypeClientCredentials} {
		if got.MayUse(grant) {
			t.Errorf("may use %s", grant)
		}
	}

	// Absent lists allow nothing, at once: the rules are those of the request.
	bare := rules()
	bare.Scopes, bare.Resources = nil, nil
	poor, err := s.Get(t.Context(), acme(), bare, address)
	if err != nil || len(poor.Scopes) != 0 || len(poor.Resources) != 0 {
		t.Errorf("without lists: %+v, %v", poor, err)
	}
	gone := rules()
	gone.Hosts = nil
	if _, err := s.Get(t.Context(), acme(), gone, address); code(t, err) != oauth.CodeCIMDHostUnlisted {
		t.Errorf("a host that was taken off the list: %v", err)
	}
	// What one caller does to its lists is nobody else's.
	got.Scopes[0], got.RedirectURIs[0], got.GrantTypes[0] = "admin", "https://evil.example/", oauth.GrantTypeJWTBearer
	again := get(t, s)
	if again.Scopes[0] != "notes:read" || again.RedirectURIs[0] != "https://app.example.com/callback" || again.MayUse(oauth.GrantTypeJWTBearer) {
		t.Errorf("changed by another: %+v", again.Client)
	}
	if door.fetches() != 1 {
		t.Errorf("%d fetches", door.fetches())
	}
}

func TestPublicClient(t *testing.T) {
	m := without(with(members(), "dpop_bound_access_tokens", true), "client_name")
	m["jwks"] = map[string]any{"keys": []any{publicKey(t, "x")}} // not what it authenticates with
	got := get(t, source(t, serving(t, m), newClock().Now))
	if got.Type != client.Public || got.Auth.Method != client.MethodNone || got.Auth.Keys.Inline != nil || got.Auth.Keys.URI != "" ||
		!got.RequireDPoP || got.DisplayName != "app.example.com" {
		t.Errorf("client %+v", got.Client)
	}
}

func TestKeysElsewhere(t *testing.T) {
	m := with(without(confidential(t), "jwks"), "jwks_uri", "https://keys.example.com/set")
	got := get(t, source(t, serving(t, m), newClock().Now, func(c *cimd.Config) { c.Network.AllowPrivateAddresses = true }))
	if k := got.Auth.Keys; k.URI != "https://keys.example.com/set" || k.Inline != nil || k.Network.AllowPrivateAddresses {
		t.Errorf("keys %+v", k)
	}
}

// A client is known by the same uid everywhere, and no two share one.
func TestUID(t *testing.T) {
	first := get(t, source(t, serving(t, members()), newClock().Now))
	second := get(t, source(t, serving(t, confidential(t)), newClock().Now))
	other := "https://x.agents.example.net/c"
	third, err := source(t, serving(t, with(members(), "client_id", other)), newClock().Now).Get(t.Context(), acme(), rules(), other)
	if err != nil {
		t.Fatal(err)
	}
	if first.UID == "" || first.UID != second.UID || first.UID == third.UID {
		t.Errorf("uids %q, %q, %q", first.UID, second.UID, third.UID)
	}
}

func TestNoTenant(t *testing.T) {
	s := source(t, serving(t, members()), newClock().Now)
	if _, err := s.Get(t.Context(), tenant.UID{}, rules(), address); code(t, err) != oauth.CodeInternal {
		t.Errorf("for no tenant: %v", err)
	}
}
