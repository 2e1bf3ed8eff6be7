package grant_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
)

// What the tenant changed since the request was judged may be the client itself: a code is decided on the client of now.
func TestCodeForAClientThatChangedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]any
		code   oauth.Code
		shown  bool // nothing goes to a redirect URI that may be somebody else's now
	}{
		"disabled":         {map[string]any{"disabled": true}, oauth.CodeAuthorizationClientUnknown, true},
		"redirect removed": {map[string]any{"redirect_uris": []string{"https://other.example/cb"}}, oauth.CodeRedirectURIUnregistered, true},
		"grant removed":    {map[string]any{"grant_types": []string{"client_credentials"}}, oauth.CodeClientGrantNotAllowed, false},
		"scopes removed":   {map[string]any{"scopes": []string{}}, oauth.CodeScopeEmpty, false},
	} {
		for _, when := range []string{"considered", "agreed"} {
			t.Run(name+" before it was "+when, func(t *testing.T) {
				p := newPeople(t)
				k := p.consideration(t, nil)
				change := func() {
					p.edit(t, object.KindClient, "agent", func(s map[string]any) {
						maps.Copy(s, c.change)
					})
					p.journal.answers = []error{ledger.ErrStale}
				}
				if when == "considered" {
					change()
				}
				considered, err := p.Consider(t.Context(), k)
				if when == "agreed" {
					if err != nil {
						t.Fatal(err)
					}
					change()
					_, err = p.Code(t.Context(), grant.CodeOrder{Consideration: k, Considered: considered})
				}
				_, shown := errors.AsType[*authorization.Shown](err)
				if oauth.AsError(err).Code != c.code || shown != c.shown {
					t.Errorf("%v, shown to the person alone: %t", err, shown)
				}
			})
		}
	}
}
