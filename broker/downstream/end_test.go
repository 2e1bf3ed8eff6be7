package downstream_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

func alice() downstream.By {
	return downstream.By{Principal: audit.Principal{Kind: "user", ID: "usr_alice"}, Trace: "trc_1", Reason: "removed", Remote: "192.0.2.1"}
}

// TestEnd: what a person removes ends at its provider before he is told so, on the one way on which everything ends.
func TestEnd(t *testing.T) {
	for name, test := range map[string]struct {
		provider string
		status   int
		ended    bool
		stays    bool
		at       string
	}{
		"the provider ends it":       {"hub", http.StatusOK, true, false, "revoked"},
		"the provider is away":       {"hub", http.StatusServiceUnavailable, false, true, ""},
		"the provider offers no end": {"mute", http.StatusOK, false, false, "cannot_be_revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.status = test.status
			id := o.connect(t, test.provider, nil)
			ended, err := o.End(t.Context(), o.picture.UID, id, alice())
			if err != nil || ended != test.ended {
				t.Fatalf("ended %v, %v", ended, err)
			}
			s, there := o.rows[id]
			if there != test.stays || there && s.Status != connection.Revoked {
				t.Errorf("there %v, %s", there, s.Status)
			}
			if len(o.moved) != 1 || o.moved[0].Type != audit.TypeConnectionRevoked || o.moved[0].Principal.ID != "usr_alice" || o.moved[0].Remote != "192.0.2.1" || o.moved[0].OnBehalf != "usr_alice" {
				t.Errorf("%+v", o.moved)
			}
			if test.stays { // the next to look goes on
				if o.nudged != 1 || len(o.ended) != 0 {
					t.Errorf("nudged %d times, %+v", o.nudged, o.ended)
				}
				o.taken, o.status = nil, http.StatusOK
				if gone, _, err := o.Tell(t.Context(), o.picture.UID); err != nil || gone != 1 || len(o.ended) != 1 {
					t.Errorf("%d gone, %v", gone, err)
				}
				return
			}
			if len(o.ended) != 1 || o.ended[0].Detail["at_provider"] != test.at {
				t.Errorf("%+v", o.ended)
			}
			if _, err := o.End(t.Context(), o.picture.UID, id, alice()); !errors.Is(err, connection.ErrGone) {
				t.Errorf("ended twice: %v", err)
			}
		})
	}
}

// TestEndWhileRefreshed: a refresh that saves between the commit and the provider's word is not forgotten: the row stays for
// the successor, which ends next.
func TestEndWhileRefreshed(t *testing.T) {
	o := newOffice(t)
	id := o.connect(t, "hub", nil)
	o.during = func() {
		o.during = nil
		s := o.rows[id]
		sealed, err := connection.Seal(t.Context(), o.Sealer, s.Ref, 2, provider.Credential{
			Origin: provider.FromPerson, Access: provider.NewSecret("a2"), Refresh: provider.NewSecret("successor"),
		}, o.now)
		if err != nil {
			t.Error(err)
		}
		s.Version, s.Blob = 2, sealed.Blob
		o.rows[id] = s
	}
	ended, err := o.End(t.Context(), o.picture.UID, id, alice())
	if err != nil || ended || o.nudged != 1 {
		t.Fatalf("ended %v, %v, nudged %d times", ended, err, o.nudged)
	}
	if _, there := o.rows[id]; !there {
		t.Fatal("the successor went without its end")
	}
	o.taken = nil
	if gone, _, err := o.Tell(t.Context(), o.picture.UID); err != nil || gone != 1 || !slices.Contains(o.revoked, "successor") {
		t.Fatalf("%d gone, %v, told of %v", gone, err, o.revoked)
	}
}

// TestHoldingsRefuseNothing: none of their parts may be missing.
func TestHoldingsRefuseNothing(t *testing.T) {
	if _, err := downstream.NewHoldings(downstream.Holdings{}); err == nil {
		t.Error("holdings of nothing")
	}
}

// noTenant has no picture of anybody: the tenant was deleted.
type noTenant struct{}

func (noTenant) Of(context.Context, tenant.UID) (*snapshot.Tenant, error) {
	return nil, snapshot.ErrUnknownTenant
}

// TestATenantThatIsGone: what was connected there ends at its provider all the same.
func TestATenantThatIsGone(t *testing.T) {
	o := newOffice(t)
	id := o.connect(t, "hub", nil)
	o.Pictures = noTenant{}
	o.unheld = []connection.Connection{o.rows[id].Connection}
	if ended, err := o.Reconcile(t.Context(), o.picture.UID); err != nil || ended != 1 {
		t.Fatalf("%d ended, %v", ended, err)
	}
	if gone, left, err := o.Tell(t.Context(), o.picture.UID); err != nil || gone != 1 || left != 0 || !slices.Contains(o.revoked, "refresh-"+id) {
		t.Fatalf("%d gone, %d left, %v, told of %v", gone, left, err, o.revoked)
	}
}
