package snapshot

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// Offline returns an IdentityProvider's entry, and the way in through it, as a tenant with an issuer would have them: for
// taking messages apart where there is no server. Secrets are not resolved, keys of ours do not exist and nothing is
// fetched, so that nobody can be sent anywhere by it; what a message is verified with is the entry's alone.
func Offline(ctx context.Context, stored object.Stored, issuer string, now func() time.Time) (federation.IdentityProvider, SignIn, error) {
	stored.ManagedBy = object.ManagerConfig
	t := &Tenant{UID: stored.Tenant, Name: tenant.DefaultName, Issuer: issuer}
	spec, err := specOf[*object.IdentityProviderSpec](stored)
	if err != nil {
		return federation.IdentityProvider{}, SignIn{}, err
	}
	idp, err := identityProvider(stored)
	if err != nil || issuer == "" {
		return idp, SignIn{}, err
	}
	s := &Source{config: Config{Now: now, Log: slog.New(slog.DiscardHandler), SignInConfig: SignInConfig{
		ResolveSecret:    func(object.SecretRef) (secret.Text, error) { return secret.New("not resolved"), nil },
		AssertionSigners: noSigners{},
	}}}
	err = s.fillSignIn(ctx, t, []entrance{{stored: stored, spec: spec, filled: spec.WithDefaults(), idp: &idp}}, nil)
	return idp, t.SignIn, err
}

type noSigners struct{}

// Signer implements AssertionSigners.
func (noSigners) Signer(tenant.UID) oidc.AssertionSigner { return noSigners{} }

// SignAssertion implements oidc.AssertionSigner.
func (noSigners) SignAssertion(context.Context, map[string]any) (string, error) {
	return "", errors.New("nothing is signed offline")
}
