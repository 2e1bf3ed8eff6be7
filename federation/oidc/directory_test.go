package oidc_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// rename gives alice another address, unverified.
func (s *site) rename(address string) {
	s.breakWith(func(d *idptest.Draft) { d.Claims["email"], d.Claims["email_verified"] = address, false })
}

// everybody is a directory in which the chief has an address, and no link to the IdP.
type everybody struct{}

func (everybody) BySubject(_ context.Context, idp *federation.IdentityProvider, tid, sub string) ([]federation.Account, error) {
	if idp.UID == "idp_okta" && tid == tenant && sub == oid {
		return []federation.Account{{UID: "usr_alice", Status: federation.StatusActive}}, nil
	}
	return nil, nil
}

func (everybody) BySubjectID(context.Context, *federation.IdentityProvider, string, string) ([]federation.Account, error) {
	return nil, nil
}

func (everybody) ByID(context.Context, string) ([]federation.Account, error) { return nil, nil }

func (everybody) ByEmail(context.Context, string) ([]federation.Account, error) {
	return []federation.Account{{UID: "usr_chief", Email: "alice@acme.com", Status: federation.StatusActive}}, nil
}

func (everybody) IdPs(context.Context, string) ([]string, error) { return nil, nil }

// nowhere is no way out.
type nowhere struct{}

func (nowhere) RoundTripper(fetch.Network, fetch.Limit) (http.RoundTripper, error) {
	return nil, errSealed
}

// decodeClaims takes the claims out of a compact token.
func decodeClaims(compact string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
}
