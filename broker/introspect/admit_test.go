package introspect

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// admit shows the house's token at a place of ours.
func (h *house) admit(audience string) (Admission, error) {
	return h.Admit(h.t.Context(), Bearer{Tenant: h.request.Tenant, Method: "GET", Authorization: []string{"Bearer " + h.text}}, Place{Audience: audience, URL: audience, Name: "admin"})
}

func TestAdmit(t *testing.T) {
	h := newHouse(t, nil)
	got, err := h.admit(notes)
	if err != nil || got.Tenant() == nil || got.Claims().ID != h.claims.ID || got.Known().Audience != notes {
		t.Fatalf("%+v %v", got, err)
	}
	if len(h.entries) != 0 {
		t.Errorf("%d entries for nothing", len(h.entries))
	}
	for name, test := range map[string]struct {
		change   func(*setup)
		audience string
	}{
		"another place":  {nil, "https://mcp.acme.com/wiki"},
		"no place":       {nil, ""},
		"revoked":        {func(s *setup) { s.record = func(k *lifecycle.Known) { k.Revoked = true } }, notes},
		"no record":      {func(s *setup) { s.forget = true }, notes},
		"another client": {func(s *setup) { s.record = func(k *lifecycle.Known) { k.ClientUID = "cli_other" } }, notes},
		"another user":   {func(s *setup) { s.record = func(k *lifecycle.Known) { k.Subject = "usr_other" } }, notes},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, test.change)
			got, err := h.admit(test.audience)
			if refusal := oauth.AsError(err); refusal.Code != oauth.CodeAccessTokenInvalid || got.Tenant() != nil {
				t.Fatalf("%+v %v", got, err)
			}
			if len(h.lane) != 0 {
				t.Error("it is recorded twice: whoever asked does")
			}
		})
	}
}
