package agent_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows is compiled: each of its blocks stands in an example.
func TestReadmeIsCompiled(t *testing.T) {
	read := func(name string) string {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	var examples strings.Builder
	for _, name := range []string{"example_test.go", "../verifier/example_test.go", "../verifier/mcpverifier/example_test.go"} {
		for line := range strings.Lines(read(name)) {
			examples.WriteString(strings.TrimPrefix(line, "\t"))
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read("../README.md"), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(examples.String(), block[1]) {
			t.Errorf("in no example:\n%s", block[1])
		}
	}
}
