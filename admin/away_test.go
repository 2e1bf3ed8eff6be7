package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/ledger"
)

// awayError is a store's error about reaching the database.
type awayError struct{ away bool }

func (n awayError) Error() string { return "dial tcp 192.0.2.1:5432: connection refused" }

func (n awayError) Unavailable() bool { return n.away }

// TestDatabaseIsAway: a caller is told that nobody can know at the moment, and when to come again; not where the database is.
func TestDatabaseIsAway(t *testing.T) {
	for name, err := range map[string]error{
		"a read":  fmt.Errorf("list: %w", awayError{away: true}),
		"a write": errors.Join(ledger.ErrUnavailable, errors.New("dial tcp 192.0.2.1:5432: connection refused")),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.tokens.err = err
			h.refused(t, request{method: http.MethodGet, path: "/admin/v1/tokens", role: admin.RoleOwner}, http.StatusServiceUnavailable, "database_unavailable")
			answer := h.do(t, request{method: http.MethodGet, path: "/admin/v1/tokens", role: admin.RoleOwner})
			if got := answer.Header().Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After %q", got)
			}
			if strings.Contains(answer.Body.String(), "192.0.2.1") {
				t.Errorf("says where the database is: %s", answer.Body)
			}
		})
	}
	h := newHouse(t)
	for name, err := range map[string]error{"a mistake": errors.New("x"), "no store's": awayError{}} {
		h.tokens.err = err
		answer := h.do(t, request{method: http.MethodGet, path: "/admin/v1/tokens", role: admin.RoleOwner})
		if answer.Code != http.StatusInternalServerError || answer.Header().Get("Retry-After") != "" {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}
