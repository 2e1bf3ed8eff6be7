package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
)

// The page says how many cases there are, and its settings file is one.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, profile := range []conformance.Profile{conformance.IDJAG, conformance.JWTBearer} {
		cases := conformance.Cases(profile)
		_, row, _ := strings.Cut(page, "| `"+string(profile)+"`")
		row, _, _ = strings.Cut(row, "\n")
		if !strings.HasSuffix(row, fmt.Sprintf("| %d |", len(cases))) {
			t.Errorf("%s has %d cases: %s", profile, len(cases), row)
		}
		for _, c := range cases {
			group, _, _ := strings.Cut(c.ID, ".")
			if !strings.Contains(page, "| `"+group+".…` |") {
				t.Errorf("the page does not name %s", group)
			}
		}
	}
	_, block, found := strings.Cut(page, "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	if s, err := conformance.ReadSettings(strings.NewReader(block)); !found || err != nil || s.Target == "" || len(s.Scopes) != 2 {
		t.Errorf("the settings of the page: %+v, %v", s, err)
	}
}
