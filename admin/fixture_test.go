package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// tokenOf makes each role's credential.
func tokenOf(r admin.Role) string { return string(r) + strings.Repeat("-", 32) }

type checker struct{}

func (checker) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

type book struct{ asked admin.AuditFilter }

func (b *book) Query(_ context.Context, _ tenant.UID, f admin.AuditFilter) ([]json.RawMessage, string, error) {
	b.asked = f
	if f.Cursor == "forged" {
		return nil, "", admin.ErrCursor
	}
	return []json.RawMessage{json.RawMessage(`{"id":"evt_1"}`)}, "more", nil
}

func (b *book) Tail(_ context.Context, _ tenant.UID, after string, _ int) ([]json.RawMessage, string, error) {
	if after == "" {
		return nil, "p1", nil
	}
	return []json.RawMessage{json.RawMessage(`{"id":"evt_2"}`)}, "p2", nil
}

func (b *book) Export(_ context.Context, w io.Writer, _ tenant.UID) error {
	_, err := io.WriteString(w, "{\"format\":1}\n")
	return err
}

func (b *book) CheckpointKeys(context.Context) ([]byte, error) { return []byte(`{"keys":[]}`), nil }

type ring struct{}

func (ring) List(context.Context, tenant.UID) ([]keys.Row, error) {
	return []keys.Row{{KeyID: "k1", Algorithm: keys.ES256, State: keys.Active, PublicJWK: []byte(`{"kty":"EC"}`), Sealed: []byte("sealed bytes")}}, nil
}

func (ring) Rotate(context.Context, tenant.UID, string, audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{KeyID: "k1", State: keys.Active, Successor: "k2"}, nil
}

func (ring) Retire(_ context.Context, _ tenant.UID, kid string, _ audit.Principal) (keys.Outcome, error) {
	if kid != "k1" {
		return keys.Outcome{}, keys.ErrNotFound
	}
	return keys.Outcome{KeyID: kid, State: keys.Retiring}, nil
}

func (r ring) Revoke(ctx context.Context, t tenant.UID, kid, _ string, by audit.Principal) (keys.Outcome, error) {
	return r.Retire(ctx, t, kid, by)
}

type stories struct{}

func (stories) Explain(_ context.Context, _ tenant.UID, id string) (json.RawMessage, error) {
	if id != "trc_1" {
		return nil, object.ErrNotFound
	}
	return json.RawMessage(`{"trace":"trc_1"}`), nil
}

// records are one live token, and everything of client claude.
type records struct {
	asked lifecycle.Query
	done  []lifecycle.Request
	err   error
}

const knownToken = "tok_01JZ8Q0V9V2B7T5D4N3M2K1H0G"

func (r *records) Lineage(_ context.Context, _ tenant.UID, jti string) (lifecycle.Lineage, error) {
	if jti != knownToken {
		return lifecycle.Lineage{}, lifecycle.ErrUnknown
	}
	return lifecycle.Lineage{ID: jti, State: lifecycle.Live, IssuedAt: time.Unix(1900000000, 0).UTC()}, r.err
}

func (r *records) List(ctx context.Context, t tenant.UID, q lifecycle.Query) ([]lifecycle.Lineage, error) {
	r.asked = q
	if q.Client != "" && q.User != "" {
		return nil, lifecycle.ErrQuery
	}
	one, err := r.Lineage(ctx, t, knownToken)
	return []lifecycle.Lineage{one}, err
}

func (r *records) RevokeToken(ctx context.Context, t tenant.UID, jti string, q lifecycle.Request) (lifecycle.Outcome, error) {
	if _, err := r.Lineage(ctx, t, jti); err != nil {
		return lifecycle.Outcome{}, err
	}
	r.done = append(r.done, q)
	return lifecycle.Outcome{Kind: lifecycle.Token, UID: jti, Tokens: 1, Event: "evt_1"}, nil
}

func (r *records) RevokeHolder(_ context.Context, _ tenant.UID, kind lifecycle.Kind, which string, q lifecycle.Request) (lifecycle.Outcome, error) {
	if which == "nobody" {
		return lifecycle.Outcome{}, object.ErrNotFound
	}
	r.done = append(r.done, q)
	tokens := int64(7)
	if which == "countless" {
		tokens = -1
	}
	return lifecycle.Outcome{Kind: kind, UID: "uid_1", Name: which, Tokens: tokens, Event: "evt_1"}, nil
}

