package device

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// letters has no vowels, so that no words appear, and nothing that reads like another (RFC 8628 §6.1): 8 of 20 are 34 bits.
const letters = "BCDFGHJKLMNPQRSTVWXZ"

const (
	codeLength = 8
	maxDraws   = 5 // of user codes, until one is free
	keyPurpose = "chancery device user code v1"
)

// deviceSize is that of a device code: nobody finds one by trying (RFC 8628 §5.2).
const deviceSize = 32

func newDeviceCode() (string, Handle) {
	var raw [deviceSize]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand crashes the program first
	return base64.RawURLEncoding.EncodeToString(raw[:]), sha256.Sum256(raw[:])
}

// handleOf takes one way to write each code.
func handleOf(deviceCode string) (Handle, bool) {
	if len(deviceCode) != base64.RawURLEncoding.EncodedLen(deviceSize) {
		return Handle{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(deviceCode)
	if err != nil || len(raw) != deviceSize { // the decoder skips line breaks
		return Handle{}, false
	}
	return sha256.Sum256(raw), true
}

// newUserCode draws without favour: bytes past the last whole round are drawn again.
func newUserCode() string {
	const fair = 256 - 256%len(letters)
	drawn := make([]byte, 0, codeLength)
	var one [1]byte
	for len(drawn) < codeLength {
		_, _ = rand.Read(one[:])
		if int(one[0]) < fair {
			drawn = append(drawn, letters[int(one[0])%len(letters)])
		}
	}
	return string(drawn)
}

// shown is a code as the device shows it.
func shown(code string) string { return code[:codeLength/2] + "-" + code[codeLength/2:] }

// Normalize is a code as it was typed: case, hyphens and spaces do not matter (RFC 8628 §6.1). It is false for what is no code.
func Normalize(typed string) (string, bool) {
	if len(typed) > 4*codeLength {
		return "", false
	}
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "", "\t", "").Replace(typed))
	if len(code) != codeLength || strings.Trim(code, letters) != "" {
		return "", false
	}
	return code, true
}

// Shown is a code as it was typed, as the device shows it; "" for what is no code.
func Shown(typed string) string {
	code, ok := Normalize(typed)
	if !ok {
		return ""
	}
	return shown(code)
}

// digests are what a code rests under: by the key of today first.
func (a *Authorizations) digests(t tenant.UID, code string) ([][sha256.Size]byte, error) {
	keys, err := a.keys.Derive(keyPurpose)
	if err != nil {
		return nil, fmt.Errorf("keys of user codes: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key of user codes")
	}
	all := make([][sha256.Size]byte, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(t.String() + "\x00" + code)) // never fails
		all[i] = [sha256.Size]byte(mac.Sum(nil))
	}
	return all, nil
}
