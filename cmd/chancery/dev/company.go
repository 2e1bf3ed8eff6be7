package dev

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

// company is what the fake IdP keeps in the folder: the key by which it signs in both protocols, with its certificate, and
// what Chancery proves itself with there.
type company struct {
	key         *idptest.Key
	certificate *x509.Certificate
	secret      secret.Text
	secretFile  string // absolute: an object refers to it
}

func openCompany(folder string, now time.Time) (*company, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	c := &company{secretFile: filepath.Join(folder, fileSignIn)}
	if c.key, err = keptKey(filepath.Join(folder, fileIdPKey)); err != nil {
		return nil, err
	}
	if c.secret, err = keptSecret(c.secretFile); err != nil {
		return nil, err
	}
	c.certificate, err = keptCertificate(filepath.Join(folder, fileIdPCert), c.key, now)
	return c, err
}

func (c *company) certificatePEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw}))
}

// keptCertificate reads the certificate of the folder's key, or makes it.
func keptCertificate(path string, key *idptest.Key, now time.Time) (*x509.Certificate, error) {
	text, err := readPrivate(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no PEM block", path)
		}
		return x509.ParseCertificate(block.Bytes)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "the fake IdP of chancery dev"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Signer.Public(), key.Signer)
	if err != nil {
		return nil, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return made, writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// saml is the IdP by its other protocol: a page with a button for each person.
func (w *World) saml() http.Handler {
	at, name := w.Context.IdP.Issuer, w.Issuer+"/federation/saml/"+SAMLName
	idp := &samltest.IdP{
		EntityID: at + "/metadata", SSO: at + "/sso", SLO: at + "/slo", Key: w.company.key.Signer, Certificate: w.company.certificate, Now: w.options.Now,
	}
	var people []samltest.Person
	for _, user := range w.options.Users {
		if w.options.AutoApprove == "" || w.options.AutoApprove == user.Name {
			people = append(people, samltest.Person{Name: user.Name, Email: user.Email, Groups: user.Groups})
		}
	}
	return idp.Handler(samltest.SP{EntityID: name + "/metadata", ACS: name + "/acs"}, people...)
}

// approver finds who is signed in without being asked; nobody for "".
func approver(name string, users []idptest.User) (idptest.User, error) {
	if name == "" {
		return idptest.User{}, nil
	}
	i := slices.IndexFunc(users, func(u idptest.User) bool { return u.Name == name })
	if i < 0 {
		return idptest.User{}, fmt.Errorf("--auto-approve: the IdP knows nobody called %q: alice, bob or eve", name)
	}
	return users[i], nil
}

// unattended signs the one who approves by himself in whenever Chancery asks who it is, as strongly as he can: whoever else
// is hinted at, consent given by itself is his alone. Programs that sign in at the IdP by themselves are none of its matter.
func (w *World) unattended(idp http.Handler) http.Handler {
	name := w.options.AutoApprove
	if name == "" {
		return idp
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); r.URL.Path == idptest.PathAuthorize && q.Get("client_id") == SignInID {
			q.Set("login_hint", name)
			if q.Get("acr_values") == "" {
				q.Set("acr_values", StrongSignIn)
			}
			r = r.Clone(r.Context())
			r.URL.RawQuery = q.Encode()
		}
		idp.ServeHTTP(rw, r)
	})
}
