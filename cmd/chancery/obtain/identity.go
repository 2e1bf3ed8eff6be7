package obtain

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// Identity is who asks, and with what.
type Identity struct {
	Issuer string // of Chancery; "" to follow the resource

	ClientID     string
	ClientSecret secret.Text
	SecretPost   bool // the secret in the body, not in the Authorization field
	ClientKey    crypto.Signer
	ClientKeyID  string

	// Of leg 1, at the person's IdP.
	IdPIssuer       string
	IdPClientID     string
	IdPClientSecret secret.Text
	Subject         secret.Text
	SubjectIsIDT    bool // an ID token, else a refresh token

	// Or an assertion that there is already, or none.
	AssertionFile     string
	ClientCredentials bool

	DPoP *agent.Key
}

// Validate tells what is missing, or too much.
func (i Identity) Validate() error {
	given := 0
	for _, is := range []bool{i.ClientCredentials, i.AssertionFile != "", i.IdPIssuer != "" || !i.Subject.IsZero()} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("one of these is expected: a sign-in at an IdP, an assertion file, client credentials")
	case given == 0:
		return errors.New("nothing to get a token with: say --idp-issuer and --subject-token-file, or --assertion-file, or --client-credentials, or name a --profile; or sign in with chancery dev login")
	case !i.ClientSecret.IsZero() && i.ClientKey != nil:
		return errors.New("the client has a secret and a key: one of them is expected")
	case (!i.ClientSecret.IsZero() || i.ClientKey != nil) && i.ClientID == "":
		return errors.New("a client's secret or key without --client-id")
	case i.ClientCredentials && i.ClientSecret.IsZero() && i.ClientKey == nil:
		return errors.New("--client-credentials needs --client-id with --client-secret-file or --key-file")
	case i.ClientID == "" && i.AssertionFile == "":
		return errors.New("--client-id is missing")
	case (i.IdPIssuer != "") != (!i.Subject.IsZero()):
		return errors.New("--idp-issuer and --subject-token-file go together")
	case i.IdPIssuer != "" && i.IdPClientID == "":
		return errors.New("--idp-client-id is missing: who the agent is at the IdP")
	}
	return nil
}

// mayFollow refuses an authorization server that only the resource names, where it would get something that it could use in
// our place: a secret, or an assertion that was made for somebody else. What is signed for that server alone may go there
// (RFC 9700 §4.4: the resource may be the attacker's).
func (i Identity) mayFollow(issuer string) error {
	switch {
	case !i.ClientSecret.IsZero():
		return fmt.Errorf("the resource says that its tokens come from %s, and it alone: say --issuer %s to send the client's secret there", issuer, issuer)
	case i.AssertionFile != "":
		return fmt.Errorf("the resource says that its tokens come from %s, and it alone: say --issuer %s to send the assertion there", issuer, issuer)
	}
	return nil
}

func (i Identity) authentication() agent.Authentication {
	switch {
	case i.ClientKey != nil:
		return agent.PrivateKeyJWT(i.ClientID, i.ClientKey, i.ClientKeyID)
	case !i.ClientSecret.IsZero() && i.SecretPost:
		return agent.ClientSecretPost(i.ClientID, i.ClientSecret.Reveal())
	case !i.ClientSecret.IsZero():
		return agent.ClientSecretBasic(i.ClientID, i.ClientSecret.Reveal())
	case i.ClientID != "":
		return agent.PublicClient(i.ClientID)
	}
	return agent.NoClient()
}

func (i Identity) agent(issuer string, h *http.Client, observe func(agent.Leg)) (*agent.Agent, error) {
	config := agent.Config{
		Issuer: issuer, Client: i.authentication(), ClientCredentials: i.ClientCredentials, DPoP: i.DPoP, HTTPClient: h, Observe: observe,
	}
	switch {
	case i.AssertionFile != "":
		config.Assertions = agent.File(i.AssertionFile)
	case i.IdPIssuer != "":
		idp, err := agent.NewIdP(agent.IdPConfig{Issuer: i.IdPIssuer, Client: i.atIdP(), Subject: i.subject, HTTPClient: h})
		if err != nil {
			return nil, err
		}
		config.Assertions = idp
	}
	return agent.New(config)
}

func (i Identity) atIdP() agent.Authentication {
	if i.IdPClientSecret.IsZero() {
		return agent.PublicClient(i.IdPClientID)
	}
	return agent.ClientSecretBasic(i.IdPClientID, i.IdPClientSecret.Reveal())
}

func (i Identity) subject(context.Context) (agent.Subject, error) {
	if i.SubjectIsIDT {
		return agent.IDToken(i.Subject.Reveal()), nil
	}
	return agent.RefreshToken(i.Subject.Reveal()), nil
}

// ParseKey reads a private key in PEM: PKCS #8, or the older forms of EC and RSA. No error shows what is in it.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it holds no PEM block")
	}
	var parsed any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("it holds no private key (PKCS #8 in PEM is expected)")
	}
	switch key := parsed.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("its kind of key does not sign here: EC, RSA or Ed25519 is expected")
}
