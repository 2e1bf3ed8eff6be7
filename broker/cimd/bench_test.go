package cimd_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
)

func BenchmarkGetCached(b *testing.B) {
	s := source(b, serving(b, confidential(b)), newClock().Now)
	r := rules()
	if _, err := s.Get(b.Context(), acme(), r, address); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), acme(), r, address); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	document, u := encode(b, confidential(b)), url(b, address)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cimd.Parse(document, u); err != nil {
			b.Fatal(err)
		}
	}
}
