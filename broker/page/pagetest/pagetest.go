// Package pagetest has a sample of every page, in the states that a person can meet,
// for the tests of the pages and for looking at them in a browser.
//
// It is for tests only, and knows nothing but the pages.
package pagetest

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
)

// Renderer is what every model is.
type Renderer interface {
	Render(page.Frame) (page.Page, error)
}

// Sample is a page in one state.
type Sample struct {
	Name  string
	Model Renderer
	Frame page.Frame
}

// Trace is the id of a request that there was not.
const Trace = "trc_01JD6Z8Q4V3W2X1Y0ZABCDEFGH"

var (
	company  = page.Client{Name: "Claude Code", Vouch: page.VouchCompany}
	document = page.Client{Name: "Claude", Vouch: page.VouchDocument, Host: "claude.ai"}
	stranger = page.Client{Name: "Acme Identity Portal", Vouch: page.VouchNobody}
	alice    = page.Person{Name: "Alice Adams", Email: "alice@acme.example", IdP: "Okta"}
	notes    = page.Resource{Name: "Team notes", URI: "https://mcp.acme.example/notes"}
	reading  = page.Scope{Name: "notes:read", Description: "Read your notes and those shared with you", Risk: "low"}
	writing  = page.Scope{Name: "notes:write", Description: "Change and delete notes in your name", Risk: "high"}
	sharing  = page.Scope{Name: "notes:share", Description: "Share notes with people in your company", Risk: "medium"}
	offline  = page.Scope{Name: "offline_access"}
	then     = time.Date(2026, time.November, 21, 9, 30, 0, 0, time.UTC)
)

// token is bound to nothing.
const token = "of-a-sample"

