package replay_test

import (
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// BenchmarkReplay replays a hundred thousand decisions each time, under a template and under modules.
func BenchmarkReplay(b *testing.B) {
	const n = 100_000
	drafts := map[string]policy.Source{
		"modules": source("notes", revisionB),
		"template": {UID: "pol_gs", Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{
			"grants": []any{map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}}},
		}},
	}
	e, r, a := patient(b), rand.New(rand.NewPCG(7, 8)), set(b, source("notes", revisionA))
	var some []replay.Recorded
	for range 1000 {
		some = append(some, record(b, e, a, "dec", someone(r)))
	}
	var records iter.Seq2[replay.Recorded, error] = func(yield func(replay.Recorded, error) bool) {
		for i := range n {
			if !yield(some[i%len(some)], nil) {
				return
			}
		}
	}
	for name, src := range drafts {
		b.Run(name, func(b *testing.B) {
			draft := set(b, src)
			b.ReportAllocs()
			for b.Loop() {
				report, err := replay.Replay(b.Context(), records, draft, replay.Options{MaxFlips: replay.NoThreshold})
				if err != nil || report.Compared != n {
					b.Fatalf("%v: %+v", err, report.Changes)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}
