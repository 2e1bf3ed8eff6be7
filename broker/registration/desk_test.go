package registration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// TestRegister: the answer says what holds, and has each credential this once (RFC 7591 §3.2.1).
func TestRegister(t *testing.T) {
	o := newOffice(t)
	made := o.come(t, with(said(), "token_endpoint_auth_method", "client_secret_basic"))
	id, secret, access := text(t, made, "client_id"), text(t, made, "client_secret"), text(t, made, "registration_access_token")
	if !registration.IsClientID(id) || !strings.HasPrefix(secret, "chs_") || !strings.HasPrefix(access, registration.AccessPrefix) {
		t.Errorf("%v", made)
	}
	if made["client_secret_expires_at"] != 0.0 || made["client_id_issued_at"] != float64(o.at.Unix()) || made["scope"] != "notes:read" ||
		made["registration_client_uri"] != "https://id.acme.com/register/"+id || made["application_type"] != "native" {
		t.Errorf("%v", made)
	}
	kept := o.shelf.clients[id]
	if kept.Secret == nil || strings.Contains(fmt.Sprintf("%s %x", kept.Access, kept.Access), access) || len(o.shelf.events) != 1 || o.shelf.events[0].Type != audit.TypeClientRegistered {
		t.Errorf("%+v %v", kept, o.shelf.events)
	}
	leaks(t, o, secret, access)
	if !slices.Equal(o.changed, []string{id}) {
		t.Errorf("told of %v", o.changed)
	}

	public := o.come(t, said())
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if _, there := public[name]; there {
			t.Errorf("a public client has %s", name)
		}
	}
	if defaults := o.come(t, members{"redirect_uris": []any{"http://localhost/cb"}}); defaults["token_endpoint_auth_method"] != "client_secret_basic" ||
		fmt.Sprint(defaults["grant_types"]) != "[authorization_code]" || fmt.Sprint(defaults["response_types"]) != "[code]" {
		t.Errorf("RFC 7591 §2: %v", defaults)
	}
}

// TestGrantTypesAreFew: whatever a client lists, it is given no grant in which it would speak for itself or for others.
func TestGrantTypesAreFew(t *testing.T) {
	o := newOffice(t)
	for _, grant := range []string{
		"client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-dpop",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange", "implicit", "password",
	} {
		made := o.come(t, with(said(), "grant_types", []any{"authorization_code", grant}))
		if got := fmt.Sprint(made["grant_types"]); got != "[authorization_code]" {
			t.Errorf("%s: %s", grant, got)
		}
		_, err := o.Register(t.Context(), o.request(t, with(said(), "grant_types", []any{grant})))
		wantCode(t, err, oauth.CodeRegistrationGrantTypes)
		o.shelf.clients = map[string]registration.Record{}
	}
	device := o.come(t, members{"grant_types": []any{"urn:ietf:params:oauth:grant-type:device_code"}, "token_endpoint_auth_method": "none"})
	if fmt.Sprint(device["response_types"]) != "[]" {
		t.Errorf("%v", device)
	}
}

