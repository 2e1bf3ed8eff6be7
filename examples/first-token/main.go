// Command first-token plays the company's IdP for a first token: an IdP that is
// nothing but a key pair. It is the shortest program that makes an ID-JAG, for
// people who want to see one redeemed before they change anything at their real
// IdP. It depends on the standard library alone, trusts whoever starts it, and is
// no part of the product.
//
//	go run ./examples/first-token objects     objects to apply: the IdP, an agent, a resource, alice, a policy
//	go run ./examples/first-token assertion   an ID-JAG for alice, good once and for five minutes
//
// The key is made on first use, in first-token.key.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	issuer   = "https://idp.example"
	kid      = "first"
	client   = "agent"
	resource = "https://mcp.example/notes"
	subject  = "00u1alice"
)

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: company}
spec:
  issuer: %s
  jwks:
    inline: {keys: [%s]}       # a real IdP: leave jwks out, its keys are found by discovery
  assertions:
    profiles: [id-jag]
    clients: [%s]
    resources: [notes]
    scopes: [notes:read, notes:write]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: %s}
spec:
  auth: {method: client_secret_basic}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: %s
  scopes: {"notes:read": {risk: low}, "notes:write": {risk: high, implies: ["notes:read"]}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@company.example, status: active, groups: [readers], identities: [{idp: company, sub: %s}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data: {grants: [{groups: [readers], resource: notes, scopes: ["notes:read"]}]}
`

func main() {
	if err := run(os.Args[1:], os.Stdout, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "first-token:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer, now time.Time) error {
	flags := flag.NewFlagSet("first-token", flag.ContinueOnError)
	audience := flags.String("audience", "http://127.0.0.1:8080", "Chancery's issuer (server.public_url)")
	scope := flags.String("scope", "notes:read notes:write", "what the IdP asserts")
	file := flags.String("key", "first-token.key", "file of the IdP's private key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	key, err := loadKey(*file)
	if err != nil {
		return err
	}
	switch flags.Arg(0) {
	case "objects":
		jwk, err := publicJWK(key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, objects, issuer, jwk, client, client, resource, subject)
		return err
	case "assertion":
		text, err := assertion(key, *audience, *scope, now)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text)
		return err
	default:
		return errors.New("say objects or assertion")
	}
}

// assertion is an ID-JAG as draft-ietf-oauth-identity-assertion-authz-grant has it:
// who it is for (aud: the authorization server), who may use it (client_id: the agent
// there), about whom (sub), for what (resource, scope).
func assertion(key *ecdsa.PrivateKey, audience, scope string, now time.Time) (string, error) {
	header, err := part(map[string]any{"alg": "ES256", "kid": kid, "typ": "oauth-id-jag+jwt"})
	if err != nil {
		return "", err
	}
	claims, err := part(map[string]any{
		"iss": issuer, "sub": subject, "aud": audience, "client_id": client, "resource": resource, "scope": scope,
		"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(header + "." + claims))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64) // RFC 7518 §3.4: r and s, 32 bytes each
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func part(members map[string]any) (string, error) {
	text, err := json.Marshal(members)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// publicJWK is one line of JSON, which is YAML too.
func publicJWK(key *ecdsa.PrivateKey) (string, error) {
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	})
	return string(text), err
}

func loadKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file) //nolint:gosec // whoever starts it names the file
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", file)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func makeKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
