package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAuditQuery(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, resourceText+"---\n"+clientText, "apply", "-f", "-")
	got := s.run(exitDone, "audit", "query", "--type", "object.created", "-o", "json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	var made []event
	for _, line := range lines {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Detail.Name == "claude" || e.Detail.Name == "notes" {
			made = append(made, e)
		}
	}
	if len(made) != 2 || made[0].Detail.Kind != "Client" { // the newest first
		t.Fatalf("%+v", made)
	}
	table := s.run(exitDone, "audit", "query", "--trace", made[0].Trace).stdout
	has(t, table, "AT", "OUTCOME", "object.created", "changed", "Client claude", "Resource notes", made[0].Trace)
	one := s.run(exitDone, "audit", "query", "--type", "object.created", "--limit", "1", "-o", "yaml").stdout
	has(t, one, "type: object.created", "name: claude")
	hasNot(t, one, "---", "notes")
	hasNot(t, s.run(exitDone, "audit", "query", "--until", "1h").stdout, "object.created")
	has(t, s.run(exitDone, "audit", "query", "--since", "1h", "--limit", "0").stdout, "Client claude")

	// The story of the change.
	has(t, s.run(exitDone, "explain", made[0].Trace).stdout, made[0].Trace, "changed")
	has(t, s.run(exitDone, "explain", made[0].Trace, "-o", "json").stdout, `"trace": "`+made[0].Trace+`"`)
	has(t, s.run(exitDone, "explain", made[0].Trace, "-o", "yaml").stdout, "trace: "+made[0].Trace)
	has(t, s.run(exitFailed, "explain", "trc_01JZ8Q0V9V2B7T5D4N3M2K1H0G").stderr, "object_unknown (404)")

	for _, args := range [][]string{
		{"--since", "yesterday"},
		{"--since", "-1h"},
		{"--until", "7x"},
		{"--outcome", "maybe"},
		{"--type", "object.mislaid"},
		{"--limit", "-1"},
	} {
		s.run(exitFailed, append([]string{"audit", "query"}, args...)...)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2030, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "0d": now, "2030-01-31T00:00:00Z": time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := moment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
}

func TestAuditTail(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, resourceText, "apply", "-f", "-")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan outcome, 1)
	go func() { ended <- s.runIn(ctx, "", "audit", "tail", "--lines", "50", "--limit", "1") }()
	for changed := 0; ; changed++ { // whatever happens once the tail has its position is seen
		s.pipe(exitDone, strings.Replace(resourceText, "risk: low", "risk: low, description: Read "+strings.Repeat("!", changed%50), 1), "apply", "-f", "-")
		select {
		case got := <-ended:
			if got.status != exitDone {
				t.Fatalf("%+v", got)
			}
			has(t, got.stdout, "object.created", "object.changed")
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAuditTailEndsWhenInterrupted(t *testing.T) {
	s := serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan outcome, 1)
	go func() { ended <- s.runIn(ctx, "", "audit", "tail") }()
	cancel()
	if got := <-ended; got.status != exitDone {
		t.Errorf("%+v", got)
	}
	s.run(exitFailed, "audit", "tail", "--lines", "-1")
}

// exportOf waits for a checkpoint that covers what happened.
func exportOf(t *testing.T, s shell) string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; ; n++ {
		path := filepath.Join(s.folder, "audit"+strings.Repeat("x", n)+".jsonl")
		s.run(exitDone, "audit", "export", "--out", path)
		got := s.runIn(t.Context(), "", "audit", "verify", path)
		if got.status == exitDone && !strings.Contains(got.stderr, "not proved") {
			return path
		}
		if time.Now().After(deadline) {
			t.Fatalf("no checkpoint: %+v", got)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestAuditVerify(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, resourceText+"---\n"+clientText, "apply", "-f", "-")
	path := exportOf(t, s)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	export := string(raw)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	has(t, s.run(exitFailed, "audit", "export", "--out", path).stderr, "not overwritten")

	// It needs no server, and says what it had to trust.
	off := alone(t)
	got := off.run(exitDone, "audit", "verify", path)
	has(t, got.stdout, "verified     yes", "from the export itself", "head")
	has(t, got.stderr, "the keys inside the export had to be trusted")

	// With keys from elsewhere.
	var trusted struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for line := range strings.Lines(export) {
		var k struct {
			Kind string          `json:"kind"`
			JWK  json.RawMessage `json:"jwk"`
		}
		if err := json.Unmarshal([]byte(line), &k); err == nil && k.Kind == "key" {
			trusted.Keys = append(trusted.Keys, k.JWK)
		}
	}
	set, err := json.Marshal(trusted)
	if err != nil {
		t.Fatal(err)
	}
	jwks := off.file("jwks.json", string(set))
	got = off.run(exitDone, "audit", "verify", path, "--jwks", jwks, "-o", "json")
	var p proof
	if err := json.Unmarshal([]byte(got.stdout), &p); err != nil || !p.Verified || !p.KeysTrusted || p.Events == 0 || p.Checkpoints == 0 || len(p.Head) != 64 {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	if got.stderr != "" {
		t.Errorf("warned: %s", got.stderr)
	}
	off.run(exitDone, "audit", "verify", path, "--jwks", jwks, "--head", p.Head)
	has(t, off.pipe(exitDone, export, "audit", "verify", "-", "--jwks", jwks).stdout, "from --jwks")

	others := off.file("others.json", `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	lines := strings.SplitAfter(export, "\n")
	cut := len(lines) - 3 // an event: before the end and what follows the last newline
	tests := []struct {
		name   string
		export string
		args   []string
		want   []string
	}{
		{"one byte", strings.Replace(export, "object.created", "object.creased", 1), nil, []string{"line ", "writer ", "the event was changed"}},
		{"a line cut out", strings.Join(append(append([]string{}, lines[:cut]...), lines[cut+1:]...), ""), nil, []string{"line "}},
		{"two lines swapped", swap(lines, cut-1, cut), nil, []string{"line ", "writer "}},
		{"the end cut off", strings.Join(lines[:cut+1], ""), nil, []string{"the end is missing"}},
		{"empty", "", nil, []string{"the export is empty"}},
		{"keys of somebody else", export, []string{"--jwks", others}, []string{"not trusted"}},
		{"another head", export, []string{"--head", strings.Repeat("0", 64)}, []string{"not the one given"}},
		{"a head that is none", export, []string{"--head", "0"}, []string{"--head"}},
		{"an empty head", export, []string{"--head", ""}, []string{"--head"}},
		{"no keys named", export, []string{"--jwks", ""}, []string{"--jwks"}},
		{"keys that are absent", export, []string{"--jwks", "/absent"}, []string{"--jwks"}},
		{"a set without keys", export, []string{"--jwks", off.file("none.json", `{"keys":[]}`)}, []string{"it has no keys"}},
		{"keys over plain http", export, []string{"--jwks", "http://127.0.0.1/keys"}, []string{"plain http"}},
		{"keys from a private address", export, []string{"--jwks", "https://127.0.0.1/keys"}, []string{"--jwks"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			off := off
			off.t = t
			got := off.pipe(exitFailed, test.export, append([]string{"audit", "verify", "-"}, test.args...)...)
			has(t, got.stderr, test.want...)
			hasNot(t, got.stdout, "verified")
		})
	}
	t.Run("the place as JSON", func(t *testing.T) {
		off := off
		off.t = t
		got := off.pipe(exitFailed, tests[0].export, "audit", "verify", "-", "-o", "json")
		has(t, got.stdout, `"verified": false`, `"line": `, `"error": "the event was changed`)
	})
	has(t, off.run(exitFailed, "audit", "verify", "/absent").stderr, "no such file")
}

func swap(lines []string, i, j int) string {
	swapped := append([]string{}, lines...)
	swapped[i], swapped[j] = swapped[j], swapped[i]
	return strings.Join(swapped, "")
}
