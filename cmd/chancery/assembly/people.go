package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// peopleConfig is what pictures need beside objects, so that people can sign in.
func (s *Server) peopleConfig() snapshot.SignInConfig {
	return snapshot.SignInConfig{
		ResolveSecret: s.resolve, MayRefer: s.mayRefer, ReadFile: readPicture,
		AssertionSigners: assertionSigners{rings: s.rings, algorithm: s.Config.Keys.Algorithm},
		SAMLMetadata:     s.metadata, ServiceProviderKeys: s.serviceProviders,
	}
}

// mayRefer: which secrets objects may refer to that are not of the configuration file.
func (s *Server) mayRefer(r object.SecretRef) bool {
	return slices.Contains(s.Config.Admin.SecretReferences, r.String())
}

// readPicture reads a tenant's logo, and no more than could be one.
func readPicture(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the configuration's
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	return io.ReadAll(io.LimitReader(file, object.MaxLogoBytes+1))
}

// assertionSigners sign for our clients at IdPs with the keys that the tenant publishes.
type assertionSigners struct {
	rings     *keys.Rings
	algorithm string
}

// Signer implements snapshot.AssertionSigners.
func (a assertionSigners) Signer(t tenant.UID) oidc.AssertionSigner {
	return assertionSigner{rings: a.rings, algorithm: a.algorithm, tenant: t}
}

type assertionSigner struct {
	rings     *keys.Rings
	algorithm string
	tenant    tenant.UID
}

// SignAssertion implements oidc.AssertionSigner, with the key that signs at this moment.
func (a assertionSigner) SignAssertion(ctx context.Context, claims map[string]any) (string, error) {
	signer, err := a.rings.Signer(ctx, a.tenant, a.algorithm)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return signer.Sign("JWT", text) // RFC 7523 §2.2; 7523bis has a type of its own, which IdPs do not know yet
}
