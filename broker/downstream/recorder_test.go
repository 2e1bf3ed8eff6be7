package downstream_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// desk is what a recorder has around it.
type desk struct {
	connection.Store
	row       connection.Connection
	gone      bool
	fail      error
	events    []audit.Event
	cut       error // what the journal answers
	refreshed []string
	alerted   []string
	log       bytes.Buffer
}

func (d *desk) Save(context.Context, connection.Attempt, connection.Successor) error { return d.fail }

func (d *desk) Fail(context.Context, connection.Attempt, connection.Failure) error { return d.fail }

func (d *desk) Load(context.Context, string, string) (connection.Stored, error) {
	if d.gone {
		return connection.Stored{}, connection.ErrGone
	}
	return connection.Stored{Connection: d.row, Blob: []byte("sealed")}, nil
}

func (d *desk) Commit(ctx context.Context, e ledger.Entry) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.events = append(d.events, e.Event)
	return d.cut
}

func (d *desk) Refreshed(provider, outcome string) {
	d.refreshed = append(d.refreshed, provider+" "+outcome)
}
func (d *desk) Alerted(kind string) { d.alerted = append(d.alerted, kind) }

func newDesk(t *testing.T) (*desk, *downstream.Recorder) {
	t.Helper()
	_, source := snapshottest.New(t, "https://auth.acme.com", func() time.Time { return begin }, downstreamDocs)
	picture, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	hub, _ := picture.Provider("hub")
	d := &desk{row: connection.Connection{Ref: connection.Ref{
		Tenant: picture.UID.String(), ID: "con_1", Owner: connection.Owner{Kind: connection.User, UID: "usr_alice"}, Provider: hub.UID,
	}}}
	d.row.Account.Label = "alice@hub.example"
	r, err := downstream.NewRecorder(downstream.Recorder{
		Store: d, Pictures: source, Journal: d, Counted: d, Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: func() time.Time { return begin },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, r
}

func (d *desk) attempt() connection.Attempt {
	return connection.Attempt{Tenant: d.row.Tenant, ID: d.row.ID, Version: 1, Name: "try_1", By: "replica-1"}
}

func TestRefreshesAreRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		failure *connection.Failure // nil: it was saved
		counted string
		event   audit.Type // "": none
	}{
		"saved":     {nil, "hub saved", audit.TypeConnectionRefreshed},
		"dead":      {&connection.Failure{Code: "terminal", Terminal: true}, "hub terminal", audit.TypeConnectionReauth},
		"lost":      {&connection.Failure{Code: "refresh_lost", Terminal: true, Lost: true}, "hub refresh_lost", audit.TypeConnectionReauth},
		"transient": {&connection.Failure{Code: "transient"}, "hub transient", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, r := newDesk(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // whoever asked has gone; what happened is told
			var err error
			if test.failure == nil {
				err = r.Save(ctx, d.attempt(), connection.Successor{})
			} else {
				err = r.Fail(ctx, d.attempt(), *test.failure)
			}
			if err != nil || len(d.refreshed) != 1 || d.refreshed[0] != test.counted {
				t.Fatalf("%v %v", err, d.refreshed)
			}
			if test.event == "" {
				if len(d.events) != 0 {
					t.Errorf("%+v", d.events)
				}
				return
			}
			if len(d.events) != 1 {
				t.Fatalf("%+v", d.events)
			}
			e := d.events[0]
			if e.Type != test.event || !e.Type.Registered() || e.Tenant.String() != d.row.Tenant || e.OnBehalf != "usr_alice" || e.Detail["connection"] != "con_1" ||
				e.Detail["provider"] != "hub" || e.Detail["account"] != "alice@hub.example" || e.Detail["owner"] != "usr_alice" || e.ID == "" || !e.At.Equal(begin) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// What the store refused has not happened; what the journal did not take has.
func TestOnlyWhatHappenedIsRecorded(t *testing.T) {
	d, r := newDesk(t)
	d.fail = connection.ErrMoved
	if err := r.Save(t.Context(), d.attempt(), connection.Successor{}); !errors.Is(err, connection.ErrMoved) {
		t.Error(err)
	}
	if err := r.Fail(t.Context(), d.attempt(), connection.Failure{Code: "terminal", Terminal: true}); !errors.Is(err, connection.ErrMoved) {
		t.Error(err)
	}
	if len(d.events)+len(d.refreshed) != 0 {
		t.Errorf("%v %v", d.events, d.refreshed)
	}
	d, r = newDesk(t)
	d.cut = errors.New("the database is away")
	if err := r.Save(t.Context(), d.attempt(), connection.Successor{}); err != nil {
		t.Errorf("a credential that is saved is taken for lost: %v", err)
	}
	if !strings.Contains(d.log.String(), "was not recorded") {
		t.Error("nobody is told")
	}
	d, r = newDesk(t)
	d.gone = true
	if err := r.Fail(t.Context(), d.attempt(), connection.Failure{Code: "terminal", Terminal: true}); err != nil || len(d.events) != 1 || d.refreshed[0] != " terminal" {
		t.Errorf("%v %v %v", err, d.events, d.refreshed)
	}
}

func TestAlertsAreRecorded(t *testing.T) {
	d, r := newDesk(t)
	for _, kind := range []connection.AlertKind{
		connection.AlertLost, connection.AlertDead, connection.AlertUnopened, connection.AlertOrphan, connection.AlertRepaired,
		connection.AlertSuperseded, connection.AlertMisconfigured, connection.AlertUnrevoked,
	} {
		d.events, d.alerted = nil, nil
		d.log.Reset()
		r.Alert(t.Context(), connection.Alert{Kind: kind, Ref: d.row.Ref, Version: 3, Attempt: "try_1", Detail: "it does not open in its place"})
		if len(d.alerted) != 1 || d.alerted[0] != string(kind) || len(d.events) != 1 || d.events[0].Type != audit.TypeConnectionAlert ||
			d.events[0].Detail["alert"] != string(kind) || d.events[0].Detail["provider"] != "hub" || !strings.Contains(d.log.String(), string(kind)) {
			t.Errorf("%s: %v %+v %s", kind, d.alerted, d.events, d.log.String())
		}
	}
	d.events = nil
	r.Alert(t.Context(), connection.Alert{Kind: connection.AlertUnopened}) // of nobody: told, and in no tenant's log
	if len(d.events) != 0 || len(d.alerted) != 2 {
		t.Errorf("%+v", d.events)
	}
}

func TestRecordersNeedEveryPart(t *testing.T) {
	_, whole := newDesk(t)
	for name, take := range map[string]func(*downstream.Recorder){
		"store":    func(r *downstream.Recorder) { r.Store = nil },
		"pictures": func(r *downstream.Recorder) { r.Pictures = nil },
		"journal":  func(r *downstream.Recorder) { r.Journal = nil },
		"counted":  func(r *downstream.Recorder) { r.Counted = nil },
		"log":      func(r *downstream.Recorder) { r.Log = nil },
		"clock":    func(r *downstream.Recorder) { r.Now = nil },
	} {
		r := *whole
		take(&r)
		if _, err := downstream.NewRecorder(r); err == nil {
			t.Errorf("without %s", name)
		}
	}
}