// TestWhatIsRefused breaks one thing each.
func TestWhatIsRefused(t *testing.T) {
	key := members{"kty": "EC", "crv": "P-256", "kid": "1", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
	keys := members{"keys": []any{key}}
	private := members{"keys": []any{with(key, "d", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")}}
	signing := with(said(), "token_endpoint_auth_method", "private_key_jwt")
	for name, c := range map[string]struct {
		said members
		code oauth.Code
	}{
		"no redirect URIs":       {without(said(), "redirect_uris"), oauth.CodeRegistrationRedirectURI},
		"none listed":            {with(said(), "redirect_uris", []any{}), oauth.CodeRegistrationRedirectURI},
		"51":                     {with(said(), "redirect_uris", slices.Repeat([]any{"http://localhost/"}, 51)), oauth.CodeRegistrationRedirectURI},
		"a number":               {with(said(), "redirect_uris", []any{1}), oauth.CodeRegistrationMalformed},
		"a string":               {with(said(), "redirect_uris", "http://localhost/"), oauth.CodeRegistrationMalformed},
		"another case":           {with(said(), "Redirect_Uris", []any{}), oauth.CodeRegistrationMalformed},
		"refresh alone":          {with(said(), "grant_types", []any{"refresh_token"}), oauth.CodeRegistrationGrantTypes},
		"implicit":               {with(said(), "response_types", []any{"token"}), oauth.CodeRegistrationResponseTypes},
		"tls":                    {with(said(), "token_endpoint_auth_method", "tls_client_auth"), oauth.CodeRegistrationAuthMethod},
		"empty method":           {with(said(), "token_endpoint_auth_method", ""), oauth.CodeRegistrationAuthMethod},
		"null method":            {with(said(), "token_endpoint_auth_method", nil), oauth.CodeRegistrationMalformed},
		"HS256":                  {with(said(), "token_endpoint_auth_signing_alg", "HS256"), oauth.CodeRegistrationAuthMethod},
		"no keys":                {signing, oauth.CodeRegistrationKeys},
		"both places of keys":    {with(with(signing, "jwks", keys), "jwks_uri", "https://claude.ai/jwks"), oauth.CodeRegistrationKeys},
		"private key":            {with(signing, "jwks", private), oauth.CodeRegistrationKeys},
		"no key in the set":      {with(signing, "jwks", members{"keys": []any{}}), oauth.CodeRegistrationKeys},
		"keys of a public one":   {with(said(), "jwks", keys), oauth.CodeRegistrationKeys},
		"keys at an address":     {with(signing, "jwks_uri", "https://169.254.169.254/"), oauth.CodeRegistrationMetadata},
		"keys by http":           {with(signing, "jwks_uri", "http://claude.ai/jwks"), oauth.CodeRegistrationMetadata},
		"keys at another port":   {with(signing, "jwks_uri", "https://claude.ai:8443/jwks"), oauth.CodeRegistrationMetadata},
		"logo on loopback":       {with(said(), "logo_uri", "https://localhost/logo"), oauth.CodeRegistrationMetadata},
		"script for a page":      {with(said(), "policy_uri", "javascript:alert(1)"), oauth.CodeRegistrationMetadata},
		"name of nothing":        {with(said(), "client_name", "\u200b\u202e"), oauth.CodeRegistrationMetadata},
		"long name":              {with(said(), "client_name", strings.Repeat("x", 129)), oauth.CodeRegistrationMetadata},
		"type of application":    {with(said(), "application_type", "service"), oauth.CodeRegistrationMetadata},
		"statement of nobody":    {with(said(), "software_statement", "e30.e30.c2ln"), oauth.CodeSoftwareStatementUnapproved},
		"statement that is none": {with(said(), "software_statement", "hello"), oauth.CodeSoftwareStatementInvalid},
		"null statement":         {with(said(), "software_statement", nil), oauth.CodeSoftwareStatementInvalid},
		"DPoP of yes":            {with(said(), "dpop_bound_access_tokens", "yes"), oauth.CodeRegistrationMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			_, err := o.Register(t.Context(), o.request(t, c.said))
			wantCode(t, err, c.code)
			if len(o.shelf.clients) != 0 || len(o.lane.events) != 1 || o.lane.events[0].Code != string(c.code) {
				t.Errorf("%v %v", o.shelf.clients, o.lane.events)
			}
		})
	}
	o := newOffice(t)
	if made := o.come(t, with(signing, "jwks", keys)); made["token_endpoint_auth_method"] != "private_key_jwt" {
		t.Errorf("%v", made)
	}
	o.come(t, with(with(said(), "scope", "everything"), "x_unknown", members{"a": 1})) // RFC 7591 §2: ignored
	for name, body := range map[string]string{"no JSON": "x", "a list": "[]", "duplicates": `{"client_name":"a","client_name":"b"}`, "nothing": ""} {
		r := o.request(t, said())
		r.Body = []byte(body)
		_, err := o.Register(t.Context(), r)
		wantCode(t, err, oauth.CodeRegistrationMalformed)
		_ = name
	}
	r := o.request(t, said())
	r.Body = []byte(strings.Repeat(" ", registration.MaxBody+1))
	_, err := o.Register(t.Context(), r)
	wantCode(t, err, oauth.CodeBodyTooLarge)
}

// TestWhoMayRegister: nobody unless the tenant says so; and what is absent says nothing.
func TestWhoMayRegister(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*office, *registration.Request)
		code   oauth.Code
	}{
		"off":           {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.Mode = snapshot.DynamicOff }, oauth.CodeRegistrationOff},
		"absent":        {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.Mode = "" }, oauth.CodeRegistrationOff},
		"no bound":      {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.MaxClients = 0 }, oauth.CodeRegistrationOff},
		"no lifetime":   {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.Lifetime = 0 }, oauth.CodeRegistrationOff},
		"without token": {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.Mode = snapshot.DynamicToken }, oauth.CodeRegistrationTokenMissing},
		"another kind": {func(o *office, r *registration.Request) {
			o.tenant.Registration.Dynamic.Mode = snapshot.DynamicToken
			r.Bearer = "rat_x"
		}, oauth.CodeRegistrationTokenInvalid},
		"guessed": {func(o *office, r *registration.Request) {
			o.tenant.Registration.Dynamic.Mode = snapshot.DynamicToken
			r.Bearer = "iat_x"
		}, oauth.CodeRegistrationTokenInvalid},
		"guessed, where none is needed": {func(_ *office, r *registration.Request) { r.Bearer = "iat_x" }, oauth.CodeRegistrationTokenInvalid},
		"full":                          {func(o *office, _ *registration.Request) { o.tenant.Registration.Dynamic.MaxClients = 1 }, oauth.CodeRegistrationFull},
		"too fast":                      {func(o *office, _ *registration.Request) { o.budget.left = 0 }, oauth.CodeAddressRateExceeded},
		"database away":                 {func(o *office, _ *registration.Request) { o.shelf.err = errors.New("reset") }, oauth.CodeTenantUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.come(t, said())
			r := o.request(t, said())
			c.change(o, &r)
			_, err := o.Register(t.Context(), r)
			wantCode(t, err, c.code)
		})
	}
}