// lane keeps who was not let in.
type lane struct {
	events  []audit.Event
	sources []string
}

func (l *lane) Add(e audit.Event, source string) {
	l.events, l.sources = append(l.events, e), append(l.sources, source)
}

type house struct {
	lane    *lane
	handler http.Handler
	store   *objecttest.Memory
	path    *object.Path
	book    *book
	tokens  *records
	config  admin.Config
}

func newHouse(t *testing.T, change ...func(*admin.Config)) *house {
	t.Helper()
	h := &house{store: objecttest.New(), book: &book{}, tokens: &records{}, lane: &lane{}}
	now := func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }
	path, err := object.NewPath(object.Config{Store: h.store, Keys: h.store, Secrets: h.store, Checker: checker{}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.path = path
	root, err := path.TenantUID(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	h.config = admin.Config{
		Objects: path, Audit: h.book, Keys: ring{}, Tokens: h.tokens, Registrations: &registration.Desk{}, Explain: stories{}, IdPTests: &tests{}, IdPMetadata: &said{}, Captures: &waiting{}, Approvals: &asked{}, Revisions: revision.Revisions{Store: noRevisions{}}, Proposals: &proposal.Desk{}, Status: noStatus{}, Refusals: h.lane, Root: root,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		Ready:   func(context.Context) error { return nil },
		Now:     now, Log: slog.New(slog.DiscardHandler),
	}
	for _, r := range admin.Roles() {
		h.config.Credentials = append(h.config.Credentials, admin.Credential{Name: string(r), Token: secret.New(tokenOf(r)), Role: r})
	}
	for _, c := range change {
		c(&h.config)
	}
	s, err := admin.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = s.Handler()
	return h
}

// request is one request; fields that are empty are left out.
type request struct {
	method, path, body string
	role               admin.Role
	header             map[string]string
}

func (h *house) do(t *testing.T, r request) *httptest.ResponseRecorder {
	t.Helper()
	var body io.Reader = http.NoBody
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req := httptest.NewRequestWithContext(t.Context(), r.method, "http://127.0.0.1:8081"+r.path, body)
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.role != "" {
		req.Header.Set("Authorization", "Bearer "+tokenOf(r.role))
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, req)
	return w
}

// refused expects a problem document with a status and a code.
func (h *house) refused(t *testing.T, r request, status int, code string) admin.Problem {
	t.Helper()
	w := h.do(t, r)
	var p admin.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s %s: %d, no problem document: %s", r.method, r.path, w.Code, w.Body)
	}
	if w.Code != status || p.Code != code || p.Status != status {
		t.Fatalf("%s %s: %d %s (%s), not %d %s", r.method, r.path, w.Code, p.Code, p.Detail, status, code)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(p.Trace, "trc_") || w.Header().Get("Chancery-Trace") != p.Trace {
		t.Fatalf("%s %s: %v %+v", r.method, r.path, w.Header(), p)
	}
	return p
}

func (h *house) ok(t *testing.T, r request, status int) map[string]any {
	t.Helper()
	w := h.do(t, r)
	if w.Code != status {
		t.Fatalf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
	}
	if w.Body.Len() == 0 {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s %s: %s", r.method, r.path, w.Body)
	}
	return v
}

const resourceBody = `{"apiVersion":"chancery/v1","kind":"Resource","metadata":{"name":"notes"},"spec":{"uri":"https://mcp.acme.com/notes","scopes":{"notes:read":{}},"default_scopes":["notes:read"]}}`

const clientBody = `{"apiVersion":"chancery/v1","kind":"Client","metadata":{"name":"claude"},"spec":{"auth":{"method":"client_secret_basic"},"grant_types":["urn:ietf:params:oauth:grant-type:jwt-bearer"],"scopes":["notes:read"],"resources":["notes"]}}`

type noRevisions struct{ revision.Store }

type noStatus struct{ admin.PolicyStatus }
