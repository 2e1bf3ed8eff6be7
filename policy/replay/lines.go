package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// maxLine bounds one line; a longer one is unreadable, and the next is read.
const maxLine = maxRecord + 64<<10

var errLongLine = fmt.Errorf("the line is longer than %d bytes", maxLine)

// line is one exported decision. Members that it does not know are no concern of it.
type line struct {
	ID       string          `json:"id"`
	At       time.Time       `json:"at"`
	Policies []policy.Ref    `json:"policies"`
	Input    json.RawMessage `json:"input"`
	Result   json.RawMessage `json:"result"`
}

// Lines reads exported decisions, one JSON object a line; empty lines are none.
func Lines(r io.Reader) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			text, err := readLine(in)
			ended := errors.Is(err, io.EOF)
			if err != nil && !ended && !errors.Is(err, errLongLine) {
				yield(Recorded{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if len(bytes.TrimSpace(text)) > 0 || errors.Is(err, errLongLine) {
				var recorded Recorded
				if !errors.Is(err, errLongLine) {
					recorded, err = parseLine(text)
				}
				if err != nil {
					err = &UnreadableError{Place: fmt.Sprintf("line %d", n), Err: err}
				}
				if !yield(recorded, err) {
					return
				}
			}
			if ended {
				return
			}
		}
	}
}

// readLine reads to the end of a line; of one that is too long it keeps nothing.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(text)+len(part) > maxLine; long {
			text = nil
		} else {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLongLine
		}
		return text, err
	}
}

func parseLine(text []byte) (Recorded, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Recorded{}, err
	}
	return Recorded{ID: l.ID, At: l.At, Input: l.Input, Result: l.Result, Policies: l.Policies}, nil
}
