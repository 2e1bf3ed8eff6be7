package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/secret"
)

// asked keeps what an API was asked, and answers two pages of tokens.
func asked(t *testing.T) (*client.Client, *[]string) {
	t.Helper()
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		answer := any(map[string]any{"kind": "user", "uid": "usr_1", "tokens": 3, "applied": true})
		switch {
		case strings.HasSuffix(r.URL.Path, "/tokens") && r.URL.Query().Get("cursor") == "":
			answer = map[string]any{"items": []any{map[string]any{"jti": "tok_2"}, map[string]any{"jti": "tok_1"}}, "next": "more"}
		case strings.HasSuffix(r.URL.Path, "/tokens"):
			answer = map[string]any{"items": []any{map[string]any{"jti": "tok_0"}}}
		case strings.HasSuffix(r.URL.Path, "/tok_1"):
			answer = map[string]any{"jti": "tok_1", "state": "revoked", "revoked": map[string]any{"by": "user"}, "subject": map[string]any{"uid": "usr_1"}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, secret.New(token), "acme", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c, &requests
}

func TestTokens(t *testing.T) {
	c, requests := asked(t)
	all, err := c.Tokens(t.Context(), client.TokenQuery{User: "alice", Live: true, Since: time.Unix(0, 0), Limit: 5})
	if err != nil || len(all) != 3 || all[2].ID != "tok_0" {
		t.Fatalf("%+v, %v", all, err)
	}
	want := []string{
		"GET /admin/v1/tenants/acme/tokens?limit=5&live=true&since=1970-01-01T00%3A00%3A00Z&user=alice",
		"GET /admin/v1/tenants/acme/tokens?cursor=more&limit=3&live=true&since=1970-01-01T00%3A00%3A00Z&user=alice",
	}
	if !slices.Equal(*requests, want) {
		t.Errorf("asked %v", *requests)
	}
	one, err := c.Token(t.Context(), "tok_1")
	if err != nil || one.State != "revoked" || one.Revoked.By != "user" || one.Subject.String() != "usr_1" || (client.Party{UID: "usr_1", Name: "alice"}).String() != "alice" {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestRevoke(t *testing.T) {
	c, requests := asked(t)
	for kind, path := range map[string]string{"user": "users", "client": "clients", "idp": "identity-providers", "token": "tokens"} {
		*requests = nil
		done, err := c.Revoke(t.Context(), kind, "x", "a reason", true)
		if err != nil || done.Tokens == nil || *done.Tokens != 3 || !done.Applied {
			t.Errorf("%s: %+v, %v", kind, done, err)
		}
		if want := "POST /admin/v1/tenants/acme/" + path + "/x/revoke?dry_run=true&reason=a+reason"; !slices.Equal(*requests, []string{want}) {
			t.Errorf("%s: asked %v", kind, *requests)
		}
	}
	*requests = nil
	if _, err := c.Revoke(t.Context(), "policy", "x", "", false); err == nil || len(*requests) != 0 {
		t.Errorf("%v, asked %v", err, *requests)
	}
}
