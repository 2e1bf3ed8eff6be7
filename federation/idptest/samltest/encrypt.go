package samltest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // what must be refused has to be made
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"

	"github.com/beevik/etree"
)

// Names of algorithms.
const (
	AES128GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	AES256GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	AES128CBC = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
	AES256CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	TripleDES = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"
	OAEPMGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	OAEP11    = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	PKCS1v15  = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
)

// Encryption says how to encrypt for the service provider.
type Encryption struct {
	Block     string
	Transport string
	Digest    string // of OAEP; "" leaves it to its default, SHA-1
	Beside    bool   // the wrapped key beside the data and not inside
	// Change changes what is sent; the key and the text can be made wrong by Wrong.
	Change func(encrypted *etree.Element)
	Wrong  func(session, ciphertext []byte)
	Plain  func([]byte) []byte
}

func (e Encryption) encrypt(el *etree.Element, sp SP) *etree.Element {
	plaintext := Serialize(el)
	if e.Plain != nil {
		plaintext = e.Plain(plaintext)
	}
	size := map[string]int{AES128GCM: 16, AES256GCM: 32, AES128CBC: 16, AES256CBC: 32, TripleDES: 24}[e.Block]
	session := make([]byte, size)
	_, _ = rand.Read(session)
	ciphertext := e.seal(session, plaintext)
	if e.Wrong != nil {
		e.Wrong(session, ciphertext)
	}
	public, _ := sp.Certificate.PublicKey.(*rsa.PublicKey)

	outer := etree.NewElement("saml:EncryptedAssertion")
	outer.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
	data := outer.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", "http://www.w3.org/2001/04/xmlenc#")
	data.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", e.Block)
	holder := outer
	if !e.Beside {
		holder = data.CreateElement("ds:KeyInfo")
		holder.CreateAttr("xmlns:ds", namespace)
	}
	data.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(ciphertext))
	key := holder.CreateElement("xenc:EncryptedKey")
	key.CreateAttr("xmlns:xenc", "http://www.w3.org/2001/04/xmlenc#")
	method := key.CreateElement("xenc:EncryptionMethod")
	method.CreateAttr("Algorithm", e.Transport)
	if e.Digest != "" {
		digest := method.CreateElement("ds:DigestMethod")
		digest.CreateAttr("xmlns:ds", namespace)
		digest.CreateAttr("Algorithm", e.Digest)
	}
	key.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(e.wrap(public, session)))
	if e.Change != nil {
		e.Change(outer)
	}
	return outer
}

func (e Encryption) seal(session, plaintext []byte) []byte {
	switch e.Block {
	case AES128GCM, AES256GCM:
		gcm := must(cipher.NewGCM(must(aes.NewCipher(session))))
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		return gcm.Seal(nonce, nonce, plaintext, nil)
	case TripleDES:
		return cbc(must(des.NewTripleDESCipher(session)), plaintext) //nolint:gosec // as above
	default:
		return cbc(must(aes.NewCipher(session)), plaintext)
	}
}

// cbc with the padding of XML Encryption §5.2.
func cbc(block cipher.Block, plaintext []byte) []byte {
	pad := block.BlockSize() - len(plaintext)%block.BlockSize()
	padded := append(append([]byte{}, plaintext...), make([]byte, pad)...)
	padded[len(padded)-1] = byte(pad)
	iv := make([]byte, block.BlockSize())
	_, _ = rand.Read(iv)
	out := make([]byte, len(padded))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, padded)
	return append(iv, out...)
}

func (e Encryption) wrap(public *rsa.PublicKey, session []byte) []byte {
	if e.Transport == PKCS1v15 {
		return must(rsa.EncryptPKCS1v15(rand.Reader, public, session)) //nolint:staticcheck // what must be refused has to be made
	}
	digest, known := map[string]crypto.Hash{SHA256: crypto.SHA256, SHA512: crypto.SHA512}[e.Digest]
	if !known {
		digest = crypto.SHA1
	}
	return must(rsa.EncryptOAEPWithOptions(rand.Reader, public, session, &rsa.OAEPOptions{Hash: digest, MGFHash: crypto.SHA1}))
}
