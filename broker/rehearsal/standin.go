package rehearsal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// standIn authenticates as one client, with a credential that was made for this rehearsal: the client is the
// registered one in everything but what proves it, so that its method is what policies see.
type standIn struct {
	*client.Authenticator
	form          url.Values
	authorization []string
}

// cast is the tenant's clients, of whom one can authenticate: with what was made for him. A client by its name is the
// registered one: a rule leads to it, and no credential.
type cast struct {
	client.Registry
	client *client.Client
}

// Lookup implements client.Registry.
func (o cast) Lookup(_ context.Context, _ tenant.UID, clientID string) (*client.Client, error) {
	if o.client == nil || o.client.ClientID != clientID {
		return nil, client.ErrUnknown
	}
	return o.client, nil
}

// unreachable fetches nothing: a stand-in's key is inline.
type unreachable struct{}

var errOffline = errors.New("a rehearsal fetches no client's keys")

// Get implements jwks.Getter.
func (unreachable) Get(context.Context, string, fetch.Network, fetch.Limit) (fetch.Response, error) {
	return fetch.Response{}, errOffline
}

const standInLife = time.Minute

// standIn finds the client and gives a copy of it another credential. One that is not known stays unknown: the grant
// says so.
func (s Stage) standIn(ctx context.Context, a Ask) (*standIn, error) {
	in := &standIn{form: url.Values{}}
	registry := cast{Registry: s.Clients}
	if a.ClientID != "" {
		found, err := s.Clients.Lookup(ctx, a.Tenant.UID, a.ClientID)
		if err != nil && !errors.Is(err, client.ErrUnknown) {
			return nil, err
		}
		in.form.Set("client_id", a.ClientID)
		if found != nil {
			acting := *found
			registry.client = &acting
			if err := in.equip(&acting, a.Tenant.Issuer, s.Now()); err != nil {
				return nil, err
			}
		}
	}
	authenticator, err := client.NewAuthenticator(registry, jwks.NewCache(unreachable{}, s.Now), s.Now)
	if err != nil {
		return nil, err
	}
	in.Authenticator = authenticator
	return in, nil
}

func (in *standIn) equip(c *client.Client, issuer string, now time.Time) error {
	c.Auth.Secrets = nil
	switch c.Auth.Method {
	case client.MethodPrivateKeyJWT:
		return in.withKey(c, issuer, now)
	case client.MethodBasic, client.MethodPost, "":
		password := rand.Text()
		c.Auth.Secrets = []client.SecretDigest{{ID: "sec_rehearsal", Digest: sha256.Sum256([]byte(password))}}
		if c.Auth.Method == client.MethodBasic {
			in.form.Del("client_id")
			pair := url.QueryEscape(c.ClientID) + ":" + password // RFC 6749 §2.3.1
			in.authorization = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
			return nil
		}
		in.form.Set("client_secret", password)
	case client.MethodNone, client.MethodTLS, client.MethodWorkload: // nothing proves the first; the second is not served; the third is the assertion itself
	}
	return nil
}

// withKey signs a client assertion (RFC 7523 §2.2) with a key of its own.
func (in *standIn) withKey(c *client.Client, issuer string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	point, err := key.PublicKey.Bytes() // 4 ‖ x ‖ y
	if err != nil {
		return err
	}
	encode := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "rehearsal", "x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
	if err != nil {
		return err
	}
	c.Auth.Keys = jwks.Source{Issuer: c.ClientID, Inline: set}
	compact, err := jws.Sign("ES256", "rehearsal", "client-authentication+jwt", key, map[string]any{
		"iss": c.ClientID, "sub": c.ClientID, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(standInLife).Unix(),
	})
	if err != nil {
		return err
	}
	in.form.Set("client_assertion", compact)
	in.form.Set("client_assertion_type", oauth.AssertionTypeJWT)
	return nil
}