// Samples lists every page; each kind of page at least once.
func Samples() []Sample {
	own := page.Frame{Trace: Trace}
	acme := page.Frame{Trace: Trace, Brand: acme()}
	long := strings.Repeat("Donaudampfschifffahrtsgesellschaft", 3)
	idps := []page.IdP{{Name: "okta", Title: "Okta"}, {Name: "entra", Title: "Microsoft Entra"}, {Name: "partners", Title: "Partners"}}
	return []Sample{
		{"signin", page.SignIn{Action: "/signin", Token: token, For: company.Title(), IdPs: idps, ByEmail: true}, acme},
		{"signin-unknown", page.SignIn{Action: "/signin", Token: token, ByEmail: true, Email: "alice@elsewhere.example", Unknown: true}, own},
		{"signin-tiles", page.SignIn{Action: "/signin", Token: token, For: "claude.ai", IdPs: append(idps, page.IdP{Name: "long", Title: long})}, own},
		{"consent-company", page.Consent{
			Action: "/consent", Token: token, Client: company, RedirectURI: "https://agents.acme.example/callback", Person: alice, Switch: "/signin",
			Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading, writing, sharing, offline}}}, Remembered: true,
		}, acme},
		{"consent-document", page.Consent{
			Action: "/consent", Token: token, Client: document, RedirectURI: "https://claude.com/api/mcp/auth_callback", Person: alice, Switch: "/signin",
			Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading, offline}}, {Scopes: []page.Scope{{Name: "openid"}, {Name: "email"}}}}, Remembered: true,
		}, own},
		{"consent-loopback", page.Consent{
			Action: "/consent", Token: token, Client: stranger, RedirectURI: "http://127.0.0.1:33418/callback", Person: alice,
			Access: []page.Access{{Resource: notes, Scopes: []page.Scope{writing, {Name: "notes:" + strings.Repeat("x", 90)}}}},
		}, own},
		{"consent-program", page.Consent{
			Action: "/consent", Token: token, Client: page.Client{Name: long, Vouch: page.VouchDocument, Host: "cursor.com"}, RedirectURI: "cursor://anysphere.cursor-mcp/oauth/callback",
			Person: page.Person{Name: long, IdP: "Microsoft Entra"}, Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading}}},
		}, acme},
		{"device", page.Device{Action: "/device", Token: token}, acme},
		{"device-wrong", page.Device{Action: "/device", Token: token, Code: "WDJB-MJHT", Wrong: true}, own},
		{"deviceconfirm", page.DeviceConfirm{
			Action: "/device", Token: token, Code: "WDJB-MJHT", Client: company, Person: alice, Switch: "/signin",
			Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading, writing}}},
		}, acme},
		{"finished", page.Finished{}, own},
		{"finished-denied", page.Finished{Denied: true}, own},
		{"finished-agent", page.Finished{Agent: true}, acme},
		{"finished-agent-denied", page.Finished{Agent: true, Denied: true}, own},
		{"passkey", page.Passkey{Action: "/passkeys/prove?then=%2Finteract%2F1", Token: token, Person: alice, Back: "/interact/1", Options: []byte(`{"publicKey":{"challenge":"AAAA","allowCredentials":[{"type":"public-key","id":"AQID"}],"userVerification":"required"}}`)}, acme},
		{"passkey-enrol", page.Passkey{
			Action: "/passkeys/new", Token: token, Person: alice, Enrol: true, Back: "/passkeys",
			Options: []byte(`{"publicKey":{"challenge":"AAAA","rp":{"id":"auth.acme.example","name":"</script><b>"},"user":{"id":"AQID","name":"a","displayName":"a"},"pubKeyCredParams":[{"type":"public-key","alg":-7}]}}`),
		}, own},
		{"passkeys", page.Passkeys{
			Action: "/passkeys", Token: token, Person: alice, Add: "/passkeys/new", Account: "/account",
			Passkeys: []page.OwnPasskey{{Key: "pky_1", Name: "My laptop", Added: then, Used: then.Add(time.Hour)}, {Key: "pky_2", Name: long, Added: then}},
		}, acme},
		{"passkeys-none", page.Passkeys{Action: "/passkeys", Token: token, Person: alice, Account: "/account"}, own},
		{"stepup", page.StepUp{
			Action: "/interact/1", Token: token, Client: company, Resource: notes, Person: alice, Stronger: true, MaxAge: 5 * time.Minute,
			Ways: []page.Way{{Name: "idp", Title: "Okta"}, {Name: "passkey", Own: page.ByPasskey}},
		}, acme},
		{"stepup-fresh", page.StepUp{
			Action: "/interact/1", Token: token, Client: document, MaxAge: time.Minute, Ways: []page.Way{{Name: "idp", Title: "Okta"}},
		}, own},
		{"approval", page.Approval{
			Action: "/interact/apr_1", List: "/approvals", Token: token, Client: company, For: page.Person{Name: "Bob Brown", Email: "bob@acme.example"},
			Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading, writing}}}, Group: "security", Lifetime: 10 * time.Minute, Until: then, Person: alice,
		}, acme},
		{"approval-itself", page.Approval{
			Action: "/interact/apr_1", List: "/approvals", Token: token, Client: stranger, Access: []page.Access{{Resource: notes, Scopes: []page.Scope{writing}}},
			Group: long, Lifetime: time.Second, Until: then, Person: alice,
		}, own},
		{"approval-mine", page.Approval{
			List: "/approvals", Client: company, For: alice, Access: []page.Access{{Resource: notes, Scopes: []page.Scope{writing}}},
			Group: "security", Lifetime: 10 * time.Minute, Until: then, Person: alice, Mine: true,
		}, acme},
		{"approval-others", page.Approval{
			List: "/approvals", Client: document, For: page.Person{Email: long}, Access: []page.Access{{Resource: notes, Scopes: []page.Scope{reading}}},
			Group: "legal", Lifetime: 10 * time.Minute, Until: then, Person: alice,
		}, own},
		{"answered", page.Answered{List: "/approvals"}, acme},
		{"answered-more", page.Answered{List: "/approvals", More: true}, own},
		{"answered-denied", page.Answered{List: "/approvals", Denied: true}, own},
		{"answered-settled", page.Answered{List: "/approvals", Settled: true}, own},
		{"approvals", page.Approvals{
			Account: "/account", Person: alice,
			Waiting: []page.Waiting{
				{Path: "/interact/apr_1", Client: company, For: page.Person{Name: "Bob Brown", Email: "bob@acme.example"}, Resource: "Team notes", Until: then},
				{Path: "/interact/apr_2", Client: stranger, Resource: long, Until: then},
			},
			Proposals: []page.Proposal{{Path: "/interact/prop_1", ID: "prop_1", Kind: "Policy", Name: "notes", Author: "bob@acme.example", Until: then}},
		}, acme},
		{"change", changed(page.Change{Action: "/interact/prop_1", Token: token, Hash: strings.Repeat("0a", 32)}), acme},
		{"change-mine", changed(page.Change{Mine: true}), own},
		{"change-partly", changed(page.Change{Partly: true, More: true}), own},
		{"change-stands", changed(page.Change{Stands: true}), own},
		{"change-deletes", page.Change{
			Action: "/interact/prop_2", List: "/approvals", Token: token, Hash: strings.Repeat("0b", 32), ID: "prop_2", Author: "token:ci", Until: then, Person: alice,
			Objects: []page.ChangedObject{{Kind: "IdentityProvider", Name: "okta", Deleted: true}},
		}, own},
		{"decided", page.Decided{List: "/approvals"}, acme},
		{"decided-denied", page.Decided{List: "/approvals", Denied: true}, own},
		{"decided-settled", page.Decided{List: "/approvals", Settled: true}, own},
		{"approvals-none", page.Approvals{Account: "/account", Person: alice}, own},
		{"failure", page.Failure{Code: oauth.CodeSignInExpired, Again: "/authorize"}, acme},
		{"failure-policy", page.Failure{Code: oauth.CodePolicyDenied}, own},
		{"signedout", page.SignedOut{IdP: "Okta", Return: "https://agents.acme.example/", Again: "/account"}, acme},
		{"signedout-plain", page.SignedOut{}, own},
		{"account", page.Account{
			Action: "/account", SignOut: "/end_session", Token: token, Person: alice, Passkeys: "/passkeys", Connections: "/connections",
			Sessions: []page.Session{
				{Key: "one", IdP: "Okta", Started: then, Seen: then.Add(time.Hour), Until: then.Add(8 * time.Hour), Current: true},
				{Key: "two", IdP: "Microsoft Entra", Started: then.Add(-time.Hour), Seen: then, Until: then.Add(7 * time.Hour)},
			},
			Grants: []page.Grant{
				{Key: "one", Client: company, Resource: notes, Scopes: []page.Scope{reading, writing}, Given: then, Used: then.Add(time.Hour)},
				{Key: "two", Client: document, Scopes: []page.Scope{{Name: "openid"}}, Given: then},
				{Key: "three", Client: stranger, Resource: notes, Scopes: []page.Scope{reading}, Given: then},
			},
			Links: []page.IdP{{Name: "partners", Title: "Partners"}},
		}, acme},
		{"account-empty", page.Account{
			Action: "/account", SignOut: "/end_session", Token: token, Person: alice,
			Sessions: []page.Session{{Key: "one", IdP: "Okta", Started: then, Seen: then, Until: then, Current: true}},
		}, own},
		{"connect", page.Connect{
			Action: "/interact/lnk_1", Token: token, Provider: "GitHub", Client: company, Asked: true, Person: alice,
			Scopes: []page.Scope{{Name: "repo:read"}, {Name: "issues:write", Description: "Write issues in your name"}},
		}, acme},
		{"connect-again", page.Connect{
			Action: "/connect/github", Token: token, Provider: long, Person: alice, Account: "alice-" + long, Again: true, Scopes: []page.Scope{{Name: "repo:" + strings.Repeat("x", 90)}},
		}, own},
		{"connect-key", page.Connect{Action: "/connect/weather", Token: token, Provider: "Weather", Person: alice, Entry: true}, acme},
		{"connect-basic", page.Connect{Action: "/connect/legacy", Token: token, Provider: "Legacy", Person: alice, Entry: true, User: true, Wrong: true}, own},
		{"connectconfirm", page.ConnectConfirm{
			Action: "/connect/github?arrived=1", Token: token, Provider: "GitHub", Account: "alice-adams", Person: alice, Client: stranger, Asked: true,
			Scopes: []page.Scope{{Name: "repo:read"}}, Missing: []page.Scope{{Name: "issues:write"}},
		}, acme},
		{"connectconfirm-another", page.ConnectConfirm{
			Action: "/connect/atlassian?arrived=1", Token: token, Provider: "Atlassian", Account: "bob@acme.example", Meant: "alice@acme.example", Person: alice,
			Sites: []page.Site{{ID: "1", Label: "https://acme.atlassian.example"}, {ID: "2", Label: "https://" + long + ".atlassian.example"}},
		}, own},
		{"connectconfirm-again", page.ConnectConfirm{Action: "/connect/github?arrived=1", Token: token, Provider: "GitHub", Account: "alice-adams", Again: true, Person: alice}, own},
		{"connectconfirm-unnamed", page.ConnectConfirm{Action: "/connect/weather?arrived=1", Token: token, Provider: "Weather", Others: []string{"alice-adams", long}, Person: alice}, acme},
		{"connections", page.Connections{
			Action: "/connections", Token: token, Person: alice, Account: "/account", Told: page.ToldWorks, About: "GitHub", Whose: "alice-adams",
			Connections: []page.Connection{
				{Key: "one", Provider: "GitHub", Account: "alice-adams", Scopes: []page.Scope{{Name: "repo:read"}}, State: page.StateConnected, Connected: then, Used: then.Add(time.Hour), UsedBy: "Claude Code", Reconnect: "/connect/github?account=1"},
				{Key: "two", Provider: "Slack", Account: long, State: page.StateReconnect, Connected: then, Reconnect: "/connect/slack?account=2"},
				{Key: "three", Provider: "Weather", State: page.StateHeld, Connected: then},
			},
			Offers: []page.Offer{{Title: "GitHub", Path: "/connect/github?another=yes"}, {Title: long, Path: "/connect/long"}},
		}, acme},
		{"connections-none", page.Connections{Action: "/connections", Token: token, Person: alice, Account: "/account", Told: page.ToldOnlyHere, About: "GitHub"}, own},
		{"confirm", page.Confirm{Action: "/confirm", Token: token, IdP: "Okta", Person: alice, Target: "Team notes"}, acme},
		{"answer", page.Answer{RedirectURI: "https://client.example/callback", Fields: []page.Field{{Name: "code", Value: "cod_1"}, {Name: "state", Value: "s"}, {Name: "iss", Value: "https://auth.acme.example"}}}, own},
		{"passage", page.Passage{URL: "https://idp.acme.example/saml/sso", Fields: []page.Field{{Name: "SAMLRequest", Value: "PHNhbWw+"}, {Name: "RelayState", Value: "r"}}}, own},
		{"signout", page.SignOut{Action: "/end_session", Token: token, Person: alice}, acme},
		{"onward", page.Onward{URL: "https://acme.okta.example/oauth2/v1/authorize?client_id=1&state=2"}, own},
	}
}

