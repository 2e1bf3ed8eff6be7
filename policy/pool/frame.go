package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/chancery-dev/chancery/policy"
)

// A frame is its length (4 bytes, big endian, of what follows), its kind (1 byte) and its content.
type kind byte

// What goes to a child.
const (
	toLoad    kind = 'L' // key, memory allowed from now on (8 bytes), content of a policy
	toDrop    kind = 'D' // key
	toDecide  kind = 'Q' // sequence (8 bytes), key, budget in nanoseconds (8 bytes), input
	toExplain kind = 'X' // the same
	toCancel  kind = 'C' // sequence
)

// What comes back: one frame for each toLoad, toDecide and toExplain.
const (
	isReady  kind = 'K' // nothing
	hasSaid  kind = 'R' // verdict (1 byte), nanoseconds taken (8 bytes), decision or rules
	hasFault kind = 'F' // the same, a fault
)

// The verdict of a child on itself.
const (
	goesOn  = 0
	retires = 1 // it has used up a good part of its processor time
)

// Sizes.
const (
	keySize    = 32
	maxToChild = policy.MaxContent + 1024
	maxBack    = 2 << 20 // an answer is decoded: see policy's limits on results
	maxHeader  = 5
)

var errFrame = errors.New("a frame is malformed")

// write sends one frame in one write.
func write(w io.Writer, k kind, parts ...[]byte) error {
	size := 1
	for _, p := range parts {
		size += len(p)
	}
	if size > maxToChild {
		return errFrame
	}
	frame := make([]byte, 4, 4+size)
	binary.BigEndian.PutUint32(frame, uint32(size))
	frame = append(frame, byte(k))
	for _, p := range parts {
		frame = append(frame, p...)
	}
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("write a frame: %w", err)
	}
	return nil
}

// read takes one frame of at most most bytes.
func read(r io.Reader, most int) (kind, []byte, error) {
	var header [maxHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(header[:4])
	if size < 1 || uint64(size) > uint64(most) { //nolint:gosec // most is a constant
		return 0, nil, errFrame
	}
	content := make([]byte, size-1)
	if _, err := io.ReadFull(r, content); err != nil {
		return 0, nil, fmt.Errorf("read a frame: %w", err)
	}
	return kind(header[4]), content, nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// cut takes the first n bytes of a frame's content.
func cut(content []byte, n int) (part, rest []byte, err error) {
	if len(content) < n {
		return nil, nil, errFrame
	}
	return content[:n], content[n:], nil
}
