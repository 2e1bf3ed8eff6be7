package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

var fence = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// Every object that these pages show is decoded and validated as `apply` does it.
// A reader copies them as they stand, so nothing is added to them here.
func TestObjectsInPages(t *testing.T) {
	for _, page := range []string{"quickstart.md", "objects.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := fence.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no object", page)
		}
		for _, block := range blocks {
			if _, err := object.Decode(strings.NewReader(block[1]), object.Options{}); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
			}
		}
	}
}
