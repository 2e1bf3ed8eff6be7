package saml_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

func TestAttacks(t *testing.T) {
	w := newWorld()
	attacks := samltest.Attacks()
	if len(attacks) < 180 {
		t.Errorf("%d attacks", len(attacks))
	}
	seen := map[string]bool{}
	for _, attack := range attacks {
		if seen[attack.Name] {
			t.Errorf("%s appears twice", attack.Name)
		}
		seen[attack.Name] = true
		t.Run(attack.Name, func(t *testing.T) {
			d := w.idp.Draft(w.sp, request)
			attack.Make(d)
			s, err := w.verify(d)
			if s != nil {
				t.Fatalf("signed in as %+v", s.NameID())
			}
			refused(t, err, attack.Code)
		})
	}
}

func TestVariations(t *testing.T) {
	w := newWorld()
	for _, variation := range samltest.Variations() {
		t.Run(variation.Name, func(t *testing.T) {
			d := w.idp.Draft(w.sp, request)
			variation.Make(d)
			s, err := w.verify(d)
			if err != nil {
				t.Fatal(err)
			}
			if s.NameID().Value != "00u1alice" {
				t.Errorf("signed in as %q", s.NameID().Value)
			}
		})
	}
}

// T25: what is made to cost much costs little.
func TestBombsAreCheap(t *testing.T) {
	w := newWorld()
	for _, attack := range samltest.Attacks() {
		if attack.Section != "T25" {
			continue
		}
		t.Run(attack.Name, func(t *testing.T) {
			d := w.idp.Draft(w.sp, request)
			attack.Make(d)
			encoded := d.Encoded()
			presented := presentation(w, encoded)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := w.verifier.Verify(w.provider, presented)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			refused(t, err, attack.Code)
			if took > 100*time.Millisecond {
				t.Errorf("took %s", took)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("allocated %d MiB for %d KiB", used>>20, len(encoded)>>10)
			}
		})
	}
}

// A document as large as the gate lets through, of the worst shapes that we know.
func TestTheLargestIsBounded(t *testing.T) {
	w := newWorld()
	d := w.idp.Draft(w.sp, request)
	for i := range 25 {
		d.Assertion.CreateAttr("xmlns:p"+strings.Repeat("x", i+1), "urn:example:"+strings.Repeat("y", i))
	}
	names := make([]string, 1900)
	for i := range names {
		names[i] = strings.Repeat("g", 150)
	}
	d.Attribute("groups", names...)
	encoded := d.Encoded()
	began := time.Now()
	_, err := w.verifier.Verify(w.provider, presentation(w, encoded))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s for %d KiB", took, len(encoded)>>10)
	}
}
