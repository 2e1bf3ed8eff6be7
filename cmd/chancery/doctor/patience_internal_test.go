package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
)

// hanging is a server whose every test of an IdP goes on for ever.
type hanging struct {
	idps  int
	tests atomic.Int64
}

func (h *hanging) List(_ context.Context, kind object.Kind) ([]object.Object, error) {
	if kind == object.KindTenant {
		return []object.Object{{Metadata: object.Metadata{Name: "default"}}}, nil
	}
	all := make([]object.Object, h.idps)
	for i := range all {
		all[i] = object.Object{Metadata: object.Metadata{Name: fmt.Sprintf("idp-%03d", i)}, Spec: &object.IdentityProviderSpec{}}
	}
	return all, nil
}

func (h *hanging) Keys(context.Context) ([]client.Key, error) { return nil, nil }

func (h *hanging) VaultKeys(ctx context.Context) (client.VaultKeys, error) {
	<-ctx.Done()
	return client.VaultKeys{}, ctx.Err()
}

func (h *hanging) TestIdP(ctx context.Context, _ client.IdPTest) (json.RawMessage, error) {
	h.tests.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestIdPsThatHang: each is given up on after a while, and its row is there.
func TestIdPsThatHang(t *testing.T) {
	d := doctorOf(t, nil)
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{idps: 20}
		d.served, d.Admin = true, func(string) Admin { return h }
		d.idps(t.Context())
		if len(d.report.Rows) != 20 || h.tests.Load() != 20 {
			t.Fatalf("%d rows, %d tests", len(d.report.Rows), h.tests.Load())
		}
		for i, row := range d.report.Rows {
			if row.Check != fmt.Sprintf("idp idp-%03d", i) || row.Status != Fail || row.Do == "" {
				t.Errorf("%+v", row)
			}
		}
	})
}

// TestTimeRunsOut: what was seen until then is told, what was not is not taken for good.
func TestTimeRunsOut(t *testing.T) {
	answer := httptest.NewServer(http.NotFoundHandler())
	defer answer.Close()
	l := load(t, map[string]any{"server.public_url": "http://127.0.0.1:1", "database.url": "sqlite:///nowhere/x.db"})
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	report, err := Run(late, Config{Loaded: l, AdminError: errors.New("none"), AdminURL: answer.URL, HTTP: http.DefaultClient, Now: doctorOf(t, nil).Now})
	if err != nil || report.Healthy() || len(report.Rows) < 10 {
		t.Fatalf("%+v %v", report, err)
	}
	if last := report.Rows[len(report.Rows)-1]; last.Check != "time" || last.Status != Fail || last.Do == "" {
		t.Errorf("%+v", last)
	}
	gone, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := Run(gone, Config{Loaded: l, HTTP: http.DefaultClient, Now: doctorOf(t, nil).Now}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
