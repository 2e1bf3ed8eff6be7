package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Record is what is written down beside an input, as its member record: what one needs to decide it again. Policies never see it.
type Record struct {
	// Masked are the members whose values are not what policy saw, such as user.email.
	Masked []string `json:"masked,omitempty"`
	// Implies is what the resource's scopes implied then, transitively; nil is not known.
	Implies map[string][]string `json:"implies,omitzero"`
}

// Recorded is the input as it is recorded, with what is written down beside it.
func (in *Input) Recorded(r Record) ([]byte, error) {
	text, err := in.JSON()
	if err != nil {
		return nil, err
	}
	if len(r.Masked) == 0 && r.Implies == nil {
		return text, nil
	}
	beside, err := marshal(r)
	if err != nil {
		return nil, fmt.Errorf("policy input: %w", err)
	}
	text = append(text[:len(text)-1], `,"record":`...) // an input is never the empty object
	text = append(text, beside...)
	return append(text, '}'), nil
}

// ParseRecorded reads an input as it was recorded, with what was written down beside it; older records have nothing. The
// input knows what the resource's scopes imply if the record does.
func ParseRecorded(text []byte) (*Input, Record, error) {
	var all struct {
		Version int    `json:"version"`
		Record  Record `json:"record"`
		input
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		return nil, Record{}, fmt.Errorf("policy input: %w", err)
	}
	if all.Version != InputVersion {
		return nil, Record{}, fmt.Errorf("policy input: version %d is not known", all.Version)
	}
	in := Input(all.input)
	in.Implies = all.Record.Implies
	return &in, all.Record, nil
}

// input is an Input within the document that is recorded.
type input Input
