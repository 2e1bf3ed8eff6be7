package decision_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/policy/replay"
)

// A hundred thousand recorded decisions, read from the database and decided again. Goal: at most 10 s on 2 cores.
func BenchmarkReplay(b *testing.B) {
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) {
			const n = 100_000
			d := e.New(b)
			s := setOf(b, grouped())
			log := d.Store.Decisions()
			fill(b, d, decided(b, masks(b), request(), grouped()), n)
			b.ResetTimer()
			for range b.N {
				report, err := replay.Replay(b.Context(), decision.Replayed(log.Each(b.Context(), d.Default, decision.Filter{})), s, replay.Options{MaxFlips: 0})
				if err != nil || report.Compared != n {
					b.Fatal(report.Compared, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/1000, "s/100k")
		})
	}
}

// fill writes one decision down many times.
func fill(b *testing.B, d *storetest.Database, one ledger.Decision, n int) {
	b.Helper()
	const rows = 500
	at := time.Now().Add(-7 * 24 * time.Hour)
	for i := 0; i < n; i += rows {
		var statement strings.Builder
		statement.WriteString("insert into decisions (tenant_uid, id, at, trace, action, allow, code, policies, input_hash, input, result) values ")
		var args []any
		for j := range rows {
			if j > 0 {
				statement.WriteByte(',')
			}
			when := at.Add(time.Duration(i+j) * time.Second)
			k := len(args)
			fmt.Fprintf(&statement, "($%d,$%d,$%d,'','issue',true,'',$%d,$%d,$%d,$%d)", k+1, k+2, k+3, k+4, k+5, k+6, k+7)
			args = append(args, d.Default.String(), id.New(id.Decision, when), when.UnixMicro(), "[]", one.InputHash[:],
				strings.Replace(string(one.Input), acme.String(), d.Default.String(), 1), string(one.Result))
		}
		if _, err := d.Owner.ExecContext(b.Context(), statement.String(), args...); err != nil {
			b.Fatal(err)
		}
	}
}
