package lifecycle

import (
	"context"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// accounts are what is connected, in memory.
type accounts struct {
	held  map[string]int64
	ended []string
	fail  error
}

func (a *accounts) CountHeld(_ context.Context, _ tenant.UID, kind Kind, uid string) (int64, error) {
	return a.held[string(kind)+" "+uid], a.fail
}

func (a *accounts) RevokeHeld(_ context.Context, _ tenant.UID, kind Kind, uid string, q Request) (int64, error) {
	a.ended = append(a.ended, string(kind)+" "+uid+" "+q.Reason)
	return a.held[string(kind)+" "+uid], a.fail
}

func TestConnectionsEndWithTheirOwner(t *testing.T) {
	for name, test := range map[string]struct {
		kind  Kind
		which string
		want  int64
		ended int
	}{
		"user":   {User, "alice", 2, 1},
		"client": {Client, "claude", 3, 1},
		"idp":    {IdP, "okta", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := &accounts{held: map[string]int64{"user usr_1": 2, "client cli_1": 3, "idp idp_1": 5}}
			h.Connections = a
			if done, err := h.RevokeHolder(t.Context(), acme, test.kind, test.which, Request{By: by, DryRun: true}); err != nil || done.Connections != test.want || len(a.ended) != 0 {
				t.Errorf("only counted: %+v %v %v", done, err, a.ended)
			}
			done, err := h.RevokeHolder(t.Context(), acme, test.kind, test.which, Request{By: by, Reason: "stolen"})
			if err != nil || done.Connections != test.want || len(a.ended) != test.ended {
				t.Errorf("%+v %v %v", done, err, a.ended)
			}
		})
	}
}

// The tokens are dead whatever becomes of the connections; that not all could be ended is said.
func TestConnectionsThatDoNotEnd(t *testing.T) {
	h := newHouse(t)
	h.Connections = &accounts{held: map[string]int64{}, fail: errors.New("the database is away")}
	done, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by})
	if err != nil || done.Connections != uncounted || len(h.marks) != 1 || done.Tokens != 3 {
		t.Errorf("%+v %v", done, err)
	}
	if _, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by, DryRun: true}); err == nil {
		t.Error("a count that failed is taken for one")
	}
	h = newHouse(t)
	if done, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by}); err != nil || done.Connections != 0 {
		t.Errorf("nothing is connected here: %+v %v", done, err)
	}
}
