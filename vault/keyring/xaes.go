package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
)

const (
	keySize   = 32
	nonceSize = 24 // of which 12 derive the blob's key and 12 are its GCM nonce
	halfNonce = nonceSize / 2
	tagSize   = 16
)

// xaes is XAES-256-GCM as in c2sp.org/XAES-256-GCM: for each nonce a fresh
// AES-256 key by CMAC (NIST SP 800-108r1, counter mode), then plain AES-256-GCM.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // CMAC subkey for whole blocks
}

func newXAES(key []byte) (*xaes, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a sealing key has %d bytes", keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	// Double in GF(2^128) without branching on the key (NIST SP 800-38B §6.1).
	var carry byte
	for i := aes.BlockSize - 1; i >= 0; i-- {
		next := x.k1[i] >> 7
		x.k1[i] = x.k1[i]<<1 | carry
		carry = next
	}
	x.k1[aes.BlockSize-1] ^= carry * 0x87
	return x, nil
}

// aead gives the cipher for one nonce, whose second half is GCM's.
func (x *xaes) aead(nonce []byte) (cipher.AEAD, error) {
	key := make([]byte, 0, keySize)
	for counter := byte(1); counter <= 2; counter++ {
		m := [aes.BlockSize]byte{0, counter, 'X', 0}
		copy(m[4:], nonce[:halfNonce])
		subtle.XORBytes(m[:], m[:], x.k1[:])
		x.block.Encrypt(m[:], m[:])
		key = append(key, m[:]...)
	}
	block, err := aes.NewCipher(key)
	clear(key)
	if err != nil {
		return nil, fmt.Errorf("blob key: %w", err)
	}
	return cipher.NewGCM(block)
}

func (x *xaes) seal(nonce, plaintext, aad []byte) ([]byte, error) {
	aead, err := x.aead(nonce)
	if err != nil {
		return nil, err
	}
	body := make([]byte, nonceSize, nonceSize+len(plaintext)+tagSize)
	copy(body, nonce)
	return aead.Seal(body, nonce[halfNonce:], plaintext, aad), nil
}

func (x *xaes) open(body, aad []byte) ([]byte, error) {
	if len(body) < nonceSize+tagSize {
		return nil, fmt.Errorf("%d bytes are too few for a nonce and a tag", len(body))
	}
	nonce := body[:nonceSize]
	aead, err := x.aead(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nonce[halfNonce:], body[nonceSize:], aad)
}
