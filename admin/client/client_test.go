package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const token = "a-token-that-nobody-prints-0123456789"

// rooms stands for what the API asks of stores.
type rooms struct{}

func (rooms) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

func (rooms) Query(_ context.Context, _ tenant.UID, f admin.AuditFilter) ([]json.RawMessage, string, error) {
	return []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"client":%q,"since":%q}`, f.Client, f.Since.Format(time.RFC3339)))}, "n", nil
}

func (rooms) Tail(_ context.Context, _ tenant.UID, after string, _ int) ([]json.RawMessage, string, error) {
	return nil, after + "p", nil
}

func (rooms) Export(_ context.Context, w io.Writer, _ tenant.UID) error {
	_, err := io.WriteString(w, "line\n")
	return err
}
func (rooms) CheckpointKeys(context.Context) ([]byte, error) { return []byte(`{"keys":[]}`), nil }
func (rooms) Explain(_ context.Context, _ tenant.UID, id string) (json.RawMessage, error) {
	return json.RawMessage(`{"id":"` + id + `"}`), nil
}

func (rooms) List(context.Context, tenant.UID) ([]keys.Row, error) {
	return []keys.Row{{KeyID: "k1", State: keys.Active, PublicJWK: []byte("{}")}}, nil
}

func (rooms) Rotate(_ context.Context, _ tenant.UID, algorithm string, _ audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{Successor: algorithm}, nil
}

func (rooms) Retire(_ context.Context, _ tenant.UID, kid string, _ audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{KeyID: kid, State: keys.Retiring}, nil
}

func (rooms) Revoke(_ context.Context, _ tenant.UID, kid, _ string, _ audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{KeyID: kid, State: keys.Revoked}, nil
}

func (rooms) Add(audit.Event, string) {}

// noApprovals has nothing that waits.
type noApprovals struct{ admin.Approvals }

func newClient(t *testing.T) (*client.Client, *httptest.Server) {
	t.Helper()
	store := objecttest.New()
	path, err := object.NewPath(object.Config{Store: store, Keys: store, Secrets: store, Checker: rooms{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	root, err := path.TenantUID(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := admin.New(admin.Config{
		Objects: path, Audit: rooms{}, Keys: rooms{}, Tokens: &lifecycle.Revoker{}, Registrations: &registration.Desk{}, Explain: rooms{}, IdPTests: rehearsal.Tests{}, IdPMetadata: noMetadata{}, Captures: &capture.Watch{}, Approvals: noApprovals{}, Revisions: revision.Revisions{Store: noRevisions{}}, Proposals: &proposal.Desk{}, Status: noStatus{}, Refusals: rooms{}, Root: root, Metrics: http.NotFoundHandler(),
		Ready: func(context.Context) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Credentials: []admin.Credential{{Name: "test", Token: secret.New(token), Role: admin.RoleOwner}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, secret.New(token), "", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

const docs = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: https://mcp.acme.com/notes, scopes: {"notes:read": {}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec: {auth: {method: client_secret_basic}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scopes: [notes:read], resources: [notes]}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice, tenant: acme}
spec: {email: alice@acme.com}
`

func read(t *testing.T, text string) []object.Object {
	t.Helper()
	objects, err := object.Decode(strings.NewReader(text), object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestObjects(t *testing.T) {
	c, _ := newClient(t)
	would, err := c.Diff(t.Context(), read(t, docs), false)
	if err != nil || !would.Differs() || would.Applied || len(would.Items) != 4 {
		t.Fatalf("%+v %v", would, err)
	}
	done, err := c.ApplyAll(t.Context(), read(t, docs), client.ApplyOptions{})
	if err != nil || !done.Applied || len(done.Items) != 4 {
		t.Fatalf("%+v %v", done, err)
	}
	if again, err := c.Diff(t.Context(), read(t, docs), true); err != nil || again.Differs() {
		t.Fatalf("%+v %v", again, err)
	}
	exported, err := c.Export(t.Context())
	if err != nil || len(exported) != 3 {
		t.Fatalf("%d %v", len(exported), err)
	}
	if again, err := c.Diff(t.Context(), exported, false); err != nil || again.Differs() {
		t.Fatalf("%+v %v", again, err)
	}
	if one, err := c.Get(t.Context(), object.KindClient, "claude"); err != nil || one.Metadata.UID == "" {
		t.Fatalf("%+v %v", one, err)
	}
	if tenants, err := c.List(t.Context(), object.KindTenant); err != nil || len(tenants) != 2 {
		t.Fatalf("%v %v", tenants, err)
	}
	if users, err := c.Tenant("acme").List(t.Context(), object.KindUser); err != nil || len(users) != 1 || users[0].Metadata.Tenant != "acme" {
		t.Fatalf("%v %v", users, err)
	}
	if _, err := c.Delete(t.Context(), object.KindClient, "claude", false); err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), object.KindClient, "claude")
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusNotFound || p.Code != "object_unknown" || p.Trace == "" {
		t.Fatalf("%v", err)
	}
}

