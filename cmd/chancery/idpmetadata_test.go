package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

// TestMetadata: what an address says is taken over at first; another certificate waits until somebody accepts what he saw.
func TestMetadata(t *testing.T) {
	s := serving(t)
	idp := samltest.New(time.Now)
	var says atomic.Pointer[[]byte]
	first := idp.Metadata()
	says.Store(&first)
	address := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*says.Load()) }))
	defer address.Close()
	entry := s.file("corp.yaml", "apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: corp}\nspec:\n  preset: saml\n  network: {allow_private_addresses: true}\n"+
		"  saml: {metadata_url: \""+address.URL+"\", idp_entity_id: \""+idp.EntityID+"\"}\n")
	s.run(exitDone, "apply", "-f", entry)
	has(t, s.run(exitDone, "idp", "metadata", "corp").stdout, "in use", idp.EntityID, idp.SSO)
	tested := s.run(exitDone, "idp", "test", "corp").stdout
	has(t, tested, "saml certificates", "/federation/saml/corp/acs", "/federation/saml/corp/metadata")
	hasNot(t, tested, "discovery")

	second := idp.Metadata(samltest.Certificate(samltest.RSAKey(1), time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)))
	says.Store(&second)
	waits := s.run(exitDiffers, "idp", "metadata", "corp").stdout
	has(t, waits, "waits to be accepted", "certificates  (needs acceptance)")
	digest := regexp.MustCompile(`--accept ([0-9a-f]{64})`).FindStringSubmatch(waits)
	if digest == nil {
		t.Fatalf("no digest is shown:\n%s", waits)
	}
	has(t, s.run(exitDone, "idp", "test", "corp").stdout, "saml_metadata_pending")
	has(t, s.run(exitFailed, "idp", "metadata", "corp", "--accept", strings.Repeat("0", 64)).stderr, "metadata_not_pending")
	accepted := s.run(exitDone, "idp", "metadata", "corp", "--accept", digest[1]).stdout
	hasNot(t, accepted, "waits")
	if strings.Count(accepted, "certificate ") != 2 {
		t.Errorf("in use is\n%s", accepted)
	}
	has(t, s.run(exitDone, "audit", "query", "--type", "idp.metadata_accepted,idp.metadata_pending").stdout, "idp.metadata_accepted", "idp.metadata_pending")

	// A document is read without a server too, and compared with one.
	file := s.file("metadata.xml", string(first))
	has(t, s.run(exitDone, "idp", "metadata", file).stdout, idp.EntityID)
	has(t, s.run(exitDiffers, "idp", "metadata", "corp", "--document", file).stdout, "the document would change")
	has(t, s.run(exitFailed, "idp", "metadata", s.file("page.xml", "<html/>")).stderr, "saml_metadata")
	has(t, s.run(exitFailed, "idp", "metadata", file, "--accept", digest[1]).stderr, "NAME")
	has(t, s.run(exitFailed, "idp", "metadata", "nobody").stderr, "object_unknown")
}

// TestInspectSAMLResponse: what a browser posted is taken apart offline, and checked as a sign-in through the entry.
func TestInspectSAMLResponse(t *testing.T) {
	s := alone(t)
	idp := samltest.New(time.Now)
	const issuer = "https://auth.acme.com"
	sp := samltest.SP{EntityID: issuer + "/federation/saml/corp/metadata", ACS: issuer + "/federation/saml/corp/acs"}
	file := s.file("response.b64", idp.Draft(sp, "_request").Encoded())
	entry := s.file("corp.yaml", "apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: corp}\nspec:\n  preset: saml\n  saml:\n    metadata: |\n      "+
		strings.ReplaceAll(string(idp.Metadata()), "\n", "\n      ")+"\n")
	has(t, s.run(exitDone, "idp", "inspect", file).stdout, "a SAML response", idp.EntityID, "skipped")
	has(t, s.run(exitDone, "idp", "inspect", file, "--issuer", issuer, "--idp", entry).stdout, "verify", "Audience")
	has(t, s.run(exitDiffers, "idp", "inspect", file, "--issuer", "https://other.acme.com", "--idp", entry).stdout, "saml_destination")
}
