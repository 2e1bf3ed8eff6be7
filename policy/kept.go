package policy

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// kept is what of a policy decides, packed: for whoever compiles it again, here or elsewhere.
type kept struct {
	key    [sha256.Size]byte
	size   int // unpacked, in bytes
	packed []byte
}

// MaxContent bounds the content of one policy as JSON, in bytes: its data and modules, with room for escapes.
const MaxContent = 2*MaxDataSize + 4*MaxModules*MaxModuleSize

// pack keeps the content of a policy. What says who asks it, and its tests, are not part of it.
func pack(src Source) (*kept, error) {
	text, err := marshal(Source{Role: RoleGuard, Template: src.Template, Modules: src.Modules, Data: src.Data, DataSchema: src.DataSchema})
	if err != nil {
		return nil, refuse("data", "data_refused", "%s", err)
	}
	if len(text) > MaxContent {
		return nil, refuse("data", "data_refused", "%s", errTooLarge)
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("pack policy: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("pack policy: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack policy: %w", err)
	}
	return &kept{key: sha256.Sum256(text), size: len(text), packed: bytes.Clone(packed.Bytes())}, nil
}

func (k *kept) unpack() ([]byte, error) {
	text := make([]byte, k.size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(k.packed)), text); err != nil {
		return nil, fmt.Errorf("unpack policy: %w", err)
	}
	return text, nil
}

// ParseContent reads what Compiled.Content gives.
func ParseContent(text []byte) (Source, error) {
	var src Source
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&src); err != nil {
		return src, fmt.Errorf("policy content: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return src, errors.New("policy content: more than one value")
	}
	return src, nil
}
