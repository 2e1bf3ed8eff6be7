// Package jose reads, verifies and signs the compact JWS that OAuth uses. It is
// stricter than go-jose, which does the cryptography: one canonical encoding, a
// header and claims that are strict JSON, algorithms that the caller names.
//
// It depends on internal/strictjson and go-jose, and must not know what a token
// means.
package jose
