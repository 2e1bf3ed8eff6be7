// Command diagrams draws the pictures of the documentation: a sequence of messages
// between parts, written as lines of text, becomes an SVG that reads well on a light
// and on a dark page.
//
// The text is the source and the SVG is generated (`make generate`); a test holds the
// two together. It depends on the standard library alone, so that a picture never
// waits for a tool that is not installed.
package main

//go:generate go run . flow.seq flow.svg
//go:generate go run . issue.seq issue.svg

import (
	"bytes"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: diagrams FILE.seq FILE.svg")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "diagrams: %v\n", err)
		os.Exit(1)
	}
}

func convert(in, out string) error {
	source, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	svg, err := picture(source)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return os.WriteFile(out, svg, 0o644)
}

func picture(source []byte) ([]byte, error) {
	s, err := parse(bytes.NewReader(source))
	if err != nil {
		return nil, err
	}
	return draw(s), nil
}
