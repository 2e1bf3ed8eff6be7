package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLine bounds a line of an export: an event's body is far below it.
const maxLine = 4 << 20

// Expect is what a verification is held against.
type Expect struct {
	// Keys are those that the verifier trusts. With none, the export's own keys count, and the report
	// names them: whoever could write the export could then have signed it.
	Keys []PublicKey
	// Head, if not nil, is the digest of all heads, noted elsewhere; it proves the tail too.
	Head *Digest
}

// Report says what was proved.
type Report struct {
	Tenant      string    // empty: the whole log
	ExportedAt  time.Time // as the export says
	Events      int64
	Bare        int64 // of them: leaves without a body, of other tenants or erased
	Unproven    int64 // of them: behind the newest checkpoint, and no head was given
	Writers     int
	Checkpoints int64
	Newest      time.Time // of the newest checkpoint
	Head        Digest    // of all writers
	KeyIDs      []string  // that signed, by thumbprint
	Trusted     bool      // the keys came from the verifier
}

// Bad is the first place where an export does not hold.
type Bad struct {
	Line   int
	Writer string // empty if it is no event's
	Seq    int64
	What   string
}

// Error implements error.
func (b *Bad) Error() string {
	if b.Writer == "" {
		return fmt.Sprintf("line %d: %s", b.Line, b.What)
	}
	return fmt.Sprintf("line %d: writer %s, event %d: %s", b.Line, b.Writer, b.Seq, b.What)
}

// Verify reads an export to its end and proves that nothing up to its newest
// checkpoint was changed, reordered or cut out. The error is *Bad or the reader's.
// It does not prove that the export is recent: compare Report.Newest.
func Verify(r io.Reader, expect Expect) (Report, error) {
	v := &verifier{
		expect: expect, keys: map[string]PublicKey{}, signed: map[string]bool{},
		writers: map[string]*chain{}, hashes: map[Digest]bool{{}: true},
	}
	for _, k := range expect.Keys {
		v.keys[k.KeyID()] = k
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		v.at++
		switch {
		case errors.Is(err, io.EOF):
			return v.report, v.bad("the line is cut")
		case errors.Is(err, bufio.ErrTooLong):
			return v.report, v.bad("the line is too long")
		case err != nil:
			return v.report, err
		}
		if err := v.line(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return v.report, err
		}
	}
	v.at++
	return v.report, v.finish()
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, bufio.ErrTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
