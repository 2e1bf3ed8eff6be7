package downstream_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// office is a custodian with its surroundings: rows in memory, and a provider that answers as it is told.
type office struct {
	*downstream.Custodian
	now      time.Time
	picture  *snapshot.Tenant
	source   *snapshot.Source
	shelf    *snapshottest.Shelf
	hub      *snapshot.Provider
	rows     map[string]connection.Stored
	taken    []string
	ended    []audit.Event
	moved    []audit.Event
	unheld   []connection.Connection
	nudged   int
	alerts   []connection.AlertKind
	revoked  []string // tokens that the provider was told of
	status   int
	during   func()
	rests    []time.Duration
	together []int // how many moved in one step, or were to
	moving   int   // how often Move finds the row changed
	fresh    error
	tested   []audit.Event
	asked    downstream.Filter
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{now: begin, rows: map[string]connection.Stored{}, status: http.StatusOK}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.during != nil {
			o.during()
		}
		switch r.URL.Path {
		case "/revoke":
			_ = r.ParseForm()
			o.revoked = append(o.revoked, r.PostForm.Get("token"))
			w.WriteHeader(o.status)
		case "/me":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(o.status)
			_, _ = w.Write([]byte(`{"id":"7","login":"alice@hub.example"}`))
		}
	}))
	t.Cleanup(service.Close)
	docs := strings.ReplaceAll(`apiVersion: chancery/v1
kind: Provider
metadata: {name: hub}
spec:
  own_manifest: {extends: oauth2, authorization_url: "URL/a", token_url: "URL/t", revoke: {url: "URL/revoke", format: form}, probe: {url: "URL/me", id: id, label: [login]}}
  client_id: chancery
  client_secret: {env: HUB}
  network: {allow_private_addresses: true}
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: mute}
spec:
  own_manifest: {extends: oauth2, authorization_url: "URL/a", token_url: "URL/t"}
  client_id: chancery
  client_secret: {env: HUB}
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: keys}
spec: {manifest: static}
`, "URL", service.URL)
	o.shelf, o.source = snapshottest.New(t, "https://auth.acme.com", func() time.Time { return o.now }, docs)
	var err error
	if o.picture, err = o.source.Get(t.Context(), tenant.DefaultName); err != nil {
		t.Fatal(err)
	}
	o.hub, _ = o.picture.Provider("hub")
	engines, err := downstream.NewEngines(downstream.EnginesConfig{
		Pictures: o.source, Egress: fetch.Policy{Mode: "allow"}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return o.now },
		Resolve: func(object.SecretRef) (secret.Text, error) { return secret.New("hush"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Custodian, err = downstream.NewCustodian(downstream.Custodian{
		Rows: o, Past: o, Pictures: o.source, Engines: engines, Keeper: o, Sealer: connectiontest.Keyring(t, begin), Journal: o, Nudge: func(tenant.UID) { o.nudged++ },
		Alert: func(_ context.Context, a connection.Alert) { o.alerts = append(o.alerts, a.Kind) },
		Now:   func() time.Time { return o.now }, Log: slog.New(slog.DiscardHandler),
		Rest: func(ctx context.Context, d time.Duration) error { o.rests = append(o.rests, d); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// connect puts a connection of alice's there.
func (o *office) connect(t *testing.T, providerName string, change func(*connection.Stored)) string {
	t.Helper()
	p, ok := o.picture.Provider(providerName)
	if !ok {
		t.Fatal(providerName)
	}
	ref := connection.Ref{
		Tenant: o.picture.UID.String(), ID: connection.NewID(o.now), Owner: connection.Owner{Kind: connection.User, UID: "usr_alice"}, Provider: p.UID,
	}
	sealed, err := connection.Seal(t.Context(), o.Sealer, ref, 1, provider.Credential{
		Origin: provider.FromPerson, Access: provider.NewSecret("access-" + ref.ID), Refresh: provider.NewSecret("refresh-" + ref.ID),
	}, o.now)
	if err != nil {
		t.Fatal(err)
	}
	s := connection.Stored{Connection: connection.Connection{
		Ref: ref, Account: provider.Account{ID: "7", Label: "alice@hub.example"}, Status: connection.Connected, Version: 1, UpdatedAt: o.now,
	}, Blob: sealed.Blob}
	if change != nil {
		change(&s)
	}
	o.rows[ref.ID] = s
	return ref.ID
}

func (o *office) Load(_ context.Context, t, id string) (connection.Stored, error) {
	s, ok := o.rows[id]
	if !ok || s.Tenant != t {
		return connection.Stored{}, connection.ErrGone
	}
	return s, nil
}

func (o *office) Find(_ context.Context, _ string, owner connection.Owner, uid string) ([]connection.Connection, error) {
	return o.all(func(s connection.Stored) bool {
		return s.Owner == owner && s.Provider == uid && s.Status != connection.Revoked
	}), nil
}

func (o *office) all(fits func(connection.Stored) bool) []connection.Connection {
	var all []connection.Connection
	for _, s := range o.rows {
		if fits(s) {
			all = append(all, s.Connection)
		}
	}
	slices.SortFunc(all, func(a, b connection.Connection) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (o *office) Create(_ context.Context, s connection.Stored, e audit.Event) error {
	o.rows[s.ID] = s
	o.moved = append(o.moved, e)
	return nil
}

func (o *office) Replace(_ context.Context, ref connection.Ref, from int64, label string, n connection.Successor, e audit.Event) error {
	s := o.rows[ref.ID]
	if s.Version != from {
		return connection.ErrMoved
	}
	s.Version, s.Blob, s.Account.Label, s.Status, s.Scopes = from+1, n.Blob, label, connection.Connected, n.Scopes
	o.rows[ref.ID] = s
	o.moved = append(o.moved, e)
	return nil
}

func (o *office) Move(_ context.Context, _ tenant.UID, id string, from, to connection.Status, reason string, e audit.Event) error {
	s, ok := o.rows[id]
	if o.moving > 0 {
		o.moving--
		return connection.ErrMoved
	}
	if !ok || s.Status != from {
		return connection.ErrMoved
	}
	s.Status, s.Reason, s.UpdatedAt = to, reason, o.now
	o.rows[id] = s
	o.moved = append(o.moved, e)
	return nil
}

func (o *office) MoveAll(ctx context.Context, t tenant.UID, all []connection.Connection, to connection.Status, reason string, events []audit.Event) error {
	o.together = append(o.together, len(all))
	for _, one := range all {
		if s, ok := o.rows[one.ID]; !ok || s.Status != one.Status || o.moving > 0 {
			return connection.ErrMoved
		}
	}
	for i, one := range all {
		if err := o.Move(ctx, t, one.ID, one.Status, to, reason, events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *office) HeldBy(_ context.Context, _ tenant.UID, owner connection.Owner, limit int) ([]connection.Connection, error) {
	all := o.all(func(s connection.Stored) bool { return s.Owner == owner && s.Status != connection.Revoked })
	return all[:min(limit, len(all))], nil
}

func (o *office) CountHeldBy(ctx context.Context, t tenant.UID, owner connection.Owner) (int64, error) {
	all, err := o.HeldBy(ctx, t, owner, 1000)
	return int64(len(all)), err
}

func (o *office) Unheld(context.Context, tenant.UID, string, int) ([]connection.Connection, string, error) {
	return o.unheld, "", nil
}

func (o *office) RevokedNext(context.Context, tenant.UID, int) ([]connection.Connection, error) {
	return o.all(func(s connection.Stored) bool {
		return s.Status == connection.Revoked && !slices.Contains(o.taken, s.ID)
	}), nil
}

func (o *office) TakeRevoked(_ context.Context, one connection.Connection, _ time.Duration) error {
	if slices.Contains(o.taken, one.ID) {
		return connection.ErrMoved
	}
	o.taken = append(o.taken, one.ID)
	return nil
}

func (o *office) EndRevoked(_ context.Context, _ tenant.UID, one connection.Connection, e audit.Event) error {
	if s := o.rows[one.ID]; s.Version != one.Version || s.Status != connection.Revoked {
		return connection.ErrMoved
	}
	delete(o.rows, one.ID)
	o.ended = append(o.ended, e)
	return nil
}

func (o *office) EverByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	return o.shelf.ByUID(ctx, t, kind, uid)
}

func (o *office) Fresh(ctx context.Context, ref connection.Ref, _ connection.Want) (connection.Live, error) {
	if o.fresh != nil {
		return connection.Live{}, o.fresh
	}
	s := o.rows[ref.ID]
	c, err := connection.Open(ctx, o.Sealer, ref, s)
	return connection.Live{Connection: s.Connection, Credential: c}, err
}

func (o *office) Commit(_ context.Context, e ledger.Entry) error {
	o.tested = append(o.tested, e.Event)
	return nil
}

func (o *office) Used(context.Context, connection.Connection, string) error { return nil }

func admin(reason string) downstream.By {
	return downstream.By{Principal: audit.Principal{Kind: "token", Name: "admin.token"}, Trace: "trc_1", Reason: reason}
}

func TestSuspendResumeRevoke(t *testing.T) {
	o := newOffice(t)
	id := o.connect(t, "hub", nil)
	held, err := o.Suspend(t.Context(), o.picture.UID, id, admin("incident 7"))
	if err != nil || held.Status != connection.Suspended || o.rows[id].Reason != "incident 7" {
		t.Fatalf("%+v %v", held, err)
	}
	if _, err := o.Suspend(t.Context(), o.picture.UID, id, admin("")); !errors.Is(err, downstream.ErrState) {
		t.Errorf("twice: %v", err)
	}
	if back, err := o.Resume(t.Context(), o.picture.UID, id, admin("")); err != nil || back.Status != connection.Connected || o.rows[id].Reason != "" {
		t.Fatalf("%+v %v", back, err)
	}
	if _, err := o.Resume(t.Context(), o.picture.UID, id, admin("")); !errors.Is(err, downstream.ErrState) {
		t.Errorf("of what is not suspended: %v", err)
	}
	lost := o.rows[id]
	lost.Status, lost.Flight.State = connection.Suspended, connection.Lost
	o.rows[id] = lost
	if back, err := o.Resume(t.Context(), o.picture.UID, id, admin("")); err != nil || back.Status != connection.ReauthorizationRequired || o.rows[id].Reason != string(connection.AlertLost) {
		t.Fatalf("one whose successor was lost: %+v %v", back, err)
	}
	o.moved = o.moved[:2]
	o.moving = 2 // refreshed meanwhile
	if _, err := o.Revoke(t.Context(), o.picture.UID, id, admin("left")); err != nil || o.rows[id].Status != connection.Revoked || o.nudged != 1 {
		t.Fatalf("%v %+v", err, o.rows[id])
	}
	for name, act := range map[string]func(context.Context, tenant.UID, string, downstream.By) (connection.Connection, error){
		"revoke": o.Revoke, "suspend": o.Suspend, "resume": o.Resume,
	} {
		if _, err := act(t.Context(), o.picture.UID, id, admin("")); !errors.Is(err, connection.ErrGone) {
			t.Errorf("%s what ended: %v", name, err)
		}
	}
	other, _ := tenant.ParseUID(otherUID)
	live := o.connect(t, "hub", nil)
	if _, err := o.Revoke(t.Context(), other, live, admin("")); !errors.Is(err, connection.ErrGone) || o.rows[live].Status != connection.Connected {
		t.Errorf("another tenant's: %v", err)
	}
	var types []audit.Type
	for _, e := range o.moved {
		types = append(types, e.Type)
		if !e.Type.Registered() || e.Principal.Name != "admin.token" || e.Trace != "trc_1" || e.Detail["provider"] != "hub" || e.OnBehalf != "usr_alice" {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(types, []audit.Type{audit.TypeConnectionSuspended, audit.TypeConnectionResumed, audit.TypeConnectionRevoked}) {
		t.Error(types)
	}
}

func TestProvidersAreTold(t *testing.T) {
	const cannot = "cannot_be_revoked"
	for name, test := range map[string]struct {
		provider string
		change   func(*office, *connection.Stored)
		status   int
		at       string // the provider, in the event; "" where it is tried again
		told     bool
		alert    connection.AlertKind
	}{
		"it answers":          {"hub", nil, 200, "revoked", true, ""},
		"it is dead there":    {"hub", nil, 400, "", true, ""},
		"it fails":            {"hub", nil, 503, "", true, ""},
		"it fails for a week": {"hub", func(o *office, s *connection.Stored) { s.UpdatedAt = o.now.Add(-8 * 24 * time.Hour) }, 503, "no_answer", true, downstream.AlertNotRevoked},
		"it offers nothing":   {"mute", nil, 200, cannot, false, ""},
		"entered by hand":     {"keys", nil, 200, cannot, false, ""},
		"a row that was moved": {"hub", func(_ *office, s *connection.Stored) {
			s.Blob = slices.Concat(s.Blob[:len(s.Blob)-1], []byte{s.Blob[len(s.Blob)-1] ^ 1})
		}, 200, "not_opened", false, connection.AlertUnopened},
		"connected again": {"hub", func(o *office, _ *connection.Stored) { o.connect(t, "hub", nil) }, 200, "connected_again", false, ""},
		"another account": {"hub", func(o *office, _ *connection.Stored) {
			o.connect(t, "hub", func(s *connection.Stored) { s.Account.ID = "8" })
		}, 200, "revoked", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.status = test.status
			id := o.connect(t, test.provider, func(s *connection.Stored) {
				s.Status = connection.Revoked
				if test.change != nil {
					test.change(o, s)
				}
			})
			gone, left, err := o.Tell(t.Context(), o.picture.UID)
			if err != nil {
				t.Fatal(err)
			}
			if told := slices.Contains(o.revoked, "refresh-"+id); told != test.told {
				t.Errorf("told %v: %v", told, o.revoked)
			}
			_, there := o.rows[id]
			if name == "it is dead there" { // what a 400 means is the manifest's to say
				return
			}
			if test.at == "" {
				if gone != 0 || left != 1 || !there || len(o.ended) != 0 {
					t.Errorf("%d gone, %d left, there %v", gone, left, there)
				}
				return
			}
			if gone != 1 || left != 0 || there || len(o.ended) != 1 || o.ended[0].Detail["at_provider"] != test.at || o.ended[0].Type != audit.TypeConnectionEnded {
				t.Errorf("%d gone, %d left, there %v, %+v", gone, left, there, o.ended)
			}
			if test.alert == "" && len(o.alerts) != 0 || test.alert != "" && !slices.Equal(o.alerts, []connection.AlertKind{test.alert}) {
				t.Error(o.alerts)
			}
		})
	}
}

// A refresh that was under way saves its successor while the provider is told of the one before: both end.
func TestASuccessorEndsToo(t *testing.T) {
	o := newOffice(t)
	id := o.connect(t, "hub", func(s *connection.Stored) { s.Status = connection.Revoked })
	o.during = func() {
		s := o.rows[id]
		sealed, err := connection.Seal(t.Context(), o.Sealer, s.Ref, 2, provider.Credential{
			Origin: provider.FromPerson, Access: provider.NewSecret("a2"), Refresh: provider.NewSecret("successor"),
		}, o.now)
		if err != nil {
			t.Error(err)
		}
		s.Version, s.Blob = 2, sealed.Blob
		o.rows[id] = s
		o.during = nil
	}
	if gone, left, err := o.Tell(t.Context(), o.picture.UID); err != nil || gone != 0 || left != 1 {
		t.Fatalf("%d %d %v", gone, left, err)
	}
	o.taken = nil
	if gone, _, err := o.Tell(t.Context(), o.picture.UID); err != nil || gone != 1 || !slices.Contains(o.revoked, "successor") {
		t.Fatalf("%d %v %v", gone, err, o.revoked)
	}
}

func TestWhatNobodyHoldsEnds(t *testing.T) {
	o := newOffice(t)
	first, second, kept := o.connect(t, "hub", nil), o.connect(t, "hub", nil), o.connect(t, "hub", nil)
	o.unheld = []connection.Connection{o.rows[first].Connection, o.rows[second].Connection}
	if ended, err := o.Reconcile(t.Context(), o.picture.UID); err != nil || ended != 2 {
		t.Fatalf("%d %v", ended, err)
	}
	if o.rows[first].Status != connection.Revoked || o.rows[second].Status != connection.Revoked || o.rows[kept].Status != connection.Connected {
		t.Errorf("%+v", o.rows)
	}
	if ended, err := o.Reconcile(t.Context(), o.picture.UID); err != nil || ended != 0 { // it ended already
		t.Errorf("%d %v", ended, err)
	}
	for _, e := range o.moved {
		if e.Principal.Kind != "system" || e.Detail["reason"] == "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestRevokeHeld(t *testing.T) {
	o := newOffice(t)
	for range 250 { // more than one batch
		o.connect(t, "hub", nil)
	}
	bob := o.connect(t, "hub", func(s *connection.Stored) { s.Owner.UID = "usr_bob" })
	alice := connection.Owner{Kind: connection.User, UID: "usr_alice"}
	if n, err := o.CountHeld(t.Context(), o.picture.UID, alice); err != nil || n != 250 {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := o.RevokeHeld(t.Context(), o.picture.UID, alice, admin("gone")); err != nil || n != 250 {
		t.Fatalf("%d %v", n, err)
	}
	if o.rows[bob].Status != connection.Connected {
		t.Error("another person's ended")
	}
	if !slices.Equal(o.together, []int{200, 50}) || len(o.moved) != 250 || o.nudged != 2 || len(o.rests) != 0 {
		t.Errorf("in steps of %v, with %d events, told %d times", o.together, len(o.moved), o.nudged)
	}
	if n, err := o.RevokeHeld(t.Context(), o.picture.UID, connection.Owner{Kind: connection.Client, UID: "usr_bob"}, admin("")); err != nil || n != 0 {
		t.Errorf("a client of the same uid: %d %v", n, err)
	}
}

// What nobody holds is ended in steps, with time for everybody else in between.
func TestReconcileLeavesTime(t *testing.T) {
	o := newOffice(t)
	for range 401 {
		o.unheld = append(o.unheld, o.rows[o.connect(t, "hub", nil)].Connection)
	}
	if ended, err := o.Reconcile(t.Context(), o.picture.UID); err != nil || ended != 401 || !slices.Equal(o.together, []int{200, 200, 1}) || len(o.rests) != 2 {
		t.Errorf("%d ended in steps of %v with %d rests: %v", ended, o.together, len(o.rests), err)
	}
}

// One that changes meanwhile keeps none of the others.
func TestRevokeHeldThatMove(t *testing.T) {
	o := newOffice(t)
	for range 5 {
		o.connect(t, "hub", nil)
	}
	o.moving = 1
	if n, err := o.RevokeHeld(t.Context(), o.picture.UID, connection.Owner{Kind: connection.User, UID: "usr_alice"}, admin("gone")); err != nil || n != 5 || len(o.moved) != 5 {
		t.Errorf("%d ended, with %d events: %v", n, len(o.moved), err)
	}
}

func TestTestAConnection(t *testing.T) {
	o := newOffice(t)
	id := o.connect(t, "hub", nil)
	if done, err := o.Test(t.Context(), o.picture.UID, id, admin("why")); err != nil || !done.Works || done.Account.Label != "alice@hub.example" {
		t.Fatalf("%+v %v", done, err)
	}
	if len(o.tested) != 1 || o.tested[0].Type != audit.TypeConnectionTested || o.tested[0].Principal.Name != "admin.token" {
		t.Errorf("%+v", o.tested)
	}
	mine := o.rows[id]
	other := mine
	other.Account.ID = "8"
	o.rows[id] = other
	if done, err := o.Test(t.Context(), o.picture.UID, id, admin("why")); err != nil || done.Works || done.Code != "another_account" {
		t.Errorf("of another account by now: %+v %v", done, err)
	}
	o.rows[id] = mine
	mute := o.connect(t, "mute", nil)
	if done, err := o.Test(t.Context(), o.picture.UID, mute, admin("why")); err != nil || !done.Works {
		t.Errorf("%+v %v", done, err)
	}
	o.status = http.StatusUnauthorized
	if done, err := o.Test(t.Context(), o.picture.UID, id, admin("why")); err != nil || done.Works || done.Code == "" {
		t.Errorf("%+v %v", done, err)
	}
	o.fresh = &connection.Refusal{Code: connection.CodeReauthorization, Reason: "terminal"}
	if done, err := o.Test(t.Context(), o.picture.UID, id, admin("why")); err != nil || done.Works || done.Code != "reauthorization_required" {
		t.Errorf("%+v %v", done, err)
	}
	o.fresh = errors.New("the database is away")
	if _, err := o.Test(t.Context(), o.picture.UID, id, admin("why")); err == nil {
		t.Error("an outage of ours is taken for the provider's")
	}
	if _, err := o.Test(t.Context(), o.picture.UID, "con_none", admin("why")); !errors.Is(err, connection.ErrGone) {
		t.Error(err)
	}
}
