package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

var errBase64 = errors.New("not base64")

// decode reads base64 as browsers and IdPs send it: the standard alphabet, line
// breaks allowed (SAML bindings §3.5.4). What is larger than a document may be is
// not decoded.
func decode(text string) ([]byte, error) {
	if len(text) > MaxBytes*4/3+MaxBytes/32 { // with line breaks
		return nil, errTooLarge
	}
	text = strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, text)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 {
		return nil, errBase64
	}
	return raw, nil
}

// inflate undoes DEFLATE (SAML bindings §3.4.4.1) and stops at the size that a
// document may have, however much more there would be.
func inflate(compressed []byte) ([]byte, error) {
	reader := flate.NewReader(bytes.NewReader(compressed))
	raw, err := io.ReadAll(io.LimitReader(reader, MaxBytes+1))
	switch {
	case len(raw) > MaxBytes:
		return nil, errTooLarge
	case err != nil:
		return nil, errParse
	}
	return raw, nil
}

func deflate(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	writer, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(raw); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
