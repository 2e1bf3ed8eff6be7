package downstream_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Inventory lists what is there, for downstream.Lister.
func (o *office) Inventory(_ context.Context, _ tenant.UID, f downstream.Filter) ([]connection.Connection, error) {
	o.asked = f
	return o.all(func(s connection.Stored) bool { return f.Owner.UID == "" || s.Owner == f.Owner }), nil
}

func (o *office) Get(ctx context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error) {
	if kind == object.KindUser && name == "alice" {
		return object.Stored{UID: "usr_alice", Name: "alice"}, nil
	}
	return o.shelf.Get(ctx, t, kind, name)
}

func (o *office) ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	if kind == object.KindUser && uid == "usr_alice" {
		return object.Stored{UID: "usr_alice", Name: "alice"}, nil
	}
	return o.shelf.ByUID(ctx, t, kind, uid)
}

func newInventory(t *testing.T) (*office, *downstream.Inventory) {
	t.Helper()
	o := newOffice(t)
	i, err := downstream.NewInventory(downstream.Inventory{Custodian: o.Custodian, Lister: o, Objects: o})
	if err != nil {
		t.Fatal(err)
	}
	return o, i
}

func validImport() downstream.Import {
	return downstream.Import{User: "alice", Provider: "keys", Account: "acme", Secret: provider.NewSecret("hush-hush"), Scopes: []string{"all"}}
}

func TestImport(t *testing.T) {
	o, i := newInventory(t)
	made, err := i.Import(t.Context(), o.picture.UID, validImport(), admin(""))
	if err != nil || made.Owner.Name != "alice" || made.Provider.Name != "keys" || made.Account.Label != "acme" || made.Version != 1 || made.Status != "connected" {
		t.Fatalf("%+v %v", made, err)
	}
	s := o.rows[made.ID]
	if c, err := connection.Open(t.Context(), o.Sealer, s.Ref, s); err != nil || c.Access.Reveal() != "hush-hush" || c.Scopes[0] != "all" {
		t.Errorf("%+v %v", c, err)
	}
	again, err := i.Import(t.Context(), o.picture.UID, validImport(), admin(""))
	if err != nil || again.ID != made.ID || again.Version != 2 || len(o.rows) != 1 {
		t.Errorf("%+v %v", again, err)
	}
	s = o.rows[made.ID]
	if _, err := connection.Open(t.Context(), o.Sealer, s.Ref, s); err != nil {
		t.Error(err)
	}
	for _, e := range o.moved {
		if e.Detail["imported"] != "true" || e.Principal.Name != "admin.token" {
			t.Errorf("%+v", e)
		}
	}
	if one, err := i.Import(t.Context(), o.picture.UID, downstream.Import{User: "alice", Provider: "hub", Access: provider.NewSecret("token"), Scopes: []string{"repo"}}, admin("")); err != nil || one.Account.Label != "alice@hub.example" {
		t.Errorf("%+v %v", one, err)
	}
	s.Status = connection.Suspended
	o.rows[made.ID] = s
	if _, err := i.Import(t.Context(), o.picture.UID, validImport(), admin("")); !errors.Is(err, downstream.ErrState) {
		t.Errorf("a suspended one is replaced: %v", err)
	}
}

func TestImportRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*office, *downstream.Import)
		err    error
	}{
		"nobody's":             {func(_ *office, m *downstream.Import) { m.User = "" }, downstream.ErrImport},
		"two owners":           {func(_ *office, m *downstream.Import) { m.Client = "robot" }, downstream.ErrImport},
		"an unknown user":      {func(_ *office, m *downstream.Import) { m.User = "eve" }, object.ErrNotFound},
		"a uid of nobody":      {func(_ *office, m *downstream.Import) { m.User = "usr_gone" }, object.ErrNotFound},
		"an unknown provider":  {func(_ *office, m *downstream.Import) { m.Provider = "nowhere" }, object.ErrNotFound},
		"no secret":            {func(_ *office, m *downstream.Import) { m.Secret = provider.Secret{} }, downstream.ErrImport},
		"a secret and a token": {func(_ *office, m *downstream.Import) { m.Access = provider.NewSecret("x") }, downstream.ErrImport},
		"no account":           {func(_ *office, m *downstream.Import) { m.Account = "" }, downstream.ErrImport},
		"what no header can":   {func(_ *office, m *downstream.Import) { m.Secret = provider.NewSecret("hush\nhush") }, downstream.ErrImport},
		"a secret for OAuth":   {func(_ *office, m *downstream.Import) { m.Provider = "hub" }, downstream.ErrImport},
		"a token of two lines": {func(_ *office, m *downstream.Import) {
			*m = downstream.Import{User: "alice", Provider: "hub", Access: provider.NewSecret("hush\r\nX-Admin: yes"), Account: "alice@hub.example"}
		}, downstream.ErrImport},
		"a refresh token of two lines": {func(_ *office, m *downstream.Import) {
			*m = downstream.Import{User: "alice", Provider: "hub", Refresh: provider.NewSecret("hush\nhush"), Account: "alice@hub.example"}
		}, downstream.ErrImport},
		"another's account": {func(_ *office, m *downstream.Import) {
			*m = downstream.Import{User: "alice", Provider: "hub", Access: provider.NewSecret("t"), Account: "bob@hub.example"}
		}, downstream.ErrImport},
		"an account not probed": {func(o *office, m *downstream.Import) {
			o.status = http.StatusUnauthorized
			*m = downstream.Import{User: "alice", Provider: "hub", Access: provider.NewSecret("t")}
		}, downstream.ErrImport},
	} {
		t.Run(name, func(t *testing.T) {
			o, i := newInventory(t)
			m := validImport()
			test.change(o, &m)
			_, err := i.Import(t.Context(), o.picture.UID, m, admin(""))
			if !errors.Is(err, test.err) || len(o.rows) != 0 || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v, %d rows", err, len(o.rows))
			}
		})
	}
}

func TestInventory(t *testing.T) {
	o, i := newInventory(t)
	id := o.connect(t, "hub", nil)
	found, err := i.List(t.Context(), o.picture.UID, downstream.Query{User: "alice", Provider: "hub", Status: "connected", Limit: 10})
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Owner.Name != "alice" || found[0].Provider.Name != "hub" || found[0].Scopes == nil {
		t.Fatalf("%+v %v", found, err)
	}
	if o.asked.Owner != (connection.Owner{Kind: connection.User, UID: "usr_alice"}) || o.asked.Provider != o.hub.UID {
		t.Errorf("%+v", o.asked)
	}
	for name, q := range map[string]downstream.Query{"two owners": {User: "alice", Client: "robot"}, "a status": {Status: "live"}} {
		if _, err := i.List(t.Context(), o.picture.UID, q); !errors.Is(err, downstream.ErrQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := i.List(t.Context(), o.picture.UID, downstream.Query{User: "eve"}); !errors.Is(err, object.ErrNotFound) {
		t.Error(err)
	}
	if _, err := i.List(t.Context(), o.picture.UID, downstream.Query{User: "usr_gone"}); err != nil { // what a deleted user left is found
		t.Error(err)
	}
	if _, err := i.Get(t.Context(), o.picture.UID, "con_none"); !errors.Is(err, connection.ErrGone) {
		t.Error(err)
	}
}
