package verifier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"
)

// nonceLifetime is how long a nonce is good.
const nonceLifetime = 5 * time.Minute

// nonces makes nonces that it needs not remember: the time, and a MAC over it.
type nonces struct{ secret []byte }

func (n *nonces) issue(now time.Time) string {
	if n == nil {
		return ""
	}
	stamp := binary.BigEndian.AppendUint64(nil, uint64(max(0, now.Unix())))
	return base64.RawURLEncoding.EncodeToString(append(stamp, n.mac(stamp)...))
}

func (n *nonces) mac(stamp []byte) []byte {
	mac := hmac.New(sha256.New, n.secret)
	mac.Write([]byte("chancery dpop nonce"))
	mac.Write(stamp)
	return mac.Sum(nil)
}

// check: RFC 9449 §9. Whatever is wrong with a nonce, the answer is a new one.
func (n *nonces) check(nonce any, now time.Time) *Error {
	if n == nil || n.valid(nonce, now) {
		return nil
	}
	return &Error{
		Status: http.StatusUnauthorized, Code: "use_dpop_nonce", Reason: "nonce_required",
		description: "the proof needs the nonce of DPoP-Nonce", nonce: n.issue(now),
	}
}

func (n *nonces) valid(nonce any, now time.Time) bool {
	text, _ := nonce.(string)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], n.mac(raw[:8])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(raw)), 0)) //nolint:gosec // ours: the MAC holds
	return age <= nonceLifetime && age >= -maxFuture
}
