package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// maxQuery bounds what a redirect may carry: a message is small there.
const maxQuery = 64 << 10

var (
	errQuery    = errors.New("a query that says something twice, or that nobody can read in one way")
	errUnsigned = errors.New("no signature")
)

// redirect is a message that came by the redirect binding (SAML bindings §3.4).
type redirect struct {
	raw        []byte // inflated
	relayState string
	signed     string // the very bytes that were signed
	algorithm  string
	signature  []byte
}

// parseRedirect reads a query as it came. The signature is over the octets of the
// URL (SAML bindings §3.4.4.1), so that they are never decoded and encoded again.
func parseRedirect(query, kind string) (redirect, error) {
	if len(query) > maxQuery {
		return redirect{}, errTooLarge
	}
	raw, plain := map[string]string{}, map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding":
		default:
			if decoded, err := url.QueryUnescape(name); err != nil || isReserved(decoded) {
				return redirect{}, errQuery // the same name in another spelling
			}
			continue
		}
		decoded, err := url.QueryUnescape(value)
		if _, twice := raw[name]; twice || err != nil {
			return redirect{}, errQuery
		}
		raw[name], plain[name] = pair, decoded
	}
	encoding := plain["SAMLEncoding"]
	if len(raw["SAMLRequest"]) > 0 == (len(raw["SAMLResponse"]) > 0) || raw[kind] == "" ||
		encoding != "" && encoding != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE" {
		return redirect{}, errQuery
	}
	r := redirect{relayState: plain["RelayState"], algorithm: plain["SigAlg"]}
	compressed, err := decode(plain[kind])
	if err != nil {
		return redirect{}, err
	}
	if r.raw, err = inflate(compressed); err != nil {
		return redirect{}, err
	}
	if raw["Signature"] == "" || raw["SigAlg"] == "" {
		return r, nil
	}
	if r.signature, err = decode(plain["Signature"]); err != nil {
		return redirect{}, err
	}
	parts := []string{raw[kind]}
	if raw["RelayState"] != "" {
		parts = append(parts, raw["RelayState"])
	}
	r.signed = strings.Join(append(parts, raw["SigAlg"]), "&")
	return r, nil
}

func isReserved(name string) bool {
	switch name {
	case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding":
		return true
	}
	return false
}

var x509Algorithms = map[string]x509.SignatureAlgorithm{
	dsig.RSASHA256SignatureMethod:   x509.SHA256WithRSA,
	dsig.RSASHA384SignatureMethod:   x509.SHA384WithRSA,
	dsig.RSASHA512SignatureMethod:   x509.SHA512WithRSA,
	dsig.ECDSASHA256SignatureMethod: x509.ECDSAWithSHA256,
	dsig.ECDSASHA384SignatureMethod: x509.ECDSAWithSHA384,
	dsig.ECDSASHA512SignatureMethod: x509.ECDSAWithSHA512,
}

// verify checks the detached signature with the pinned certificates, as verify
// does for an enveloped one.
func (r redirect) verify(pinned []*x509.Certificate, now time.Time) (*x509.Certificate, error) {
	if len(r.signature) == 0 {
		return nil, errUnsigned
	}
	algorithm, listed := x509Algorithms[r.algorithm]
	if !listed {
		return nil, errSignatureAlgorithm
	}
	outcome := errSignatureInvalid
	for _, certificate := range pinned {
		signature := r.signature
		if certificate.PublicKeyAlgorithm != signatureMethods[r.algorithm] {
			continue
		}
		if certificate.PublicKeyAlgorithm == x509.ECDSA {
			der, err := rawECDSA(signature)
			if err != nil {
				continue
			}
			signature = der
		}
		if certificate.CheckSignature(algorithm, []byte(r.signed), signature) != nil {
			continue
		}
		if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
			outcome = errCertificateExpired
			continue
		}
		return certificate, nil
	}
	return nil, outcome
}

// rawECDSA turns two numbers side by side into what crypto/x509 reads.
func rawECDSA(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 || len(raw) > 132 {
		return nil, errSignatureInvalid
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// redirectURL builds the URL that a browser is sent to, signed where a key is given
// (SAML bindings §3.4.4.1).
func redirectURL(location, kind string, document []byte, relayState string, key *SigningKey) (string, error) {
	compressed, err := deflate(document)
	if err != nil {
		return "", fmt.Errorf("deflate: %w", err)
	}
	query := kind + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compressed))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if key != nil {
		method, err := key.method()
		if err != nil {
			return "", err
		}
		query += "&SigAlg=" + url.QueryEscape(method)
		signature, err := key.sign([]byte(query))
		if err != nil {
			return "", err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + query, nil
}

func (k *SigningKey) method() (string, error) {
	switch k.Signer.Public().(type) {
	case *rsa.PublicKey:
		return dsig.RSASHA256SignatureMethod, nil
	case *ecdsa.PublicKey:
		return dsig.ECDSASHA256SignatureMethod, nil
	default:
		return "", ErrKey
	}
}

// sign signs with SHA-256, in the form that XML Signature has.
func (k *SigningKey) sign(message []byte) ([]byte, error) {
	digest := crypto.SHA256.New()
	digest.Write(message)
	signature, err := k.Signer.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	public, ok := k.Signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return signature, nil
	}
	return pairOf(signature, public)
}

// pairOf undoes rawECDSA.
func pairOf(der []byte, public *ecdsa.PublicKey) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	size := (public.Curve.Params().BitSize + 7) / 8
	return append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...), nil
}

// derToRaw gives an enveloped ECDSA signature the form that XML Signature has.
func derToRaw(signature *etree.Element, key *SigningKey) error {
	public, ok := key.Signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return ErrKey
	}
	value := signature.ChildElements()[1]
	der, err := base64.StdEncoding.DecodeString(value.Text())
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	raw, err := pairOf(der, public)
	if err != nil {
		return err
	}
	value.SetText(base64.StdEncoding.EncodeToString(raw))
	return nil
}
