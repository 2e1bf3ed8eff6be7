package structure

import (
	"slices"
	"strings"
	"testing"
)

// home is where a library lives, and who else may use it.
type home struct {
	library string   // an import path and everything below it
	rooms   []string // these folders and everything below them
	exact   []string // these packages, not what is below them
	tests   bool     // _test.go files anywhere
}

// .golangci.yml holds the same homes for editors; this table is the one that counts.
var homes = []home{
	{library: "github.com/gin-gonic/gin", exact: []string{"broker", "broker/authorize", "admin", "e2e/bench"}},
	{library: "gorm.io", rooms: []string{"broker/store"}},
	{library: "github.com/pressly/goose", rooms: []string{"migrations"}},
	{library: "github.com/open-policy-agent", rooms: []string{"policy"}},
	{library: "github.com/go-jose", rooms: []string{"federation/jws", "federation/jwks", "federation/idptest", "broker/keys", "broker/dpop", "broker/token"}, tests: true},
	{library: "github.com/coreos/go-oidc", rooms: []string{"federation/oidc"}},
	{library: "github.com/crewjam/saml", rooms: []string{"federation/saml"}},
	{library: "github.com/russellhaering/goxmldsig", rooms: []string{"federation/saml", "federation/idptest/samltest"}},
	{library: "github.com/beevik/etree", rooms: []string{"federation/saml", "federation/idptest/samltest"}},
	{library: "github.com/go-webauthn", rooms: []string{"broker/passkey"}},
	{library: "github.com/hashicorp/vault", rooms: []string{"vault/transit"}},
	{library: "github.com/sony/gobreaker", rooms: []string{"vault/transit"}},
	{library: "github.com/jackc/pgx", rooms: []string{"broker/store", "broker/storetest", "migrations", "e2e"}, tests: true},
	{library: "modernc.org", rooms: []string{"broker/store", "broker/storetest", "migrations", "e2e"}, tests: true},
	{library: "go.opentelemetry.io", rooms: []string{"cmd/chancery/telemetry"}, exact: []string{"cmd/chancery/assembly"}},
	{library: "golang.org/x/text", rooms: []string{"broker/page"}},
	{library: "golang.org/x/time", rooms: []string{"broker/limit"}},
	{library: "github.com/spf13", rooms: []string{"cmd"}},
	{library: "github.com/knadh", rooms: []string{"cmd"}},
	{library: "github.com/modelcontextprotocol", rooms: []string{"cmd", "e2e", "examples"}},
}

// Commands and kits are no exception: a library outside its home is a second place
// that must be read when it has an advisory.
func TestLibrariesStayHome(t *testing.T) {
	for _, p := range packages(t) {
		for _, h := range homes {
			if in(p.room(), h.rooms...) || slices.Contains(h.exact, p.room()) {
				continue
			}
			imports := p.Imports
			if !h.tests {
				imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
			}
			for _, imported := range imports {
				if imported == h.library || strings.HasPrefix(imported, h.library+"/") {
					t.Errorf("%s imports %s, whose home is %v", p.room(), imported, slices.Concat(h.rooms, h.exact))
				}
			}
		}
	}
}
