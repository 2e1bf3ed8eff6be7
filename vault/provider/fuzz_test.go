package provider_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chancery-dev/chancery/vault/provider"
)

// Whatever is applied as a manifest is refused or valid, and one that is valid can be used or is refused with the settings.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("manifests/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{valid, "# nothing", "---\n", "null", "? {a: b}\n: c", "<<: {a: b}", "name: x\nextends: oauth2"} {
		f.Add([]byte(text))
	}
	c, err := provider.NewCatalogue()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := c.Decode(text)
		if err != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatalf("decoded, and then %v", err)
		}
		p, err := provider.New(m, settings())
		if err != nil {
			return
		}
		if _, d, err := p.Authorize(provider.Ask{}); err == nil && d.State.IsZero() {
			t.Fatal("a departure without a state")
		}
	})
}
