package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// mayLack names, by environment variable, what a test may be skipped for even in
// CI: corpora of other people that are not part of this repository, and a real
// Vault-compatible server beside the in-repository double.
var mayLack = [...]string{"CHANCERY_CORPORA", "CHANCERY_TEST_VAULT_ADDR"}

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
	Elapsed    float64
}

// key names one test, or with an empty test the package itself.
type key struct{ pkg, test string }

// run is everything that the events told so far.
type run struct {
	output  map[key]*strings.Builder
	parents map[key]bool // tests with subtests are not counted: their subtests are
	result  map[key]string
	order   []key
	build   strings.Builder
	broken  int // packages that did not build, or ended without a verdict of a test
	started map[string]bool
}

func newRun() *run {
	return &run{
		output:  map[key]*strings.Builder{},
		parents: map[key]bool{},
		result:  map[key]string{},
		started: map[string]bool{},
	}
}

// read consumes events until the end, and writes one line to out for each package
// that finishes.
func (r *run) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line, out)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
	}
}

func (r *run) line(line []byte, out io.Writer) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		// Not an event: the go command talking past -json. It is worth seeing.
		r.build.Write(line)
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "start":
		r.started[e.Package] = true
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			r.parents[key{e.Package, e.Test[:i]}] = true
		}
	case "output":
		r.outputOf(k).WriteString(e.Output)
	case "build-output":
		r.build.WriteString(e.Output)
	case "pass", "fail", "skip":
		r.finish(k, e, out)
	}
}

func (r *run) outputOf(k key) *strings.Builder {
	b := r.output[k]
	if b == nil {
		b = &strings.Builder{}
		r.output[k] = b
	}
	return b
}

func (r *run) finish(k key, e event, out io.Writer) {
	r.result[k] = e.Action
	r.order = append(r.order, k)
	if e.Action == "pass" {
		delete(r.output, k)
	}
	if k.test != "" {
		return
	}
	delete(r.started, k.pkg)
	if e.Action == "fail" && !r.failedTestIn(k.pkg) {
		r.broken++
	}
	word := map[string]string{"pass": "ok", "fail": "FAIL", "skip": "none"}[e.Action]
	fmt.Fprintf(out, "%-4s  %-60s %6s\n", word, k.pkg, time.Duration(e.Elapsed*float64(time.Second)).Round(10*time.Millisecond))
}

func (r *run) failedTestIn(pkg string) bool {
	for k := range r.result {
		if k.pkg == pkg && k.test != "" && r.counted(k) == "fail" {
			return true
		}
	}
	return false
}