func TestSecretsKeysAndAudit(t *testing.T) {
	c, _ := newClient(t)
	if _, err := c.ApplyAll(t.Context(), read(t, docs), client.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	made, err := c.AddSecret(t.Context(), "claude")
	if err != nil || !strings.HasPrefix(made.Text.Reveal(), "chs_") || strings.Contains(fmt.Sprintf("%+v", made), made.Text.Reveal()) {
		t.Fatalf("%v %v", made, err)
	}
	if live, err := c.Secrets(t.Context(), "claude"); err != nil || len(live) != 1 || live[0].ID != made.ID {
		t.Fatalf("%v %v", live, err)
	}
	if err := c.RevokeSecret(t.Context(), "claude", made.ID); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Keys(t.Context()); err != nil || len(all) != 1 || all[0].KeyID != "k1" {
		t.Fatalf("%v %v", all, err)
	}
	if o, err := c.RotateKeys(t.Context(), "RS256"); err != nil || o.Successor != "RS256" {
		t.Fatalf("%v %v", o, err)
	}
	if o, err := c.RetireKey(t.Context(), "k1"); err != nil || o.State != "retiring" {
		t.Fatalf("%v %v", o, err)
	}
	if o, err := c.RevokeKey(t.Context(), "k1", "lost"); err != nil || o.State != "revoked" {
		t.Fatalf("%v %v", o, err)
	}
	events, err := c.QueryAudit(t.Context(), client.AuditQuery{Client: "claude", Since: time.Unix(0, 0)})
	if err != nil || len(events.Items) != 1 || string(events.Items[0]) != `{"client":"claude","since":"1970-01-01T00:00:00Z"}` || events.Next != "n" {
		t.Fatalf("%s %v", events.Items, err)
	}
	if tail, err := c.TailAudit(t.Context(), "", time.Second); err != nil || tail.Next != "p" {
		t.Fatalf("%v %v", tail, err)
	}
	var out bytes.Buffer
	if err := c.ExportAudit(t.Context(), &out); err != nil || out.String() != "line\n" {
		t.Fatalf("%s %v", out.String(), err)
	}
	if set, err := c.CheckpointKeys(t.Context()); err != nil || string(set) != `{"keys":[]}` {
		t.Fatalf("%s %v", set, err)
	}
	if story, err := c.Explain(t.Context(), "trc_1"); err != nil || string(story) != `{"id":"trc_1"}` {
		t.Fatalf("%s %v", story, err)
	}
}

func TestTheCredentialStaysIn(t *testing.T) {
	c, server := newClient(t)
	if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, token) {
		t.Fatal("the credential prints itself")
	}
	wrong, err := client.New(server.URL, secret.New("another-"+token), "", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Export(t.Context())
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusUnauthorized || strings.Contains(err.Error(), token) {
		t.Fatalf("%v", err)
	}
	server.Close()
	if _, err := c.Export(t.Context()); err == nil || strings.Contains(err.Error(), token) {
		t.Fatalf("%v", err)
	}
}

// A redirect is not followed: it would carry the credential away.
func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := false
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer away.Close()
	server := httptest.NewServer(http.RedirectHandler(away.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	c, err := client.New(server.URL, secret.New(token), "", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Export(t.Context()); err == nil || reached {
		t.Fatalf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		base, token, tenant string
	}{
		"no URL":           {"127.0.0.1:8081", token, ""},
		"in the clear":     {"http://admin.acme.com", token, ""},
		"a user":           {"https://a:b@admin.acme.com", token, ""},
		"no credential":    {"https://admin.acme.com", "", ""},
		"a tenant of dots": {"https://admin.acme.com", token, "../default"},
		"a query":          {"https://admin.acme.com/?a=b", token, ""},
		"a file":           {"file:///etc/passwd", token, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.New(test.base, secret.New(test.token), test.tenant, http.DefaultClient); err == nil {
				t.Fatal("taken")
			}
		})
	}
}

type noRevisions struct{ revision.Store }

type noStatus struct{ admin.PolicyStatus }
