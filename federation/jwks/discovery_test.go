package jwks_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func document(iss, uri string) page {
	return page{body: `{"issuer":"` + iss + `","jwks_uri":"` + uri + `","other":[1]}`}
}

func (h *house) discover(t *testing.T, iss, kid string) error {
	t.Helper()
	_, err := h.Keys(t.Context(), "tenant", jwks.Source{Issuer: iss}, kid)
	return err
}

// Where metadata is looked for, and in which order.
func TestDiscoveryPlaces(t *testing.T) {
	const wellKnown = "/.well-known/"
	for iss, places := range map[string][]string{
		"https://idp.example":                 {"https://idp.example" + wellKnown + "openid-configuration", "https://idp.example" + wellKnown + "oauth-authorization-server"},
		"https://idp.example/":                {"https://idp.example" + wellKnown + "openid-configuration", "https://idp.example" + wellKnown + "oauth-authorization-server"},
		"https://idp.example/tid/v2.0":        {"https://idp.example/tid/v2.0" + wellKnown + "openid-configuration", "https://idp.example" + wellKnown + "oauth-authorization-server/tid/v2.0"},
		"https://idp.example:8443/realms/a%2": nil,
		"https://idp.example?tenant=a":        nil,
		"https://idp.example#a":               nil,
		"https://idp.example#":                nil,
		"https://user@idp.example":            nil,
		"ftp://idp.example":                   nil,
		"idp.example":                         nil,
		"urn:idp":                             nil,
		"":                                    nil,
	} {
		h := newHouse(t)
		h.publish(t, "a")
		err := h.discover(t, iss, "a")
		if !errors.Is(err, jwks.ErrUnavailable) || !slices.Equal(h.web.asked, places) {
			t.Errorf("%s: asked %v, %v", iss, h.web.asked, err)
		}
		for _, place := range places {
			h := newHouse(t)
			h.publish(t, "a")
			h.web.put(place, document(iss, keysURL))
			if err := h.discover(t, iss, "a"); err != nil {
				t.Errorf("%s at %s: %v", iss, place, err)
			}
		}
	}
}

func TestDiscoveryRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		page page
		want error
	}{
		"another issuer":       {document("https://evil.example", keysURL), jwks.ErrMetadata},
		"trailing slash":       {document(issuer+"/", keysURL), jwks.ErrMetadata},
		"issuer in capitals":   {document("https://IDP.example", keysURL), jwks.ErrMetadata},
		"issuer template":      {document("https://idp.example/{tenantid}", keysURL), jwks.ErrMetadata},
		"issuer absent":        {page{body: `{"jwks_uri":"` + keysURL + `"}`}, jwks.ErrMetadata},
		"issuer null":          {page{body: `{"issuer":null,"jwks_uri":"` + keysURL + `"}`}, jwks.ErrMetadata},
		"issuer twice":         {page{body: `{"issuer":"x","issuer":"` + issuer + `","jwks_uri":"` + keysURL + `"}`}, jwks.ErrMetadata},
		"Issuer too":           {page{body: `{"issuer":"` + issuer + `","Issuer":"x","jwks_uri":"` + keysURL + `"}`}, jwks.ErrMetadata},
		"jwks_uri absent":      {page{body: `{"issuer":"` + issuer + `"}`}, jwks.ErrMetadata},
		"jwks_uri list":        {page{body: `{"issuer":"` + issuer + `","jwks_uri":["` + keysURL + `"]}`}, jwks.ErrMetadata},
		"not JSON":             {page{body: `<html>`}, jwks.ErrMetadata},
		"jwks_uri not there":   {document(issuer, "https://idp.example/absent"), fetch.ErrStatus},
		"cannot be reached":    {page{err: &fetch.Error{Kind: fetch.ErrTransport}}, fetch.ErrTransport},
		"refused by the rules": {page{err: &fetch.Error{Kind: fetch.ErrRefused}}, fetch.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.publish(t, "a")
			h.web.put(metadata, c.page)
			// The second place has good metadata: a wrong document is not passed over.
			h.web.put("https://idp.example/.well-known/oauth-authorization-server", document(issuer, keysURL))
			if err := h.discover(t, issuer, "a"); !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// An unknown kid asks for the keys only; a scheduled refresh asks the metadata
// again; and when the keys are gone from their place, so does the next attempt.
func TestDiscoveryIsRepeatedWhenDue(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.web.put(metadata, document(issuer, keysURL))
	expect := func(kid string, want error, asked ...string) {
		t.Helper()
		h.web.asked = nil
		if err := h.discover(t, issuer, kid); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		h.settled(t)
		if !slices.Equal(h.web.asked, asked) {
			t.Fatalf("asked %v, want %v", h.web.asked, asked)
		}
	}
	expect("a", nil, metadata, keysURL)
	h.clock.advance(jwks.RefetchAfter)
	expect("unknown", jwks.ErrUnknownKey, keysURL)
	h.clock.advance(jwks.DefaultMaxAge)
	expect("a", nil, metadata, keysURL)

	moved := "https://idp.example/keys/v2" // on the same host
	h.web.put(moved, h.web.pages[keysURL])
	h.web.put(metadata, document(issuer, moved))
	delete(h.web.pages, keysURL)
	h.clock.advance(jwks.RefetchAfter)
	expect("unknown", jwks.ErrUnknownKey, keysURL)
	h.clock.advance(jwks.RefetchAfter)
	expect("unknown", jwks.ErrUnknownKey, metadata, moved)
}

// F12: metadata that changes its issuer, or sends us to another host for the
// keys, is refused and told; the last good keys stay.
func TestMovedMetadataIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		page page
		want error
	}{
		"jwks_uri on another host": {document(issuer, "https://evil.example/keys"), jwks.ErrKeysMoved},
		"jwks_uri on another port": {document(issuer, "https://idp.example:8443/keys"), jwks.ErrKeysMoved},
		"jwks_uri without TLS":     {document(issuer, "http://idp.example/keys"), jwks.ErrKeysMoved},
		"another issuer":           {document("https://evil.example", keysURL), jwks.ErrMetadata},
	} {
		h := newHouse(t)
		h.publish(t, "a")
		h.web.put(metadata, document(issuer, keysURL))
		if err := h.discover(t, issuer, "a"); err != nil {
			t.Fatal(err)
		}
		h.settled(t)
		for _, place := range []string{"https://evil.example/keys", "https://idp.example:8443/keys", "http://idp.example/keys"} {
			h.web.put(place, page{body: string(set(t, jwk(t, "evil", newEd(t))))})
		}
		h.web.put(metadata, c.page)
		for range 3 {
			h.clock.advance(time.Hour)
			if err := h.discover(t, issuer, "a"); err != nil {
				t.Errorf("%s: the last good key is gone: %v", name, err)
			}
			if e := h.settled(t); !errors.Is(e.Err, c.want) {
				t.Errorf("%s: told %v, want %v", name, e.Err, c.want)
			}
			if err := h.discover(t, issuer, "evil"); !errors.Is(err, jwks.ErrUnknownKey) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
