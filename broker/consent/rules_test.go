package consent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shelf keeps consents in memory.
type shelf struct {
	kept  []consent.Consent
	uses  int
	fails error
}

func (s *shelf) Of(_ context.Context, t tenant.UID, user, clientUID string) ([]consent.Consent, error) {
	return slices.DeleteFunc(slices.Clone(s.kept), func(c consent.Consent) bool {
		return c.Tenant != t || c.UserUID != user || clientUID != "" && c.ClientUID != clientUID
	}), s.fails
}

func (s *shelf) Give(_ context.Context, given []consent.Consent, _ audit.Event) error {
	for _, one := range given {
		s.kept = append(slices.DeleteFunc(s.kept, func(c consent.Consent) bool { return c.ResourceUID == one.ResourceUID && c.ClientUID == one.ClientUID }), one)
	}
	return s.fails
}

func (s *shelf) Withdraw(context.Context, tenant.UID, string, string, string, audit.Event) error {
	return nil
}

func (s *shelf) Use(_ context.Context, used []consent.Consent) error {
	s.uses += len(used)
	for _, one := range used {
		at := slices.IndexFunc(s.kept, func(c consent.Consent) bool { return c.ResourceUID == one.ResourceUID && c.ClientUID == one.ClientUID })
		if at < 0 {
			s.kept = append(s.kept, one)
		} else {
			s.kept[at].UsedAt = one.UsedAt
		}
	}
	return nil
}

