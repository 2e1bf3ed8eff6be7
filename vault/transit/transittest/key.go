package transittest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// key is a Transit key of type aes256-gcm96.
type key struct {
	derived    bool
	exportable bool
	versions   [][]byte
	minDecrypt int
}

func newKey(derived bool) *key {
	k := &key{derived: derived, minDecrypt: 1}
	k.rotate()
	return k
}

func (k *key) rotate() {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh)
	k.versions = append(k.versions, fresh)
}

func (k *key) describe(name string) map[string]any {
	return map[string]any{
		"name": name, "type": "aes256-gcm96", "derived": k.derived, "exportable": k.exportable, "allow_plaintext_backup": false,
		"deletion_allowed": false, "latest_version": len(k.versions), "min_decryption_version": k.minDecrypt, "min_encryption_version": 0,
		"supports_encryption": true, "supports_decryption": true, "supports_derivation": true, "supports_signing": false,
	}
}

// serve is one operation, on one item or on a batch, of which Vault refuses all if one fails.
func (k *key) serve(w http.ResponseWriter, operation string, body map[string]any) {
	batch, isBatch := body["batch_input"].([]any)
	if !isBatch {
		answer, err := k.one(operation, body)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		write(w, map[string]any{"data": answer})
		return
	}
	results, status := make([]map[string]any, len(batch)), http.StatusOK
	for i, item := range batch {
		members, _ := item.(map[string]any)
		answer, err := k.one(operation, members)
		if err != nil {
			answer, status = map[string]any{"error": err.Error()}, http.StatusBadRequest
		}
		results[i] = answer
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	write(w, map[string]any{"data": map[string]any{"batch_results": results}})
}

var errContext = errors.New("missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key")

func (k *key) one(operation string, body map[string]any) (map[string]any, error) {
	encoded, _ := body["context"].(string)
	context, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("failed to base64-decode context")
	}
	if k.derived && len(context) == 0 {
		return nil, errContext
	}
	switch operation {
	case "encrypt":
		text, ok := body["plaintext"].(string)
		plaintext, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil {
			return nil, errors.New("failed to base64-decode plaintext")
		}
		ciphertext, err := k.encrypt(plaintext, context)
		return map[string]any{"ciphertext": ciphertext, "key_version": len(k.versions)}, err
	default:
		ciphertext, _ := body["ciphertext"].(string)
		plaintext, err := k.decrypt(ciphertext, context)
		if err != nil {
			return nil, err
		}
		if operation == "decrypt" {
			return map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintext)}, nil
		}
		fresh, err := k.encrypt(plaintext, context)
		return map[string]any{"ciphertext": fresh, "key_version": len(k.versions)}, err
	}
}

func (k *key) encrypt(plaintext, context []byte) (string, error) {
	gcm, err := k.gcm(len(k.versions), context)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	return fmt.Sprintf("vault:v%d:%s", len(k.versions), base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plaintext, nil))), nil
}

func (k *key) decrypt(ciphertext string, context []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(ciphertext, "vault:v")
	number, encoded, cut := strings.Cut(rest, ":")
	version, err := strconv.Atoi(number)
	if !ok || !cut || err != nil {
		return nil, errors.New("invalid ciphertext: no prefix")
	}
	if version < k.minDecrypt {
		return nil, errors.New("ciphertext or signature version is disallowed by policy (too old)")
	}
	if version > len(k.versions) {
		return nil, errors.New("invalid ciphertext: version is too new")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	gcm, gcmErr := k.gcm(version, context)
	if err != nil || gcmErr != nil || len(raw) < gcm.NonceSize() {
		return nil, errors.New("invalid ciphertext: could not decode base64")
	}
	plaintext, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], nil)
	if err != nil {
		return nil, errors.New("cipher: message authentication failed")
	}
	return plaintext, nil
}

// gcm derives a key from the context; a key that is not derived ignores it, as Vault's does.
func (k *key) gcm(version int, context []byte) (cipher.AEAD, error) {
	root := k.versions[version-1]
	if k.derived {
		var err error
		if root, err = hkdf.Key(sha256.New, root, nil, string(context), 32); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(root)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
