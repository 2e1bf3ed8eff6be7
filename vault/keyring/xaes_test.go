package keyring

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The two vectors of c2sp.org/XAES-256-GCM: one for each value of the most
// significant bit that the subkey derivation branches on.
func TestXAESVectors(t *testing.T) {
	for _, v := range []struct{ key, nonce, plaintext, aad, want string }{
		{
			"0101010101010101010101010101010101010101010101010101010101010101",
			"ABCDEFGHIJKLMNOPQRSTUVWX", "XAES-256-GCM", "",
			"ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
		},
		{
			"0303030303030303030303030303030303030303030303030303030303030303",
			"ABCDEFGHIJKLMNOPQRSTUVWX", "XAES-256-GCM", "c2sp.org/XAES-256-GCM",
			"986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
		},
	} {
		key, err := hex.DecodeString(v.key)
		if err != nil {
			t.Fatal(err)
		}
		x, err := newXAES(key)
		if err != nil {
			t.Fatal(err)
		}
		body, err := x.seal([]byte(v.nonce), []byte(v.plaintext), []byte(v.aad))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(body[nonceSize:]); got != v.want {
			t.Fatalf("ciphertext %s, want %s", got, v.want)
		}
		plaintext, err := x.open(body, []byte(v.aad))
		if err != nil || !bytes.Equal(plaintext, []byte(v.plaintext)) {
			t.Fatalf("open: %q, %v", plaintext, err)
		}
	}
}

func TestXAESWantsAWholeKey(t *testing.T) {
	for _, size := range []int{0, 16, 31, 33} {
		if _, err := newXAES(make([]byte, size)); err == nil {
			t.Fatalf("a key of %d bytes was taken", size)
		}
	}
}
