package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// maxRecord bounds what is read of one record: an input is at most policy.MaxInputSize of values, and JSON writes one
// byte in up to six.
const maxRecord = 8 * policy.MaxInputSize

// Recorded is one decision as it was recorded.
type Recorded struct {
	ID string
	At time.Time
	// Input is what policy saw; empty (or null) when the time of its retention is over.
	Input []byte
	// Result is what policy said: a policy.Decision.
	Result []byte
	// Policies are those who were asked.
	Policies []policy.Ref
}

// UnreadableError is a record that a source could not read. Among the records it is counted, and the rest go on; any
// other error of the source ends the replay.
type UnreadableError struct {
	Place string // where in the source, such as "line 7"
	Err   error
}

func (e *UnreadableError) Error() string { return e.Place + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *UnreadableError) Unwrap() error { return e.Err }

var (
	errNoResult  = errors.New("the record holds no result")
	errTooLarge  = fmt.Errorf("the record is larger than %d bytes", maxRecord)
	errNoAllow   = errors.New("the recorded result does not say whether it allowed")
	errUnsettled = errors.New("comparing failed")
)

func (r Recorded) purged() bool {
	text := bytes.TrimSpace(r.Input)
	return len(text) == 0 || string(text) == "null"
}

// parse reads input and result, neither of which is trusted to be what was once written.
func (r Recorded) parse() (*policy.Input, policy.Record, policy.Decision, error) {
	if len(r.Input)+len(r.Result) > maxRecord {
		return nil, policy.Record{}, policy.Decision{}, errTooLarge
	}
	in, beside, err := policy.ParseRecorded(r.Input)
	if err != nil {
		return nil, policy.Record{}, policy.Decision{}, err
	}
	before, err := parseResult(r.Result)
	return in, beside, before, err
}

// parseResult refuses a result that does not say allow: read as a denial it would hide a flip.
func parseResult(text []byte) (policy.Decision, error) {
	if len(text) == 0 {
		return policy.Decision{}, errNoResult
	}
	var said struct {
		Allow *bool `json:"allow"`
		result
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&said); err != nil {
		return policy.Decision{}, fmt.Errorf("recorded result: %w", err)
	}
	if said.Allow == nil {
		return policy.Decision{}, errNoAllow
	}
	d := policy.Decision(said.result)
	d.Allow = *said.Allow
	return d, nil
}

// result is a Decision whose allow is shadowed by the struct around it.
type result policy.Decision
