package object_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// TestNewClientTakesOver: a Client object for a client_id that could be in use already takes something away, so that what
// was decided without it does not commit. Any other new client is quiet.
func TestNewClientTakesOver(t *testing.T) {
	for clientID, want := range map[string]bool{
		"claude": false, "dyn_x": false, "https://app.example.com/client.json": true, "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G": true,
	} {
		h := newHouse(t)
		root, err := h.path.TenantUID(t.Context(), tenant.DefaultName)
		if err != nil {
			t.Fatal(err)
		}
		before, err := h.store.Version(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		h.apply(t, "apiVersion: chancery/v1\nkind: Client\nmetadata: {name: blocked}\nspec: {client_id: \""+clientID+"\", type: public, disabled: true}\n", by(object.ManagerApply))
		after, err := h.store.Version(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		if raised := after > before; raised != want {
			t.Errorf("%s: raised %v, want %v", clientID, raised, want)
		}
	}
}
