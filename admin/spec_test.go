package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/tenant"
)

type nothing struct{}

func (nothing) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

func (nothing) Query(context.Context, tenant.UID, AuditFilter) ([]json.RawMessage, string, error) {
	return nil, "", nil
}

func (nothing) Tail(context.Context, tenant.UID, string, int) ([]json.RawMessage, string, error) {
	return nil, "", nil
}
func (nothing) Export(context.Context, io.Writer, tenant.UID) error  { return nil }
func (nothing) CheckpointKeys(context.Context) ([]byte, error)       { return nil, nil }
func (nothing) List(context.Context, tenant.UID) ([]keys.Row, error) { return nil, nil }
func (nothing) Explain(context.Context, tenant.UID, string) (json.RawMessage, error) {
	return nil, object.ErrNotFound
}

func (nothing) Rotate(context.Context, tenant.UID, string, audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{}, nil
}

func (nothing) Retire(context.Context, tenant.UID, string, audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{}, nil
}

func (nothing) Revoke(context.Context, tenant.UID, string, string, audit.Principal) (keys.Outcome, error) {
	return keys.Outcome{}, nil
}

func (nothing) Add(audit.Event, string) {}

type noMetadata struct{ IdPMetadata }

func newServer(t *testing.T) *Server {
	t.Helper()
	store := objecttest.New()
	path, err := object.NewPath(object.Config{Store: store, Keys: store, Secrets: store, Checker: nothing{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	root, err := tenant.ParseUID(id.New(id.Tenant, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{
		Objects: path, Audit: nothing{}, Keys: nothing{}, Tokens: &lifecycle.Revoker{}, Registrations: &registration.Desk{}, Explain: nothing{}, IdPTests: rehearsal.Tests{}, IdPMetadata: noMetadata{}, Captures: &capture.Watch{}, Approvals: struct{ Approvals }{}, Revisions: revision.Revisions{Store: noRevisions{}}, Proposals: &proposal.Desk{}, Status: noStatus{}, Refusals: nothing{}, Root: root, Metrics: http.NotFoundHandler(),
		Ready: func(context.Context) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The router serves what the specification says, and nothing else.
func TestRouterAndSpecificationAgree(t *testing.T) {
	all, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	var specified, routed []string
	for _, o := range all {
		specified = append(specified, o.Method+" "+o.ginPath())
	}
	for _, r := range newServer(t).engine.Routes() {
		routed = append(routed, r.Method+" "+r.Path)
	}
	slices.Sort(specified)
	slices.Sort(routed)
	if !slices.Equal(specified, routed) {
		t.Fatalf("specified %v\nrouted %v", specified, routed)
	}
}

func TestEveryOperationNamesAPermission(t *testing.T) {
	all, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	open := []string{"live", "ready", "console"}
	for _, o := range all {
		if o.Open != slices.Contains(open, o.ID) {
			t.Errorf("%s: open is %v", o.ID, o.Open)
		}
		changes := o.Method != http.MethodGet
		if changes && (strings.HasSuffix(string(o.Permission), ".read") || o.Permission == "object.export") {
			t.Errorf("%s changes something by %s", o.ID, o.Permission)
		}
		if !changes && strings.HasSuffix(string(o.Permission), ".write") {
			t.Errorf("%s reads by %s", o.ID, o.Permission)
		}
	}
	for _, broken := range []operation{
		{Method: "GET", Path: "/a", ID: "a"},
		{Method: "GET", Path: "/a", ID: "a", Permission: "everything"},
		{Method: "GET", Path: "/a", Permission: "api.read"},
		{Method: "GET", Path: "/a", ID: "a", Permission: "api.read", Open: true},
	} {
		if broken.check() == nil {
			t.Errorf("%+v passes", broken)
		}
	}
}

// A path and its short form need the same.
func TestShortFormsNeedTheSame(t *testing.T) {
	all, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Permission{}
	for _, o := range all {
		by[o.ID] = o.Permission
	}
	short := 0
	for name, permission := range by {
		if long, is := strings.CutSuffix(name, "OfDefault"); is {
			short++
			if by[long] != permission {
				t.Errorf("%s needs %s, %s needs %s", name, permission, long, by[long])
			}
		}
	}
	if short < 30 {
		t.Errorf("%d short forms", short)
	}
}

func TestRoles(t *testing.T) {
	for _, r := range Roles() {
		for _, p := range r.Permissions() {
			if !slices.Contains(permissions(), p) {
				t.Errorf("%s holds %s, which there is not", r, p)
			}
		}
	}
	for _, test := range []struct {
		role Role
		not  []Permission
	}{
		{RoleAuditor, []Permission{"token.revoke", "client.read", "user.read", "object.export", "key.read", "client.write"}},
		{RolePolicyAuthor, []Permission{"policy.approve", "idp.write", "client.write", "secret.write", "audit.read"}},
		{RolePolicyApprover, []Permission{"policy.write", "object.apply"}},
		{RoleIdPAdmin, []Permission{"policy.write", "client.write", "secret.write"}},
		{RoleViewer, []Permission{"token.read", "token.revoke", "audit.read", "secret.read", "object.apply", "key.write"}},
		{RoleAdmin, []Permission{"tenant.write", "policy.approve"}},
		{"", permissions()},
		{"root", permissions()},
	} {
		for _, p := range test.not {
			if test.role.May(p) {
				t.Errorf("%q holds %s", test.role, p)
			}
		}
	}
	if RoleOwner.May("") {
		t.Error("no permission is not one")
	}
}

func TestCursors(t *testing.T) {
	name, err := parseCursor(cursorAfter("notes"))
	if err != nil || name != "notes" {
		t.Fatalf("%q %v", name, err)
	}
	for _, forged := range []string{"notes", "!", cursorAfter("' or 1=1"), cursorAfter(""), cursorAfter("A"), cursorAfter("notes") + "=", "bi4"} {
		if _, err := parseCursor(forged); err == nil {
			t.Errorf("%q passes", forged)
		}
	}
}

type noRevisions struct{ revision.Store }

type noStatus struct{ PolicyStatus }
