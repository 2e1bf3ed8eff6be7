package agent

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

const (
	methodUnset = iota
	methodNothing
	methodPublic
	methodBasic
	methodPost
	methodPrivateKey
)

// assertionLifetime is how long a client assertion is good: it is used at once.
const assertionLifetime = 60 * time.Second

// Authentication is how a client authenticates to a token endpoint. The zero value is
// none, and is refused. It prints as its method and client, never as its secret.
type Authentication struct {
	method   int
	clientID string
	secret   sealed[string]
	key      sealed[crypto.Signer]
	keyID    string
}

// sealed holds what must not show. A function is the one thing that fmt prints nothing
// of where it cannot call methods: in the private fields of other people's types.
type sealed[T any] func() T

func seal[T any](value T) sealed[T] { return func() T { return value } }

func (s sealed[T]) open() (value T) {
	if s == nil {
		return value
	}
	return s()
}

// ClientSecretBasic sends the secret in the Authorization field (RFC 6749 §2.3.1).
func ClientSecretBasic(clientID, secret string) Authentication {
	return Authentication{method: methodBasic, clientID: clientID, secret: seal(secret)}
}

// ClientSecretPost sends the secret in the body.
func ClientSecretPost(clientID, secret string) Authentication {
	return Authentication{method: methodPost, clientID: clientID, secret: seal(secret)}
}

// PrivateKeyJWT signs a new assertion for each request, for the server's issuer alone
// (RFC 7523 with its update: aud is the issuer, typ client-authentication+jwt). The key's
// type gives the algorithm: ES256, ES384, ES512, EdDSA, or RS256. keyID is its kid at the
// server.
func PrivateKeyJWT(clientID string, key crypto.Signer, keyID string) Authentication {
	return Authentication{method: methodPrivateKey, clientID: clientID, key: seal(key), keyID: keyID}
}

// PublicClient sends its id and no more.
func PublicClient(clientID string) Authentication {
	return Authentication{method: methodPublic, clientID: clientID}
}

// NoClient sends nothing: a workload's assertion speaks for itself.
func NoClient() Authentication { return Authentication{method: methodNothing} }

func (a Authentication) confidential() bool { return a.method >= methodBasic }

func (a Authentication) validate() error {
	switch {
	case a.method == methodUnset:
		return errors.New("no client authentication is set")
	case a.method != methodNothing && a.clientID == "":
		return errors.New("the client has no id")
	case (a.method == methodBasic || a.method == methodPost) && a.secret.open() == "":
		return errors.New("the client has no secret")
	case a.method == methodPrivateKey && a.key.open() == nil:
		return errors.New("the client has no key")
	case a.method == methodPrivateKey:
		if _, err := jose.AlgorithmFor(a.key.open().Public()); err != nil {
			return fmt.Errorf("the client's key: %w", err)
		}
	}
	return nil
}

// add authenticates one request to the server that issuer names.
func (a Authentication) add(header http.Header, form url.Values, issuer string, now time.Time) error {
	switch a.method {
	case methodNothing:
	case methodPublic:
		form.Set("client_id", a.clientID)
	case methodBasic: // RFC 6749 §2.3.1: form-encoded, then base64
		request := http.Request{Header: header}
		request.SetBasicAuth(url.QueryEscape(a.clientID), url.QueryEscape(a.secret.open()))
	case methodPost:
		form.Set("client_id", a.clientID)
		form.Set("client_secret", a.secret.open())
	case methodPrivateKey:
		assertion, err := a.assert(issuer, now)
		if err != nil {
			return err
		}
		form.Set("client_id", a.clientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		return errors.New("no client authentication is set")
	}
	return nil
}

func (a Authentication) assert(issuer string, now time.Time) (string, error) {
	header := map[string]any{"typ": "client-authentication+jwt"}
	if a.keyID != "" {
		header["kid"] = a.keyID
	}
	return jose.Sign(a.key.open(), header, map[string]any{
		"iss": a.clientID, "sub": a.clientID, "aud": issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
}

// String implements fmt.Stringer.
func (a Authentication) String() string {
	name := [...]string{"unset", "no client", "none", "client_secret_basic", "client_secret_post", "private_key_jwt"}[a.method]
	if a.clientID == "" {
		return name
	}
	return a.clientID + " (" + name + ")"
}

// GoString implements fmt.GoStringer.
func (a Authentication) GoString() string { return a.String() }

// LogValue implements slog.LogValuer.
func (a Authentication) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (a Authentication) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// MarshalText implements encoding.TextMarshaler.
func (a Authentication) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
