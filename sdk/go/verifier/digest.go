package verifier

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// verifyDigest holds the body against content_digest of the proof, "sha-256=:…:" (RFC
// 9530 §2): the draft DPoP extension of MCP demands it, RFC 9449 does not know it.
func (v *Verifier) verifyDigest(r *http.Request, claims map[string]any) *Error {
	claimed, present := claims["content_digest"]
	if !present && !v.proofs.digestRequired {
		return nil
	}
	body, err := v.readBody(r)
	if err != nil {
		return invalidProof("content_digest", "the body cannot be read", err)
	}
	if !present {
		if len(body) == 0 {
			return nil
		}
		return invalidProof("content_digest", "content_digest is needed", nil)
	}
	text, _ := claimed.(string)
	encoded, isSHA256 := strings.CutPrefix(text, "sha-256=:")
	encoded, isClosed := strings.CutSuffix(encoded, ":")
	received, err := base64.StdEncoding.Strict().DecodeString(encoded)
	digest := sha256.Sum256(body)
	if !isSHA256 || !isClosed || err != nil || subtle.ConstantTimeCompare(received, digest[:]) != 1 {
		return invalidProof("content_digest", "content_digest is not of this body", nil)
	}
	return nil
}

// readBody takes the whole body and puts it back.
func (v *Verifier) readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, v.proofs.maxBody))
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}
