package policy

import (
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
	in, err := ParseInput(text)
	if err != nil {
		return nil, Record{}, err
	}
	var beside struct {
		Record Record `json:"record"`
	}
	if err := json.Unmarshal(text, &beside); err != nil {
		return nil, Record{}, fmt.Errorf("policy input: %w", err)
	}
	in.Implies = beside.Record.Implies
	return in, beside.Record, nil
}
