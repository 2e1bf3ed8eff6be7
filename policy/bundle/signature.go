package bundle

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// maxSignatures bounds .signatures.json, which has one line for each file.
const maxSignatures = 256 << 10

// digests are the hashes that a signature may be of. MD5, SHA-1 and their like, which OPA takes too, are not among them.
var digests = [...]string{"SHA-256", "SHA-384", "SHA-512", "SHA-512-256"}

// signatures is .signatures.json.
type signatures struct {
	Signatures []string `json:"signatures"`
	Plugin     string   `json:"plugin"`
}

// header is that of the token. Members that are not here change nothing of what is checked.
type header struct {
	Algorithm string   `json:"alg"`
	KeyID     string   `json:"kid"`
	Critical  []string `json:"crit"`
}

// claims are those of the token.
type claims struct {
	Files []signedFile `json:"files"`
	Scope string       `json:"scope"`
}

type signedFile struct {
	Name      string `json:"name"`
	Hash      string `json:"hash"`
	Algorithm string `json:"algorithm"`
}

// verify holds files to their signature, and says whose it is. Nothing of them is looked into before.
func verify(files map[string][]byte, trusted []TrustedKey) (TrustedKey, error) {
	// 1. There is one signature.
	if len(trusted) == 0 {
		return TrustedKey{}, because(ErrKeyID, "no key is trusted")
	}
	token, err := onlySignature(files)
	if err != nil {
		return TrustedKey{}, err
	}
	// 2. It names a key that is trusted, and that key's algorithm. An absent or empty kid names none.
	said, signed, err := parseToken(token)
	if err != nil {
		return TrustedKey{}, err
	}
	if said.KeyID == "" {
		return TrustedKey{}, because(ErrKeyID, "the signature names no key")
	}
	i := slices.IndexFunc(trusted, func(k TrustedKey) bool { return k.ID == said.KeyID })
	if i < 0 {
		return TrustedKey{}, because(ErrKeyID, "%q", said.KeyID)
	}
	key := trusted[i]
	if said.Algorithm != key.Algorithm {
		return TrustedKey{}, because(ErrAlgorithm, "%q, and the key's is %s", said.Algorithm, key.Algorithm)
	}
	// 3. It is that key's.
	_, err = bundle.VerifyBundleSignature(bundle.SignaturesConfig{Signatures: []string{token}}, &bundle.VerificationConfig{
		PublicKeys: map[string]*bundle.KeyConfig{key.ID: {Key: key.pem, Algorithm: key.Algorithm}}, KeyID: key.ID,
	})
	if err != nil {
		return TrustedKey{}, because(ErrSignature, "%s", err)
	}
	// 4. It is of these files, all of them and no other, as they are.
	return key, covers(signed, files)
}

func onlySignature(files map[string][]byte) (string, error) {
	text, ok := files[signaturesFile]
	if !ok {
		return "", because(ErrUnsigned, "there is no %s", signaturesFile)
	}
	if len(text) > maxSignatures {
		return "", because(ErrTooLarge, "%s has more than %d bytes", signaturesFile, maxSignatures)
	}
	var all signatures
	if err := jsonv2.Unmarshal(text, &all); err != nil {
		return "", because(ErrUnsigned, "%s: %s", signaturesFile, err)
	}
	switch {
	case all.Plugin != "" && all.Plugin != "_default":
		return "", because(ErrUnsigned, "it asks for the plugin %q", all.Plugin)
	case len(all.Signatures) != 1:
		return "", because(ErrUnsigned, "%s has %d signatures: one is expected", signaturesFile, len(all.Signatures))
	}
	return all.Signatures[0], nil
}

// parseToken reads a JWS in compact form (RFC 7515 §7.1), whose signature is not checked yet.
func parseToken(token string) (header, claims, error) {
	var said header
	var signed claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return said, signed, because(ErrSignature, "it is no JWS in compact form")
	}
	for i, into := range []any{&said, &signed} {
		text, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return said, signed, because(ErrSignature, "%s", err)
		}
		if err := jsonv2.Unmarshal(text, into); err != nil {
			return said, signed, because(ErrSignature, "%s", err)
		}
	}
	if said.Critical != nil { // RFC 7515 §4.1.11: what is critical and not understood is refused
		return said, signed, because(ErrSignature, "its header has crit")
	}
	if signed.Scope != "" {
		return said, signed, because(ErrSignature, "it is for the scope %q", signed.Scope)
	}
	return said, signed, nil
}

// covers holds the files to what was signed of them.
func covers(signed claims, files map[string][]byte) error {
	named := map[string]bool{}
	for _, f := range signed.Files {
		text, ok := files[f.Name]
		switch {
		case named[f.Name]:
			return because(ErrCover, "%q is signed twice", f.Name)
		case !ok || f.Name == signaturesFile:
			return because(ErrCover, "%q is signed and not there", f.Name)
		case !slices.Contains(digests[:], f.Algorithm):
			return because(ErrAlgorithm, "%q is signed by its %q", f.Name, f.Algorithm)
		}
		named[f.Name] = true
		is, err := digest(f.Name, text, f.Algorithm)
		if err != nil {
			return err
		}
		if is != f.Hash {
			return because(ErrDigest, "%q", f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !named[name] && name != signaturesFile {
			return because(ErrCover, "%q is there and not signed", name)
		}
	}
	return nil
}

// digest is OPA's: of a structured document that of its members in order, of any other file that of its bytes. A document
// with two members of one name, of which each reader takes another, has none.
func digest(name string, text []byte, algorithm string) (string, error) {
	hasher, err := bundle.NewSignatureHasher(bundle.HashingAlgorithm(algorithm))
	if err != nil {
		return "", because(ErrAlgorithm, "%s", err)
	}
	var value any = text
	if bundle.IsStructuredDoc(name) {
		if err := soundJSON(text); err != nil {
			return "", because(ErrContent, "%q: %s", name, err)
		}
		if err := util.UnmarshalJSON(text, &value); err != nil {
			return "", because(ErrContent, "%q: %s", name, err)
		}
	}
	sum, err := hasher.HashFile(value)
	return hex.EncodeToString(sum), err
}

// sign makes .signatures.json for files.
func sign(files map[string][]byte, key SigningKey) ([]byte, error) {
	if key.signer == nil {
		return nil, because(ErrKey, "there is none to sign with")
	}
	var signed []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum, err := digest(name, files[name], "SHA-256")
		if err != nil {
			return nil, err
		}
		signed = append(signed, bundle.NewFile(name, sum, "SHA-256"))
	}
	return signList(signed, key)
}

func signList(signed []bundle.FileInfo, key SigningKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.signer)
	if err != nil {
		return nil, because(ErrKey, "%s", err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	token, err := bundle.GenerateSignedToken(signed, bundle.NewSigningConfig(private, key.trusted.Algorithm, ""), key.trusted.ID)
	if err != nil {
		return nil, because(ErrKey, "%s", err)
	}
	return indented(signatures{Signatures: []string{token}})
}
