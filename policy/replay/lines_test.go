package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/chancery-dev/chancery/policy/replay"
)

func lineOf(t *testing.T, r replay.Recorded) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": r.ID, "at": r.At, "trace": "trc_1", "policies": r.Policies, "input": json.RawMessage(r.Input), "result": json.RawMessage(r.Result),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLines(t *testing.T) {
	granted := set(t, source("notes", grantsAll))
	good := lineOf(t, record(t, patient(t), granted, "dec_1", alice()))
	tests := []struct {
		name                     string
		text                     string
		same, unreadable, purged int
	}{
		{"one", good + "\n", 1, 0, 0},
		{"no line end", good, 1, 0, 0},
		{"empty lines", "\n" + good + "\n\r\n \n" + good, 2, 0, 0},
		{"nothing", "", 0, 0, 0},
		{"no JSON between", good + "\nnonsense\n" + good, 2, 1, 0},
		{"a line cut short", good + "\n" + good[:40], 1, 1, 0},
		{"a time that is none", strings.Replace(good, `"at":"`, `"at":"x`, 1) + "\n" + good, 1, 1, 0},
		{"too long", good + "\n" + strings.Repeat("x", 3<<20) + "\n" + good, 2, 1, 0},
		{"too long at the end", good + "\n" + strings.Repeat("x", 3<<20), 1, 1, 0},
		{"no input", good + "\n" + `{"id":"dec_2","result":{"allow":true}}`, 1, 0, 1},
		{"a null input", good + "\n" + `{"id":"dec_2","input":null,"result":{"allow":true}}`, 1, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			report, err := replay.Replay(t.Context(), replay.Lines(strings.NewReader(test.text)), granted, anything(t))
			if err != nil || report.Same != test.same || report.Unreadable != test.unreadable || report.Purged != test.purged {
				t.Errorf("%v: %+v", err, report)
			}
		})
	}
	broken := errors.New("the disk is gone")
	report, err := replay.Replay(t.Context(), replay.Lines(io.MultiReader(strings.NewReader(good+"\n"), iotest.ErrReader(broken))), granted, anything(t))
	if !errors.Is(err, broken) || report.Same != 1 || report.Complete {
		t.Errorf("%v: %+v", err, report)
	}
}

// Whatever a file holds, each of its lines is counted once, and nothing breaks.
func FuzzLines(f *testing.F) {
	granted := set(f, source("notes", grantsAll))
	good := record(f, patient(f), granted, "dec_1", alice())
	f.Add([]byte(`{"id":"dec_1","input":` + string(good.Input) + `,"result":` + string(good.Result) + `}`))
	f.Add([]byte("{}\n\n[]\nnull\n{\"input\":{\"version\":1},\"result\":{\"allow\":false}}"))
	o := anything(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := 0
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines++
			}
		}
		report, err := replay.Replay(t.Context(), replay.Lines(bytes.NewReader(text)), granted, o)
		if err != nil || report.Read != lines || report.Read != report.Compared+report.Purged+report.Unanswered+report.Unreadable+report.Foreign {
			t.Errorf("%v: %d lines, %+v", err, lines, report)
		}
		if err := report.WriteTable(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
