package faults

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

const corp = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: corp}
spec:
  preset: saml
  saml:
    metadata: |
      METADATA
  assertions: {profiles: [saml2-bearer], max_lifetime: 5m, clock_skew: 30s, clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---`

// company is a SAML IdP with its pages, and its entry, which no world has yet.
type company struct {
	*samltest.IdP
	entry       string
	certificate *x509.Certificate

	mu      sync.Mutex
	handler http.Handler
}

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	h := c.handler
	c.mu.Unlock()
	h.ServeHTTP(w, r)
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	c.certificate = server.Certificate()
	c.IdP = samltest.New(func() time.Time { return time.Now().UTC().Truncate(time.Second) })
	c.EntityID, c.SSO, c.SLO = server.URL+"/metadata", server.URL+"/sso", server.URL+"/slo"
	c.entry = strings.Replace(corp, "METADATA", strings.ReplaceAll(strings.TrimSpace(string(c.Metadata())), "\n", "\n      "), 1)
	return c
}

// serve opens its pages to a world's people.
func (c *company) serve(w *harness.World) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = c.Handler(atCorp(w), samltest.Person{Name: "alice", Email: "alice@acme.com", Groups: []string{idptest.GroupEditors}})
}

func atCorp(w *harness.World) samltest.SP {
	return samltest.SP{EntityID: w.Issuer + "/federation/saml/corp/metadata", ACS: w.Issuer + "/federation/saml/corp/acs"}
}
