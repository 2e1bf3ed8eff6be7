package agent

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func lending(t *testing.T) (*server, *Borrower) {
	t.Helper()
	s := newServer(t)
	s.answer = map[string]any{
		"access_token": "gho-1", "issued_token_type": typeAccessToken, "token_type": "Bearer", "expires_in": 600, "scope": "repo:read", "provider": "github",
		"account": "alice", "narrowed": true, "decision_id": "dec_1", "cache_until": noon.Add(time.Minute).Unix(), "header": "Authorization", "scheme": "Bearer",
		"provided": map[string]any{"instance_url": "https://acme.example"},
	}
	c := &clock{at: noon}
	b, err := NewBorrower(BorrowerConfig{Issuer: s.url, Client: ClientSecretPost("svc", secret), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func TestBorrow(t *testing.T) {
	s, b := lending(t)
	lease, err := b.Borrow(t.Context(), "at-1", Borrowing{Provider: "github", Scopes: []string{"repo:read"}, Account: "alice", MinTTL: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"grant_type": {grantTokenExchange}, "subject_token": {"at-1"}, "subject_token_type": {typeAccessToken}, "audience": {"github"}, "scope": {"repo:read"},
		"account": {"alice"}, "min_ttl": {"2"}, "client_id": {"svc"}, "client_secret": {secret},
	}
	if got := s.last(t); !reflect.DeepEqual(got.form, want) {
		t.Errorf("sent %v", got.form)
	}
	if lease.Reveal() != "gho-1" || lease.Account != "alice" || !lease.Narrowed || !lease.ExpiresAt.Equal(noon.Add(10*time.Minute)) ||
		!lease.CacheUntil.Equal(noon.Add(time.Minute)) || lease.DecisionID != "dec_1" || lease.Provided["instance_url"] != "https://acme.example" {
		t.Errorf("%+v", lease)
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.github.com/user", http.NoBody)
	if lease.Authorize(request); request.Header.Get("Authorization") != "Bearer gho-1" {
		t.Errorf("%v", request.Header)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, lease); strings.Contains(text, "gho-1") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestBorrowTakesNothingElse(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"no token":             func(m map[string]any) { delete(m, "access_token") },
		"a token with a break": func(m map[string]any) { m["access_token"] = "a\r\nX: y" },
		"another type":         func(m map[string]any) { m["issued_token_type"] = TypeRefreshToken },
		"another provider":     func(m map[string]any) { m["provider"] = "slack" },
		"no header":            func(m map[string]any) { delete(m, "header") },
		"an end in words":      func(m map[string]any) { m["expires_in"] = "soon" },
	} {
		t.Run(name, func(t *testing.T) {
			s, b := lending(t)
			change(s.answer)
			if lease, err := b.Borrow(t.Context(), "at-1", Borrowing{Provider: "github"}); err == nil || lease.Reveal() != "" {
				t.Errorf("%v, %v", lease, err)
			}
		})
	}
}

func TestBorrowNeedsAPerson(t *testing.T) {
	s, b := lending(t)
	s.status, s.answer = http.StatusBadRequest, map[string]any{
		"error": "interaction_required", "error_description": "connection_required: Nobody connected an account at the provider yet",
		"interaction_uri": s.url + "/interact/lnk_1", "expires_in": 300, "provider": "github",
	}
	_, err := b.Borrow(t.Context(), "at-1", Borrowing{Provider: "github"})
	refusal, ok := errors.AsType[*Error](err)
	if !ok || !refusal.NeedsInteraction() || refusal.Code != "connection_required" || refusal.InteractionURI != s.url+"/interact/lnk_1" || refusal.ExpiresIn != 5*time.Minute {
		t.Errorf("%+v", err)
	}
	if strings.Contains(err.Error(), "at-1") {
		t.Errorf("a token in %v", err)
	}
}

func TestBorrowerAuthenticates(t *testing.T) {
	for name, client := range map[string]Authentication{"nobody": {}, "a public client": PublicClient("app"), "a workload": NoClient()} {
		if _, err := NewBorrower(BorrowerConfig{Issuer: "https://auth.acme.com", Client: client}); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	_, b := lending(t)
	for _, w := range []Borrowing{{}, {Scopes: []string{"x"}}} {
		if _, err := b.Borrow(t.Context(), "at-1", w); err == nil {
			t.Errorf("%+v: asked", w)
		}
	}
	if _, err := b.Borrow(t.Context(), "", Borrowing{Provider: "github"}); err == nil {
		t.Error("asked without a token")
	}
}

// An agent gets its token first.
func TestAgentBorrows(t *testing.T) {
	s := newServer(t)
	s.before = func(_ int, c call) {
		if c.form.Get("grant_type") == grantTokenExchange {
			s.answer = map[string]any{"access_token": "gho-1", "issued_token_type": typeAccessToken, "token_type": "Bearer", "scope": "x", "provider": "github", "header": "Authorization", "scheme": "Bearer"}
		}
	}
	a, _ := s.agent(t, nil)
	lease, err := a.Borrow(t.Context(), notes, Borrowing{Provider: "github"})
	if err != nil || lease.Reveal() != "gho-1" || !lease.ExpiresAt.IsZero() {
		t.Errorf("%v, %v", lease, err)
	}
	if got := s.last(t); got.form.Get("subject_token") != "tok-1" {
		t.Errorf("sent %v", got.form)
	}
}
