package authorization_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// shelf keeps pushed requests in memory.
type shelf struct {
	sync.Mutex
	kept  map[tenant.UID]map[authorization.Handle]authorization.PushedRequest
	loose bool // gives whatever is there, to whom and whenever
	fail  error
}

func (s *shelf) Push(_ context.Context, t tenant.UID, h authorization.Handle, p authorization.PushedRequest) error {
	s.Lock()
	defer s.Unlock()
	if s.kept == nil {
		s.kept = map[tenant.UID]map[authorization.Handle]authorization.PushedRequest{}
	}
	if s.kept[t] == nil {
		s.kept[t] = map[authorization.Handle]authorization.PushedRequest{}
	}
	s.kept[t][h] = p
	return s.fail
}

func (s *shelf) Take(_ context.Context, t tenant.UID, h authorization.Handle, clientUID string, now time.Time) (authorization.PushedRequest, error) {
	s.Lock()
	defer s.Unlock()
	if s.fail != nil {
		return authorization.PushedRequest{}, s.fail
	}
	p, ok := s.kept[t][h]
	if !ok || !s.loose && (p.ClientUID != clientUID || !now.Before(p.ExpiresAt)) {
		return authorization.PushedRequest{}, authorization.ErrNotPushed
	}
	delete(s.kept[t], h)
	return p, nil
}

type pushing struct {
	*asked
	store  *shelf
	pushes *authorization.Pushes
	uri    string
	clock  time.Time
}

// pushed is a valid request that was pushed.
func pushed(t *testing.T) *pushing {
	t.Helper()
	p := &pushing{asked: valid(picture(t)), store: &shelf{}, clock: now}
	p.via, p.mustPush = authorization.Pushing, true
	p.form.Set("unknown", "dropped")
	var err error
	if p.pushes, err = authorization.NewPushes(p.store, func() time.Time { return p.clock }); err != nil {
		t.Fatal(err)
	}
	if p.uri, err = p.pushes.Push(t.Context(), p.tenant.UID, mustParse(t, p.asked), false); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pushing) take(t *testing.T) (oauth.Form, error) {
	t.Helper()
	taken, err := p.pushes.Take(t.Context(), p.tenant.UID, authorization.Party{Client: &p.client}, p.uri)
	return taken.Form, err
}

func TestPush(t *testing.T) {
	p := pushed(t)
	want := mustParse(t, p.asked)
	browser, err := oauth.ParseForm([]byte("client_id=app&scope=notes:admin&redirect_uri=https://evil.example&request_uri=" + p.uri))
	if err != nil {
		t.Fatal(err)
	}
	uri, ours := authorization.PushedURI(browser)
	if !ours || uri != p.uri || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") {
		t.Fatalf("%s, ours: %t", uri, ours)
	}
	p.clock = now.Add(authorization.PushedLifetime - time.Microsecond)
	form, err := p.take(t)
	if err != nil {
		t.Fatal(err)
	}
	got, err := authorization.Parse(authorization.Ask{
		Form: form, Via: authorization.Pushed, Party: authorization.Party{Client: &p.client, RedirectURIs: p.redirects, MustPush: true}, Tenant: p.tenant, Now: p.clock,
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("pushed %+v\ncame back as %+v, %v", want, got, err)
	}
	if strings.Contains(got.Parameters(), "unknown") {
		t.Error("what is ignored was kept")
	}
	_, err = p.take(t) // once
	shown(t, err, oauth.CodeRequestURIInvalid)
}

// A client that lost something between the push and the browser does not get it.
func TestPushedIsJudgedAgain(t *testing.T) {
	p := pushed(t)
	form, err := p.take(t)
	if err != nil {
		t.Fatal(err)
	}
	ask := authorization.Ask{Form: form, Via: authorization.Pushed, Tenant: p.tenant, Now: now}
	lost := p.client
	lost.Scopes = []string{"notes:read"}
	ask.Party = authorization.Party{Client: &lost, RedirectURIs: p.redirects}
	if r, err := authorization.Parse(ask); err != nil || len(r.Scopes()) != 1 {
		t.Errorf("%v, %v", r.Scopes(), err)
	}
	lost.Disabled = true
	_, err = authorization.Parse(ask)
	shown(t, err, oauth.CodeAuthorizationClientUnknown)
	ask.Party = authorization.Party{Client: &p.client, RedirectURIs: []string{"https://app.example/new"}}
	_, err = authorization.Parse(ask)
	shown(t, err, oauth.CodeRedirectURIUnregistered)
}

