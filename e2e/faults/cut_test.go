package faults

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// F3, F6: the line to the database is cut under load, also between a COMMIT and its answer: what clients hold is
// recorded, and nothing is redeemed twice, whatever a server believes of a commit that it never heard of again.
func TestDatabaseCutUnderLoad(t *testing.T) {
	var lines []*harness.Proxy
	w := harness.Start(t, harness.Options{
		Engine: harness.Postgres, Replicas: 2, Config: map[string]any{"log.level": "error"},
		Dial: func(url string) string {
			through, line := harness.Before(t, url)
			lines = append(lines, line)
			return through
		},
	})
	load := w.StartLoad(t, 8)
	for i := range 20 {
		before := load.Granted()
		harness.Eventually(t, 15*time.Second, "the load gets tokens", func() bool { return load.Granted() > before+20 })
		time.Sleep(moment(t) / 4)
		lines[i%len(lines)].Cut()
		time.Sleep(moment(t))
		lines[i%len(lines)].Mend()
	}
	shots := load.Stop()
	unavailable := 0
	for _, s := range shots {
		if s.Answer.Status == 503 {
			unavailable++
		}
	}
	if unavailable == 0 {
		t.Error("no request met the outage")
	}
	recorded(t, w, shots)
}
