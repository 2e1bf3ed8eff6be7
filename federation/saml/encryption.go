package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/beevik/etree"
)

// DecryptionKey opens what an IdP encrypted for us. Decrypter is an RSA key:
// here, or in a key service.
type DecryptionKey struct {
	Certificate *x509.Certificate // what the IdP is given
	Decrypter   crypto.Decrypter
}

// errDecryption is the one answer, whatever failed: an algorithm that is not
// accepted, padding, key, tag. Who asks a thousand times learns nothing (T30).
var errDecryption = errors.New("cannot be decrypted")

// What may be used (T30): OAEP and GCM. PKCS #1 v1.5 and CBC tell whoever asks often
// enough what they protect, 3DES is worn out.
var (
	blockCiphers = map[string]int{ // to key sizes, in bytes
		nsEncrypt11 + "aes128-gcm": 16,
		nsEncrypt11 + "aes192-gcm": 24,
		nsEncrypt11 + "aes256-gcm": 32,
	}
	// OAEP's digest and mask need no resistance to collisions: SHA-1 there is sound,
	// and what products send (XML Encryption 1.1 §5.5.2).
	oaepDigests = map[string]crypto.Hash{
		nsSignature + "sha1":                            crypto.SHA1,
		nsEncrypted + "sha256":                          crypto.SHA256,
		nsEncrypted + "sha512":                          crypto.SHA512,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	}
	oaepMasks = map[string]crypto.Hash{
		nsEncrypt11 + "mgf1sha1":   crypto.SHA1,
		nsEncrypt11 + "mgf1sha256": crypto.SHA256,
		nsEncrypt11 + "mgf1sha384": crypto.SHA384,
		nsEncrypt11 + "mgf1sha512": crypto.SHA512,
	}
)

// sealed is an EncryptedAssertion taken apart.
type sealed struct {
	keySize    int // 0 for an algorithm that is not accepted
	options    *rsa.OAEPOptions
	wrapped    []byte
	ciphertext []byte
	algorithms string // for the administrator; the message says it itself
}

// open takes an EncryptedAssertion apart and decrypts it (SAML core §2.3.4, XML
// Encryption 1.1).
func open(el *etree.Element, keys []DecryptionKey) (plaintext []byte, algorithms string, err error) {
	s, err := unpack(el)
	if err != nil {
		return nil, s.algorithms, errDecryption
	}
	for _, key := range keys {
		if plaintext, err := s.open(key.Decrypter); err == nil {
			return plaintext, s.algorithms, nil
		}
	}
	return nil, s.algorithms, errDecryption
}

// open does the same work whatever is wrong: what cannot be unwrapped is opened
// with a key of chance, and what must not be is replaced by chance first.
func (s sealed) open(key crypto.Decrypter) ([]byte, error) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, errDecryption
	}
	accepted := s.keySize != 0 && s.options != nil
	size, options, wrapped := s.keySize, s.options, s.wrapped
	if !accepted {
		size, options = 16, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}
	}
	if !accepted || len(wrapped) != public.Size() {
		wrapped = make([]byte, public.Size())
		_, _ = rand.Read(wrapped) // never fails
		wrapped[0] = 0            // below the modulus
		accepted = false
	}
	session := make([]byte, size)
	_, _ = rand.Read(session)
	if unwrapped, err := key.Decrypt(rand.Reader, wrapped, options); err == nil && len(unwrapped) == size {
		session = unwrapped
	}
	block, err := aes.NewCipher(session)
	if err != nil {
		return nil, errDecryption
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(s.ciphertext) < gcm.NonceSize()+gcm.Overhead() {
		return nil, errDecryption
	}
	// XML Encryption 1.1 §5.2.4: 96 bits of nonce, then the text, then 128 bits of tag.
	plaintext, err := gcm.Open(nil, s.ciphertext[:gcm.NonceSize()], s.ciphertext[gcm.NonceSize():], nil)
	if err != nil || !accepted {
		return nil, errDecryption
	}
	return plaintext, nil
}

// unpack reads EncryptedAssertion. The wrapped key may be inside EncryptedData's
// KeyInfo or beside it (XML Encryption 1.1 §3.4.1, SAML core §2.2.4).
func unpack(el *etree.Element) (sealed, error) {
	var s sealed
	outer, err := content(el, part{nsEncrypted, "EncryptedData", 1, 1}, part{nsEncrypted, "EncryptedKey", 0, 1})
	if err != nil {
		return s, err
	}
	parts, err := content(one(outer["EncryptedData"]), part{nsEncrypted, "EncryptionMethod", 1, 1},
		part{nsSignature, "KeyInfo", 0, 1}, part{nsEncrypted, "CipherData", 1, 1})
	if err != nil {
		return s, err
	}
	wrapping := one(outer["EncryptedKey"])
	if info := one(parts["KeyInfo"]); info != nil {
		for _, child := range info.ChildElements() { // a RetrievalMethod to the key beside it, too
			if is(child, nsEncrypted, "EncryptedKey") {
				if wrapping != nil {
					return s, errChildren
				}
				wrapping = child
			}
		}
	}
	if wrapping == nil {
		return s, errChildren
	}
	keyParts, err := content(wrapping, part{nsEncrypted, "EncryptionMethod", 1, 1}, part{nsSignature, "KeyInfo", 0, 1},
		part{nsEncrypted, "CipherData", 1, 1}, part{nsEncrypted, "ReferenceList", 0, 1}, part{nsEncrypted, "CarriedKeyName", 0, 1})
	if err != nil {
		return s, err
	}
	block, _ := attribute(one(parts["EncryptionMethod"]), "Algorithm")
	transport, _ := attribute(one(keyParts["EncryptionMethod"]), "Algorithm")
	s.algorithms = transport + " " + block
	s.keySize = blockCiphers[block]
	s.options = oaep(transport, one(keyParts["EncryptionMethod"]))
	if s.wrapped, err = cipherValue(one(keyParts["CipherData"])); err != nil {
		return s, err
	}
	s.ciphertext, err = cipherValue(one(parts["CipherData"]))
	return s, err
}

// oaep reads OAEP's parameters; nil for everything that is not OAEP as accepted.
func oaep(transport string, method *etree.Element) *rsa.OAEPOptions {
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1} // XML Encryption 1.1 §5.5.2
	if transport != nsEncrypted+"rsa-oaep-mgf1p" && transport != nsEncrypt11+"rsa-oaep" {
		return nil
	}
	for _, child := range method.ChildElements() {
		name, _ := attribute(child, "Algorithm")
		known := false
		switch {
		case is(child, nsSignature, "DigestMethod"):
			options.Hash, known = oaepDigests[name]
		case is(child, nsEncrypt11, "MGF") && transport == nsEncrypt11+"rsa-oaep":
			options.MGFHash, known = oaepMasks[name]
		}
		if !known {
			return nil
		}
	}
	return options
}

// cipherValue: the bytes themselves; a CipherReference would be fetched (T16).
func cipherValue(el *etree.Element) ([]byte, error) {
	parts, err := content(el, part{nsEncrypted, "CipherValue", 1, 1})
	if err != nil {
		return nil, err
	}
	encoded, err := rawText(one(parts["CipherValue"]))
	if err != nil {
		return nil, err
	}
	return decode(strings.TrimSpace(encoded))
}