func TestTakeRefuses(t *testing.T) {
	for name, change := range map[string]func(*pushing){
		"at its end":          func(p *pushing) { p.clock = now.Add(authorization.PushedLifetime) },
		"later":               func(p *pushing) { p.clock = now.Add(time.Hour) },
		"another client":      func(p *pushing) { p.client.UID = "cli_2" },
		"a client without id": func(p *pushing) { p.client.UID = "" },
		"another request":     func(p *pushing) { p.uri = p.uri[:len(p.uri)-43] + challenge },
		"no handle":           func(p *pushing) { p.uri = p.uri[:len(p.uri)-43] },
		"one letter less":     func(p *pushing) { p.uri = p.uri[:len(p.uri)-1] },
		"one letter more":     func(p *pushing) { p.uri += "A" },
		"padded":              func(p *pushing) { p.uri += "=" },
		"a line break":        func(p *pushing) { p.uri = p.uri[:60] + "\n" + p.uri[60:] },
		"capitals":            func(p *pushing) { p.uri = strings.Replace(p.uri, "urn:", "URN:", 1) },
		"elsewhere":           func(p *pushing) { p.uri = "https://evil.example/" + p.uri },
		"empty":               func(p *pushing) { p.uri = "" },
		"another tenant's":    func(p *pushing) { other := *p.tenant; other.UID = tenant.MustParseUID("ten_2"); p.tenant = &other },
		"a loose store, late": func(p *pushing) { p.store.loose = true; p.clock = now.Add(authorization.PushedLifetime) },
		"a loose store":       func(p *pushing) { p.store.loose = true; p.client.UID = "cli_2" },
	} {
		t.Run(name, func(t *testing.T) {
			p := pushed(t)
			change(p)
			_, err := p.take(t)
			shown(t, err, oauth.CodeRequestURIInvalid)
		})
	}
}

// Who may not have a request does not use it up either.
func TestTakeByAnotherUsesNothingUp(t *testing.T) {
	p := pushed(t)
	mine := p.client.UID
	p.client.UID = "cli_2"
	_, err := p.take(t)
	shown(t, err, oauth.CodeRequestURIInvalid)
	p.client.UID = mine
	if _, err := p.take(t); err != nil {
		t.Error(err)
	}
}

func TestTakeOnce(t *testing.T) {
	p := pushed(t)
	var got atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := p.pushes.Take(t.Context(), p.tenant.UID, authorization.Party{Client: &p.client}, p.uri); err == nil {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got it", got.Load())
	}
}

// A store that fails is no answer: neither "not there" nor a request.
func TestStoreFails(t *testing.T) {
	p := pushed(t)
	r := mustParse(t, p.asked)
	p.store.fail = errors.New("no database")
	if _, err := p.take(t); !errors.Is(err, p.store.fail) || oauth.AsError(err).Code != oauth.CodeInternal {
		t.Errorf("take: %v", err)
	}
	if uri, err := p.pushes.Push(t.Context(), p.tenant.UID, r, false); !errors.Is(err, p.store.fail) || uri != "" {
		t.Errorf("push: %q, %v", uri, err)
	}
}

func TestPushNeeds(t *testing.T) {
	p := pushed(t)
	if _, err := authorization.NewPushes(nil, func() time.Time { return now }); err == nil {
		t.Error("no store")
	}
	if _, err := authorization.NewPushes(p.store, nil); err == nil {
		t.Error("no clock")
	}
	if _, err := p.pushes.Push(t.Context(), p.tenant.UID, authorization.Request{}, false); err == nil {
		t.Error("a request that was not parsed")
	}
	if _, err := p.pushes.Push(t.Context(), tenant.UID{}, mustParse(t, p.asked), false); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
	if _, err := p.pushes.Take(t.Context(), tenant.UID{}, authorization.Party{Client: &p.client}, p.uri); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
	_, err := p.pushes.Take(t.Context(), p.tenant.UID, authorization.Party{}, p.uri)
	shown(t, err, oauth.CodeRequestURIInvalid)
}