// TestInitialAccessTokens count as often, and as long, as they were made for.
func TestInitialAccessTokens(t *testing.T) {
	o := newOffice(t)
	o.tenant.Registration.Dynamic.Mode = snapshot.DynamicToken
	by := registration.By{Principal: audit.Principal{Kind: "admin", Name: "ida"}, Trace: "trc_2"}
	made, token, err := o.Invite(t.Context(), o.tenant.UID, registration.Order{Uses: 2, Lifetime: time.Hour, Note: "pilot"}, by)
	if err != nil || !strings.HasPrefix(token.Reveal(), registration.InitialPrefix) || strings.Contains(fmt.Sprintf("%v %+v", token, made), token.Reveal()) {
		t.Fatalf("%v %v", made, err)
	}
	r := o.request(t, said())
	r.Bearer = token.Reveal()
	for range 2 {
		if _, err := o.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	_, err = o.Register(t.Context(), r)
	wantCode(t, err, oauth.CodeRegistrationTokenInvalid)
	for id, c := range o.shelf.clients {
		if c.TokenID != made.ID {
			t.Errorf("%s came by %q", id, c.TokenID)
		}
	}
	leaks(t, o, token.Reveal())

	late, lateToken, err := o.Invite(t.Context(), o.tenant.UID, registration.Order{}, by)
	if err != nil || late.Uses != 1 || late.ExpiresAt != o.at.Add(registration.DefaultInitialLifetime) {
		t.Fatalf("%+v %v", late, err)
	}
	o.at = late.ExpiresAt
	r.Bearer = lateToken.Reveal()
	_, err = o.Register(t.Context(), r)
	wantCode(t, err, oauth.CodeRegistrationTokenInvalid)
	if alive, err := o.Invitations(t.Context(), o.tenant.UID); err != nil || len(alive) != 0 {
		t.Errorf("%v %v", alive, err)
	}

	gone, goneToken, err := o.Invite(t.Context(), o.tenant.UID, registration.Order{}, by)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Uninvite(t.Context(), o.tenant.UID, gone.ID, by); err != nil {
		t.Fatal(err)
	}
	r.Bearer = goneToken.Reveal()
	_, err = o.Register(t.Context(), r)
	wantCode(t, err, oauth.CodeRegistrationTokenInvalid)
	if err := o.Uninvite(t.Context(), o.tenant.UID, gone.ID, by); !errors.Is(err, registration.ErrUnknown) {
		t.Errorf("twice: %v", err)
	}
	for _, order := range []registration.Order{{Uses: -1}, {Uses: registration.MaxInitialUses + 1}, {Lifetime: time.Second}, {Lifetime: 91 * 24 * time.Hour}, {Note: strings.Repeat("x", 129)}} {
		if _, _, err := o.Invite(t.Context(), o.tenant.UID, order, by); !errors.Is(err, registration.ErrInitial) {
			t.Errorf("%+v: %v", order, err)
		}
	}
}

// TestRead shows what holds, and no credential (RFC 7592 §2.1).
func TestRead(t *testing.T) {
	o := newOffice(t)
	made := o.come(t, with(said(), "token_endpoint_auth_method", "client_secret_post"))
	body, err := o.Read(t.Context(), o.own(t, nil, made))
	shown := decoded(t, body, err)
	if shown["client_id"] != made["client_id"] || shown["client_secret"] != nil || shown["registration_access_token"] != nil || shown["client_name"] != "Notes agent" {
		t.Errorf("%v", shown)
	}
}

// TestOwnOnly: whatever is wrong with the credential, or the client, the answer is one (RFC 7592 §2.1).
func TestOwnOnly(t *testing.T) {
	o := newOffice(t)
	made, other := o.come(t, said()), o.come(t, said())
	for name, c := range map[string]struct {
		change func(*registration.Request)
		code   oauth.Code
	}{
		"none":           {func(r *registration.Request) { r.Bearer = "" }, oauth.CodeRegistrationTokenMissing},
		"another's":      {func(r *registration.Request) { r.Bearer = text(t, other, "registration_access_token") }, oauth.CodeRegistrationTokenInvalid},
		"cut":            {func(r *registration.Request) { r.Bearer = r.Bearer[:len(r.Bearer)-1] }, oauth.CodeRegistrationTokenInvalid},
		"longer":         {func(r *registration.Request) { r.Bearer += "x" }, oauth.CodeRegistrationTokenInvalid},
		"another case":   {func(r *registration.Request) { r.Bearer = strings.ToUpper(r.Bearer) }, oauth.CodeRegistrationTokenInvalid},
		"another client": {func(r *registration.Request) { r.ClientID = text(t, other, "client_id") }, oauth.CodeRegistrationTokenInvalid},
		"no client":      {func(r *registration.Request) { r.ClientID = "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G" }, oauth.CodeRegistrationTokenInvalid},
		"no client_id":   {func(r *registration.Request) { r.ClientID = "claude" }, oauth.CodeRegistrationTokenInvalid},
	} {
		r := o.own(t, with(said(), "client_id", made["client_id"]), made)
		c.change(&r)
		t.Run(name, func(t *testing.T) {
			_, err := o.Read(t.Context(), r)
			wantCode(t, err, c.code)
			_, err = o.Replace(t.Context(), r)
			wantCode(t, err, c.code)
			wantCode(t, o.Remove(t.Context(), r), c.code)
		})
	}
	o.tenant.Registration.Dynamic.Mode = snapshot.DynamicOff
	_, err := o.Read(t.Context(), o.own(t, nil, made))
	wantCode(t, err, oauth.CodeRegistrationOff)
	if len(o.shelf.clients) != 2 {
		t.Errorf("%d clients are left", len(o.shelf.clients))
	}
}

// TestReplace writes all anew; the former registration access token is worth nothing from then on (RFC 7592 §2.2).
func TestReplace(t *testing.T) {
	o := newOffice(t)
	made := o.come(t, said())
	changed := with(with(said(), "client_id", made["client_id"]), "token_endpoint_auth_method", "client_secret_basic")
	body, err := o.Replace(t.Context(), o.own(t, without(changed, "client_name"), made))
	now := decoded(t, body, err)
	if now["client_name"] != nil || now["client_id"] != made["client_id"] || now["registration_access_token"] == made["registration_access_token"] {
		t.Errorf("%v", now)
	}
	secret := text(t, now, "client_secret")
	_, err = o.Read(t.Context(), o.own(t, nil, made))
	wantCode(t, err, oauth.CodeRegistrationTokenInvalid)
	if !contains(o.shelf.events, audit.TypeRegistrationChanged) || o.shelf.version != 1 || len(o.changed) != 2 {
		t.Errorf("%v %d %v", o.shelf.events, o.shelf.version, o.changed)
	}
	// The secret stays, and is not shown again; sent along, it must be the one.
	body, err = o.Replace(t.Context(), o.own(t, with(changed, "client_secret", secret), now))
	again := decoded(t, body, err)
	if again["client_secret"] != nil || o.shelf.clients[text(t, made, "client_id")].Secret == nil {
		t.Errorf("%v", again)
	}
	for name, m := range map[string]members{
		"another client":     with(changed, "client_id", "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G"),
		"a URL":              with(changed, "client_id", "https://claude.ai/client.json"),
		"no client_id":       without(changed, "client_id"),
		"another secret":     with(changed, "client_secret", secret+"x"),
		"token of the body":  with(changed, "registration_access_token", "rat_mine"),
		"place of the body":  with(changed, "registration_client_uri", "https://evil.example/"),
		"time of the issue":  with(changed, "client_id_issued_at", 1),
		"end of the secret":  with(changed, "client_secret_expires_at", 0),
		"null client_secret": with(changed, "client_secret", nil),
	} {
		_, err := o.Replace(t.Context(), o.own(t, m, again))
		if refusal := oauth.AsError(err); err == nil || refusal.Code != oauth.CodeRegistrationClientMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = o.Replace(t.Context(), o.own(t, with(changed, "redirect_uris", []any{"https://evil.example/"}), again))
	wantCode(t, err, oauth.CodeRegistrationRedirectHost)
}

// TestRemove: once.
func TestRemove(t *testing.T) {
	o := newOffice(t)
	made := o.come(t, said())
	r := o.own(t, nil, made)
	if err := o.Remove(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if len(o.shelf.clients) != 0 || !contains(o.shelf.events, audit.TypeRegistrationRemoved) {
		t.Errorf("%v", o.shelf.events)
	}
	wantCode(t, o.Remove(t.Context(), r), oauth.CodeRegistrationTokenInvalid)
}

// TestSweep takes what nobody used, and nothing else.
func TestSweep(t *testing.T) {
	o := newOffice(t)
	old := text(t, o.come(t, said()), "client_id")
	o.at = o.at.Add(60 * 24 * time.Hour)
	young := text(t, o.come(t, said()), "client_id")
	o.at = o.at.Add(31 * 24 * time.Hour)
	if n, err := o.Sweep(t.Context(), o.tenant.UID, 90*24*time.Hour); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	if _, there := o.shelf.clients[young]; !there || len(o.shelf.clients) != 1 || !slices.Contains(o.changed, old) {
		t.Errorf("%v", o.shelf.clients)
	}
	if n, err := o.Sweep(t.Context(), o.tenant.UID, 0); err != nil || n != 0 {
		t.Errorf("without a lifetime: %d %v", n, err)
	}
}
