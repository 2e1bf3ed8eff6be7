package decision

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

var (
	// ErrUnknown says that there is no such decision, or not any more.
	ErrUnknown = errors.New("no such decision is recorded, or its time of retention is over")
	// ErrCursor says that a cursor is none of ours.
	ErrCursor = errors.New("this is no cursor of the decision log")
	// ErrRecent says that what was asked to go is too young for it.
	ErrRecent = errors.New("decisions of the last day stay")
)

// Filter narrows a reading; what is empty does not narrow. Since is inclusive, Until is not.
type Filter struct {
	Since, Until time.Time
	User         string // our id of the user
	Client       string // name or client_id
	Resource     string // name
	Code         string // of a denial
	Action       string
	Allow        *bool
}

// Log reads decisions of one tenant.
type Log interface {
	// Find returns one; ErrUnknown where there is none.
	Find(ctx context.Context, t tenant.UID, id string) (ledger.Decision, error)
	// Page returns decisions, the newest first, and the cursor of the next page, "" at the end.
	Page(ctx context.Context, t tenant.UID, f Filter, cursor string, limit int) ([]ledger.Decision, string, error)
	// Each yields decisions, the oldest first, and holds a bounded number of them. An error ends it.
	Each(ctx context.Context, t tenant.UID, f Filter) iter.Seq2[ledger.Decision, error]
}

// Line is a decision as it is exported, one JSON object a line; `policy replay --decisions` reads it.
type Line struct {
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	Trace     string            `json:"trace"`
	Action    string            `json:"action"`
	Allow     bool              `json:"allow"`
	Code      string            `json:"code,omitempty"`
	Policies  []audit.PolicyRef `json:"policies"`
	InputHash string            `json:"input_hash"` // hex SHA-256 of the input as it is stored, as the audit event says it
	Input     json.RawMessage   `json:"input"`      // null: it is no longer kept
	Result    json.RawMessage   `json:"result"`
}

// LineOf is a decision as it is exported.
func LineOf(d ledger.Decision) Line {
	l := Line{
		ID: d.ID, At: d.At.UTC(), Trace: d.Trace, Action: d.Action, Allow: d.Allow, Code: d.Code, Policies: d.Policies,
		InputHash: hex.EncodeToString(d.InputHash[:]), Input: json.RawMessage("null"), Result: json.RawMessage("null"),
	}
	if l.Policies == nil {
		l.Policies = []audit.PolicyRef{}
	}
	if len(d.Input) > 0 {
		l.Input = d.Input
	}
	if len(d.Result) > 0 {
		l.Result = d.Result
	}
	return l
}

// Export writes decisions as JSON lines, the oldest first.
func Export(ctx context.Context, w io.Writer, log Log, t tenant.UID, f Filter) error {
	for d, err := range log.Each(ctx, t, f) {
		if err != nil {
			return err
		}
		text, err := json.Marshal(LineOf(d))
		if err != nil {
			return fmt.Errorf("decision %s: %w", d.ID, err)
		}
		if _, err := w.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Recorded is a decision as a replay reads it.
func Recorded(d ledger.Decision) replay.Recorded {
	r := replay.Recorded{ID: d.ID, At: d.At, Input: d.Input, Result: d.Result, Policies: make([]policy.Ref, 0, len(d.Policies))}
	for _, p := range d.Policies {
		r.Policies = append(r.Policies, refOf(p))
	}
	return r
}

func refOf(p audit.PolicyRef) policy.Ref {
	return policy.Ref{UID: p.UID, Name: p.Name, Revision: p.Revision, Role: policy.Role(p.Role), Hash: p.Hash}
}

// Replayed reads decisions for a replay. One that cannot be read is counted by it; an error of the log ends it.
func Replayed(all iter.Seq2[ledger.Decision, error]) iter.Seq2[replay.Recorded, error] {
	return func(yield func(replay.Recorded, error) bool) {
		for d, err := range all {
			if !yield(Recorded(d), err) {
				return
			}
		}
	}
}
