package policy_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

func BenchmarkDecideGroupScopes(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			start := time.Now()
			s, e := set(b, groupScopes(n)), policy.NewInProcess(0)
			b.Logf("compiled in %s", time.Since(start))
			in := alice()
			if d := e.Decide(b.Context(), s, in); !d.Allow || len(d.Scopes) != 2 {
				b.Fatalf("%+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				e.Decide(b.Context(), s, in)
			}
		})
	}
}

func BenchmarkInputValue(b *testing.B) {
	in := alice()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := in.Value(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecideTrivial(b *testing.B) {
	s, e := set(b, grant(`decision := {"allow": true}`)), policy.NewInProcess(0)
	in := alice()
	b.ReportAllocs()
	for b.Loop() {
		e.Decide(b.Context(), s, in)
	}
}
