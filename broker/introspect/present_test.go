package introspect

import (
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/token"
)

func TestPresent(t *testing.T) {
	h := newHouse(t, nil)
	p, err := h.Present(t.Context(), h.request.Tenant, h.text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Holder.Name != "claude" || p.Resource.Name != "notes" || p.IdP == nil || p.IdP.Name != "okta" || p.Person == nil || p.Person.UID != h.uids["alice"] ||
		p.Token.Claims().ID != h.claims.ID {
		t.Errorf("%+v", p)
	}
}

// TestPresentInactive: each differs from one that is active in one thing.
func TestPresentInactive(t *testing.T) {
	for name, change := range map[string]func(*setup){
		"expired":               func(s *setup) { s.claims = func(c *token.Claims) { c.ExpiresAt = now } },
		"another issuer":        func(s *setup) { s.claims = func(c *token.Claims) { c.Issuer = issuer + "/t/acme" } },
		"no such resource":      func(s *setup) { s.claims = func(c *token.Claims) { c.Audience = notes + "/other" } },
		"another resource":      func(s *setup) { s.record = func(k *lifecycle.Known) { k.ResourceUID = "res_other" } },
		"not recorded":          func(s *setup) { s.forget = true },
		"revoked":               func(s *setup) { s.record = func(k *lifecycle.Known) { k.Revoked = true } },
		"recorded for another":  func(s *setup) { s.record = func(k *lifecycle.Known) { k.Subject = "usr_other" } },
		"another client's":      func(s *setup) { s.record = func(k *lifecycle.Known) { k.ClientUID = "cli_other" } },
		"of an IdP that is not": func(s *setup) { s.record = func(k *lifecycle.Known) { k.IdPUID = "idp_other" } },
		"of a client that is no more": func(s *setup) {
			s.claims = func(c *token.Claims) { c.ClientID = "nobody" }
		},
		"of a user who is not there": func(s *setup) {
			s.claims = func(c *token.Claims) { c.Subject = "usr_01JZZZZZZZZZZZZZZZZZZZZZZZ" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, change)
			if p, err := h.Present(t.Context(), h.request.Tenant, h.text); !errors.Is(err, ErrInactive) || p.Holder != nil || p.Person != nil {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	h := newHouse(t, nil)
	for name, compact := range map[string]string{"nothing": "", "no token": "x.y.z", "cut short": h.text[:len(h.text)-4]} {
		if _, err := h.Present(t.Context(), h.request.Tenant, compact); !errors.Is(err, ErrInactive) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is looked up on an older picture than the database's is looked up again by who asked, and what is not known is no no.
func TestPresentOlderPictures(t *testing.T) {
	h := newHouse(t, nil)
	h.behind = 1
	if _, err := h.Present(t.Context(), h.request.Tenant, h.text); !errors.Is(err, ledger.ErrStale) {
		t.Errorf("on an older picture: %v", err)
	}
	h.behind, h.fail = 0, errors.New("the database is away")
	if _, err := h.Present(t.Context(), h.request.Tenant, h.text); err == nil || errors.Is(err, ErrInactive) {
		t.Errorf("not knowing: %v", err)
	}
}
