package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/template"
)

const (
	idpIssuer      = "https://idp.bench.example"
	plainIssuer    = "https://plain.bench.example"
	platformIssuer = "https://platform.bench.example"
	resourceURI    = "https://mcp.bench.example/notes"
	clientID       = "bench-agent"
	serverID       = "bench-server" // of the resource: it introspects
	keyID          = "bench-key"
)

// scene is what one subject is measured with: an IdP's key, a client's secret, users and a policy, in a folder of its own.
type scene struct {
	folder       string
	public       string // host:port
	admin        string
	issuer       string
	plainIssuer  string
	keycloak     bool
	target       string // what a request must say of where its token is for, beside an assertion that does not
	key          *ecdsa.PrivateKey
	proofKey     *ecdsa.PrivateKey
	proofJWK     map[string]any
	nonce        string
	clientSecret string
	users        int
	entries      int
	template     string // of the policy
	idps         int    // copies of the IdP that take turns; none: the one there is
	clients      int    // copies of the client
	config       string // path of the configuration file, once configured
	settings     map[string]any
	environment  []string

	people *people // once configured

	superuser string   // URL of the database where it is PostgreSQL
	connected bool     // there are connections to lend from
	vault     *sealing // nil: the keyring seals

	made atomic.Int64 // requests so far
	left rows         // what their answers left
}

func newScene(folder string, o options) (*scene, error) {
	s := &scene{
		folder: folder, plainIssuer: plainIssuer, target: "&resource=" + url.QueryEscape(resourceURI),
		clientSecret: rand.Text() + rand.Text(), users: o.users, entries: o.entries, template: o.template,
	}
	for _, key := range []**ecdsa.PrivateKey{&s.key, &s.proofKey} {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		*key = made
	}
	for _, address := range []*string{&s.public, &s.admin} {
		free, err := freeAddress()
		if err != nil {
			return nil, err
		}
		*address = free
	}
	s.issuer = "http://" + s.public
	var err error
	s.proofJWK, err = jwk(&s.proofKey.PublicKey)
	return s, err
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// configure writes the configuration file and the objects that it names.
func (s *scene) configure(databaseURL, ownerURL string) error {
	objects := filepath.Join(s.folder, "objects")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return err
	}
	secret, token := filepath.Join(s.folder, "client-secret"), s.adminToken()
	public, err := jwk(&s.key.PublicKey)
	if err != nil {
		return err
	}
	if s.people, err = newPeople(s); err != nil {
		return err
	}
	vault, err := s.vaultSettings()
	if err != nil {
		return err
	}
	s.config = filepath.Join(s.folder, "chancery.yaml")
	s.settings = map[string]any{
		"Issuer": s.issuer, "Public": s.public, "Admin": s.admin, "TokenFile": token, "Database": databaseURL, "Owner": ownerURL,
		"Keyring": filepath.Join(s.folder, "keyring"), "Vault": vault, "Objects": objects, "SecretFile": secret,
	}
	for path, text := range map[string]string{
		secret: s.clientSecret,
		token:  rand.Text() + rand.Text(),
		filepath.Join(objects, "10-trust.yaml"): render(trust, map[string]any{
			"Issuer": idpIssuer, "Plain": plainIssuer, "Platform": platformIssuer, "KeyID": keyID, "X": public["x"], "Y": public["y"],
			"Client": clientID, "Server": serverID, "SecretFile": secret, "Resource": resourceURI, "CopySubject": copySubject,
			"People": s.people.idp.Issuer(), "AtTheIdP": atTheIdP, "Host": hostID, "Keeper": keeperID, "Redirect": hostRedirect,
		}),
		filepath.Join(objects, "20-users.yaml"):  s.userObjects(),
		filepath.Join(objects, "30-policy.yaml"): s.policyObject(),
		s.config:                                 render(configuration, s.settings),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// adminToken is the file of the admin API's credential.
func (s *scene) adminToken() string { return filepath.Join(s.folder, "admin-token") }

// forgetFiles leaves the objects in the database and takes them out of the configuration.
func (s *scene) forgetFiles() error {
	s.settings["Objects"] = ""
	return os.WriteFile(s.config, []byte(render(configuration, s.settings)), 0o600)
}

// userObjects: each user is in five groups; one of them has an entry in the policy of his own, the others share one.
func (s *scene) userObjects() string {
	var text strings.Builder
	for i := range s.users {
		fmt.Fprintf(&text, "---\napiVersion: chancery/v1\nkind: User\nmetadata: {name: user-%d}\n"+
			"spec: {email: user-%[1]d@bench.example, status: active, groups: [%s, everyone, staff-%d, floor-%d, building-1], "+
			"identities: [{idp: bench, sub: %s}, {idp: bench-plain, sub: %[5]s}]}\n",
			i, group(i), i%10, i%4, subject(i))
	}
	return text.String()
}

// manyEntries are written as many groups of one grant: a document may have 1 MiB. For a decision it is the same.
const manyEntries = 10_000

func (s *scene) policyObject() string {
	var text strings.Builder
	text.WriteString(strings.Replace(policyHead, "template: group-scopes", "template: "+s.template, 1))
	entry := func(groups, resource string) {
		fmt.Fprintf(&text, "      - {groups: [%s], resource: %s, scopes: [\"notes:read\"]}\n", groups, resource)
	}
	for i := range s.users {
		entry(group(i), "notes-rs256")
		entry(group(i), "notes-eddsa")
	}
	together := 1
	if s.entries > manyEntries {
		together = 100
	}
	for first := 0; first < s.entries; first += together {
		groups := make([]string, 0, together)
		for i := first; i < min(first+together, s.entries); i++ {
			groups = append(groups, group(i))
		}
		entry(strings.Join(groups, ","), "notes")
	}
	if s.template == templateLargest { // which is for people only, and has more to say
		return strings.Replace(text.String(), policyPrograms, policyGlass, 1)
	}
	return text.String()
}

func group(i int) string { return fmt.Sprintf("g%05d", i) }

func subject(i int) string { return fmt.Sprintf("00u%07d", i) }

func render(t *template.Template, values map[string]any) string {
	var text strings.Builder
	if err := t.Execute(&text, values); err != nil {
		panic(err) // a template of this package with values of this package
	}
	return text.String()
}
