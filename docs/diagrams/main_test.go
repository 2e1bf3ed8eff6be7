package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPicturesAreGenerated(t *testing.T) {
	sources, err := filepath.Glob("*.seq")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no source found: %v", err)
	}
	for _, name := range sources {
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := picture(source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(strings.TrimSuffix(name, ".seq") + ".svg")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the picture is older than its source: make generate")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const valid = "part a | A | first\npart b | B | second\na -> b | hello\n"
	if _, err := picture([]byte(valid)); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{
		"an unknown part": valid + "a -> c | hello\n",
		"an unknown word": valid + "draw something\n",
		"a part alone":    "part a | A | first\n",
	} {
		if _, err := picture([]byte(source)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
