package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// purposeDerive separates what Derive gives from everything else that is made of
// a root key.
const purposeDerive = "chancery keyring v1: derive"

const leastPurpose = 8

var errNoPurpose = errors.New("a key is derived for a named purpose")

// Derive gives a key of 32 bytes for a purpose from each root key, that of the
// primary first, then the others, the newest first. All processes that share the
// file get the same keys, after a restart too. What is made with the first must be
// accepted under each of them: another process may not have read a rotation yet.
//
// A purpose is a constant of the caller, never something from outside.
func (k *Keyring) Derive(purpose string) ([][]byte, error) {
	if len(purpose) < leastPurpose {
		return nil, errNoPurpose
	}
	r := k.ring.Load()
	keys := make([][]byte, 0, len(r.derivers))
	for _, d := range r.derivers {
		key, err := hkdf.Expand(sha256.New, d, purpose, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// deriver is what keys are derived from: a pseudorandom key (RFC 5869 §2.2) that is
// the root key's for this use alone, so that the root key itself is not kept.
func deriver(root []byte) ([]byte, error) {
	d, err := hkdf.Key(sha256.New, root, nil, purposeDerive, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	return d, nil
}
