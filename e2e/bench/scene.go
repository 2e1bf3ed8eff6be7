package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

const (
	idpIssuer   = "https://idp.bench.example"
	resourceURI = "https://mcp.bench.example/notes"
	clientID    = "bench-agent"
	keyID       = "bench-key"
)

// scene is what one subject is measured with: an IdP's key, a client's secret, users and a policy, in a folder of its own.
type scene struct {
	folder       string
	public       string // host:port
	admin        string
	issuer       string
	key          *ecdsa.PrivateKey
	clientSecret string
	users        int
	entries      int
	config       string // path of the configuration file, once configured
	settings     map[string]any
}

func newScene(folder string, o options) (*scene, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &scene{
		folder: folder, public: public, admin: admin, issuer: "http://" + public, key: key,
		clientSecret: rand.Text() + rand.Text(), users: o.users, entries: o.entries,
	}
	return s, nil
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
	secret, token := filepath.Join(s.folder, "client-secret"), filepath.Join(s.folder, "admin-token")
	x, y, err := s.coordinates()
	if err != nil {
		return err
	}
	s.config = filepath.Join(s.folder, "chancery.yaml")
	s.settings = map[string]any{
		"Issuer": s.issuer, "Public": s.public, "Admin": s.admin, "TokenFile": token, "Database": databaseURL, "Owner": ownerURL,
		"Keyring": filepath.Join(s.folder, "keyring"), "Objects": objects,
	}
	for path, text := range map[string]string{
		secret: s.clientSecret,
		token:  rand.Text() + rand.Text(),
		filepath.Join(objects, "10-trust.yaml"): render(trust, map[string]any{
			"Issuer": idpIssuer, "KeyID": keyID, "X": x, "Y": y, "Client": clientID, "SecretFile": secret, "Resource": resourceURI,
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

// forgetFiles leaves the objects in the database and takes them out of the configuration.
func (s *scene) forgetFiles() error {
	s.settings["Objects"] = ""
	return os.WriteFile(s.config, []byte(render(configuration, s.settings)), 0o600)
}

func (s *scene) coordinates() (x, y string, err error) {
	point, err := s.key.PublicKey.Bytes() // 4 ‖ x ‖ y
	if err != nil {
		return "", "", err
	}
	half := (len(point) - 1) / 2
	encode := base64.RawURLEncoding.EncodeToString
	return encode(point[1 : 1+half]), encode(point[1+half:]), nil
}

// userObjects: each user is in five groups; one of them has an entry in the policy of his own, the others share one.
func (s *scene) userObjects() string {
	var text strings.Builder
	for i := range s.users {
		fmt.Fprintf(&text, "---\napiVersion: chancery/v1\nkind: User\nmetadata: {name: user-%d}\n"+
			"spec: {email: user-%[1]d@bench.example, status: active, groups: [%s, everyone, staff-%d, floor-%d, building-1], identities: [{idp: bench, sub: %s}]}\n",
			i, group(i), i%10, i%4, subject(i))
	}
	return text.String()
}

func (s *scene) policyObject() string {
	var text strings.Builder
	text.WriteString(policyHead)
	for i := range s.entries {
		fmt.Fprintf(&text, "      - {groups: [%s], resource: notes, scopes: [\"notes:read\"]}\n", group(i))
	}
	return text.String()
}

func group(i int) string { return fmt.Sprintf("group-%05d", i) }

func subject(i int) string { return fmt.Sprintf("00u%07d", i) }

func render(t *template.Template, values map[string]any) string {
	var text strings.Builder
	if err := t.Execute(&text, values); err != nil {
		panic(err) // a template of this package with values of this package
	}
	return text.String()
}
