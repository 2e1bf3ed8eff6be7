package bundle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestKeysInTheirForms(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1, 0)}, &x509.Certificate{}, &curve.PublicKey, curve)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ParseSigningKey("", block("EC PRIVATE KEY", sec1))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{block("PUBLIC KEY", spki), block("CERTIFICATE", certificate)} {
		public, err := ParseTrustedKey("", text)
		if err != nil || public != private.Trusted() || public.Algorithm != ES256 || len(public.ID) != 43 {
			t.Errorf("%v: %+v, want %+v", err, public, private.Trusted())
		}
	}
	named, err := ParseSigningKey("release-1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(long)))
	if err != nil || named.Trusted().ID != "release-1" || named.Trusted().Algorithm != RS256 {
		t.Errorf("%v: %+v", err, named.Trusted())
	}
	public, err := ParseTrustedKey("release-1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&long.PublicKey)))
	if err != nil || public != named.Trusted() {
		t.Errorf("%v: %+v", err, public)
	}
}

func TestKeysRefused(t *testing.T) {
	_, good := signingKey(t, ES256)
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // what is refused
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing":         nil,
		"no PEM":          []byte("secret"),
		"two keys":        append(append([]byte{}, good...), good...),
		"a public key":    block("PUBLIC KEY", nil),
		"encrypted":       block("ENCRYPTED PRIVATE KEY", []byte("x")),
		"no key":          block("PRIVATE KEY", []byte("x")),
		"a short RSA key": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)),
		"another curve":   block("PRIVATE KEY", curve),
		"without end":     make([]byte, maxPEM+1),
	} {
		if _, err := ParseSigningKey("", text); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseTrustedKey("", good); !errors.Is(err, ErrKey) {
		t.Errorf("a private key is trusted: %v", err)
	}
	for _, id := range []string{"a b", "a\n", "ä", strings.Repeat("a", maxKeyID+1)} {
		if _, err := ParseSigningKey(id, good); !errors.Is(err, ErrKey) {
			t.Errorf("key id %q: %v", id, err)
		}
	}
}
