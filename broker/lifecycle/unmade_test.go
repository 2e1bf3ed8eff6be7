package lifecycle

import (
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/object"
)

// TestClientsThatNobodyMade can be ended whether they are there or not: no host is asked, and no registration.
func TestClientsThatNobodyMade(t *testing.T) {
	for _, uid := range []string{cimd.UID("https://app.example.com/client.json"), "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G"} {
		h := newHouse(t)
		done, err := h.RevokeHolder(t.Context(), acme, Client, uid, Request{By: by})
		if err != nil || done.UID != uid || len(h.marks) != 1 || h.marks[0].Holder != (Holder{Client, uid}) {
			t.Errorf("%s: %+v, %v", uid, done, err)
		}
		for _, kind := range []Kind{User, IdP} {
			if _, err := newHouse(t).RevokeHolder(t.Context(), acme, kind, uid, Request{By: by}); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("%s as %s: %v", uid, kind, err)
			}
		}
	}
	for _, which := range []string{"cimd_x", "dyn_x", "https://app.example.com/client.json", "cli_9"} {
		if _, err := newHouse(t).RevokeHolder(t.Context(), acme, Client, which, Request{By: by}); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("%s: %v", which, err)
		}
	}
}