// acme is a tenant with a name, a logo and a colour of its own.
func acme() page.Brand {
	brand, err := page.NewBrand("Acme", Logo(), "#7a1fa2")
	if err != nil {
		panic(err)
	}
	return brand
}

// Logo is a picture of one ring, as PNG.
func Logo() []byte {
	const size = 72
	picture := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			if d := (x-size/2)*(x-size/2) + (y-size/2)*(y-size/2); d < 33*33 && d > 18*18 {
				picture.Set(x, y, color.NRGBA{0x7a, 0x1f, 0xa2, 0xff})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// changed is a change of a policy, and what it changes of who gets what.
func changed(m page.Change) page.Change {
	m.List, m.ID, m.Author, m.Note, m.Until, m.Person = "/approvals", "prop_1", "user:bob", "step-up for writers (SEC-112)", then, alice
	m.Objects = []page.ChangedObject{{
		Kind: "Policy", Name: "notes",
		Members: []page.ChangedMember{{Path: "spec.data.minutes", From: "15", To: "5"}, {Path: "spec.applies_to.actions", To: `["issue","refresh"]`}},
		Files: []page.ChangedFile{{Path: "modules.notes.rego", Lines: []string{
			" package chancery.authz", " ", "-decision := {\"allow\": true}", "+decision := {\"allow\": true, \"step_up\": {\"max_age\": 300}} if {", "+\t\"editors\" in input.user.group_names", "+\t# \u202e",
			"+}",
		}}},
	}}
	m.Access = []page.AccessChange{
		{Client: "claude", Resource: "notes", Group: "editors", From: page.Gets{Allowed: true, Scopes: []string{"notes:read"}}, To: page.Gets{Allowed: true, Scopes: []string{"notes:read", "notes:write"}, StepUp: true, Approval: true}},
		{Client: "claude", Resource: "notes", From: page.Gets{Allowed: true, Scopes: []string{"notes:read"}}},
		{Client: "nightly", Resource: "notes", Program: true, To: page.Gets{Allowed: true}},
	}
	return m
}