func uid(t *testing.T, text string) tenant.UID {
	t.Helper()
	u, err := tenant.ParseUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// question is one that may be remembered.
func question(t *testing.T) consent.Question {
	t.Helper()
	return consent.Question{
		Tenant:      &snapshot.Tenant{UID: uid(t, "ten_01JD6Z8Q4V3W2X1Y0ZABCDEFGH")},
		UserUID:     "usr_1",
		Client:      &client.Client{UID: "cli_1", ClientID: "agent", Name: "agent", DisplayName: "Agent", Origin: client.OriginCompany},
		RedirectURI: "https://agents.acme.com/callback",
		Parts: []consent.Part{
			{Resource: notes(), Scopes: []string{"notes:read", "notes:write"}},
			{Scopes: []string{"openid", "email"}},
		},
	}
}

func notes() *snapshot.Resource {
	return &snapshot.Resource{
		UID: "res_1", Name: "notes", URI: "https://mcp.acme.com/notes",
		Scopes: map[string]string{"notes:read": "Read notes", "notes:write": "Change notes", "notes:admin": "Everything"},
		Risk:   map[string]string{"notes:read": "low", "notes:write": "high"}, Implies: map[string][]string{"notes:write": {"notes:read"}},
	}
}

func rules(t *testing.T, s *shelf) *consent.Rules {
	t.Helper()
	r, err := consent.NewRules(s, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func asks(t *testing.T, r *consent.Rules, q consent.Question) bool {
	t.Helper()
	ruling, err := r.Rule(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return ruling.Ask
}

func given(t *testing.T, q consent.Question) (*shelf, *consent.Rules) {
	t.Helper()
	s := &shelf{}
	r := rules(t, s)
	if !asks(t, r, q) {
		t.Fatal("nobody was asked")
	}
	if err := r.Give(t.Context(), q, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	return s, r
}

// TestRemembered: what was agreed to is not asked again, nor a part of it.
func TestRemembered(t *testing.T) {
	q := question(t)
	_, r := given(t, q)
	if asks(t, r, q) {
		t.Error("asked again")
	}
	q.Parts = []consent.Part{{Resource: notes(), Scopes: []string{"notes:read"}}}
	if asks(t, r, q) {
		t.Error("asked again for less")
	}
	q.Parts = []consent.Part{{Resource: notes(), Scopes: []string{"notes:read", "notes:admin"}}}
	if !asks(t, r, q) {
		t.Error("not asked for more")
	}
	if err := r.Give(t.Context(), q, audit.Event{}); err != nil { // what meant the same before counts with it
		t.Fatal(err)
	}
	q.Parts[0].Scopes = []string{"notes:read", "notes:write", "notes:admin"}
	if asks(t, r, q) {
		t.Error("asked again for the union")
	}
}

// TestAsksAgain: another person, client, resource or tenant; another meaning of a scope; another place for the answer.
func TestAsksAgain(t *testing.T) {
	for name, change := range map[string]func(*consent.Question){
		"prompt":          func(q *consent.Question) { q.Prompt = true },
		"person":          func(q *consent.Question) { q.UserUID = "usr_2" },
		"client":          func(q *consent.Question) { q.Client.UID = "cli_2" },
		"tenant":          func(q *consent.Question) { q.Tenant.UID = uid(t, "ten_01JD6Z8Q4V3W2X1Y0ZABCDEFGJ") },
		"resource":        func(q *consent.Question) { q.Parts[0].Resource.UID = "res_2" },
		"resource's name": func(q *consent.Question) { q.Parts[0].Resource.Name = "wiki" },
		"resource's URI":  func(q *consent.Question) { q.Parts[0].Resource.URI = "https://mcp.acme.com/other" },
		"words":           func(q *consent.Question) { q.Parts[0].Resource.Scopes["notes:read"] = "Read and sell notes" },
		"risk":            func(q *consent.Question) { q.Parts[0].Resource.Risk["notes:read"] = "high" },
		"implied": func(q *consent.Question) {
			q.Parts[0].Resource.Implies["notes:write"] = []string{"notes:admin", "notes:read"}
		},
		"scope that went":  func(q *consent.Question) { delete(q.Parts[0].Resource.Scopes, "notes:write") },
		"client's name":    func(q *consent.Question) { q.Client.DisplayName = "Another" },
		"who vouches":      func(q *consent.Question) { q.Client.Origin, q.Client.Host = client.OriginDocument, "agents.acme.com" },
		"place":            func(q *consent.Question) { q.RedirectURI = "https://elsewhere.acme.com/callback" },
		"place, a path":    func(q *consent.Question) { q.RedirectURI = "https://agents.acme.com/~mallory/callback" },
		"place, loopback":  func(q *consent.Question) { q.RedirectURI = "http://127.0.0.1:1/callback" },
		"place, a program": func(q *consent.Question) { q.RedirectURI = "com.acme.agent:/callback" },
		"identity":         func(q *consent.Question) { q.Parts[1].Scopes = []string{"openid", "profile"} },
		"offline":          func(q *consent.Question) { q.Parts[0].Scopes = append(q.Parts[0].Scopes, "offline_access") },
	} {
		t.Run(name, func(t *testing.T) {
			_, r := given(t, question(t))
			q := question(t)
			change(&q)
			if !asks(t, r, q) {
				t.Error("not asked again")
			}
		})
	}
}

// TestKeysOfADocument: a document that names other keys is another client's, perhaps.
func TestKeysOfADocument(t *testing.T) {
	document := func() consent.Question {
		q := question(t)
		q.Client.Origin, q.Client.Host, q.Client.Auth.Method = client.OriginDocument, "agents.acme.com", client.MethodPrivateKeyJWT
		q.Client.Auth.Keys.URI = "https://agents.acme.com/keys"
		return q
	}
	for name, change := range map[string]func(*client.Auth){
		"none":       func(a *client.Auth) { a.Method = client.MethodNone },
		"elsewhere":  func(a *client.Auth) { a.Keys.URI = "https://elsewhere.acme.com/keys" },
		"in the doc": func(a *client.Auth) { a.Keys.URI, a.Keys.Inline = "", []byte(`{"keys":[]}`) },
	} {
		_, r := given(t, document())
		if q := document(); asks(t, r, q) {
			t.Fatal("asked again for nothing")
		}
		q := document()
		change(&q.Client.Auth)
		if !asks(t, r, q) {
			t.Errorf("%s: not asked again", name)
		}
	}
}

// TestSamePlace: a program on loopback listens on another port each time.
func TestSamePlace(t *testing.T) {
	q := question(t)
	q.RedirectURI = "http://127.0.0.1:4711/callback"
	_, r := given(t, q)
	q.RedirectURI = "http://127.0.0.1:4712/callback"
	if asks(t, r, q) {
		t.Error("asked again for a port")
	}
	if q.RedirectURI = "http://127.0.0.1:4712/other"; !asks(t, r, q) {
		t.Error("not asked again for a path")
	}
}

// TestNeverRemembered: clients that nobody vouches for (T40).
func TestNeverRemembered(t *testing.T) {
	for name, one := range map[string]struct {
		origin   client.Origin
		redirect string
		remember bool
	}{
		"dynamic":               {client.OriginDynamic, "https://agents.acme.com/callback", false},
		"dynamic on loopback":   {client.OriginDynamic, "http://127.0.0.1/callback", false},
		"document":              {client.OriginDocument, "https://agents.acme.com/callback", true},
		"document on loopback":  {client.OriginDocument, "http://localhost:1/callback", false},
		"document of a program": {client.OriginDocument, "com.acme:/callback", false},
		"company on loopback":   {client.OriginCompany, "http://127.0.0.1/callback", true},
		"company's program":     {client.OriginCompany, "com.acme:/callback", true},
		"nobody's":              {client.Origin(7), "https://agents.acme.com/callback", false},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(t)
			q.Client.Origin, q.RedirectURI = one.origin, one.redirect
			s, r := given(t, q)
			if ruling, err := r.Rule(t.Context(), q); err != nil || ruling.Ask == one.remember || ruling.Remember != one.remember {
				t.Errorf("%+v %v", ruling, err)
			}
			if len(s.kept) != 2 { // the person sees it on his account page all the same
				t.Errorf("kept %+v", s.kept)
			}
			q.Client.Approved = true
			if asks(t, r, q) != (one.origin != client.OriginCompany && !one.remember) {
				t.Error("approved by a company that does not vouch for it")
			}
		})
	}
}

func TestApproved(t *testing.T) {
	q := question(t)
	q.Client.Approved = true
	s := &shelf{}
	r := rules(t, s)
	if asks(t, r, q) {
		t.Error("asked although an administrator agreed")
	}
	if err := r.Used(t.Context(), q); err != nil || len(s.kept) != 2 || s.kept[0].Meaning != [32]byte{} || !s.kept[0].UsedAt.Equal(now) {
		t.Errorf("%+v %v", s.kept, err)
	}
	q.Client.Approved = false // what was seen of it is nobody's yes
	if !asks(t, r, q) {
		t.Error("not asked")
	}
	if err := r.Used(t.Context(), q); err != nil || s.uses != 2 {
		t.Errorf("noted %d times within a minute, %v", s.uses, err)
	}
}

func TestRuleFails(t *testing.T) {
	fails := errors.New("no database")
	r := rules(t, &shelf{fails: fails})
	if _, err := r.Rule(t.Context(), question(t)); !errors.Is(err, fails) {
		t.Errorf("%v", err)
	}
	for name, change := range map[string]func(*consent.Question){
		"nobody":     func(q *consent.Question) { q.UserUID = "" },
		"no client":  func(q *consent.Question) { q.Client = nil },
		"no place":   func(q *consent.Question) { q.RedirectURI = "" },
		"nothing":    func(q *consent.Question) { q.Parts = nil },
		"no scope":   func(q *consent.Question) { q.Parts[0].Scopes = nil },
		"no tenant":  func(q *consent.Question) { q.Tenant = nil },
		"no such":    func(q *consent.Question) { q.Tenant.UID = tenant.UID{} },
		"half a one": func(q *consent.Question) { q.Parts[0].Resource.UID = "" },
	} {
		q := question(t)
		change(&q)
		r := rules(t, &shelf{})
		if _, err := r.Rule(t.Context(), q); err == nil {
			t.Errorf("%s: ruled", name)
		}
		if err := r.Give(t.Context(), q, audit.Event{}); err == nil {
			t.Errorf("%s: given", name)
		}
	}
}
