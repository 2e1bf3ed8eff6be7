package sdk

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// agent is a program with an MCP SDK in it, of a person who sits before a browser. It is told to connect somewhere as some
// client, and then to call tools.
type agent interface {
	do(t *testing.T, what task) answer
}

// answer is what came of it.
type answer struct {
	Seen      seenByTool `json:"seen"`
	TokenType string     `json:"token_type"`
	Refresh   bool       `json:"refresh"` // there is a refresh token
	Error     string     `json:"error"`

	asked []url.Values // the authorization requests that the person was sent to
}

// browsing is the person's part: he is sent to an authorization request, and comes back to the redirect URI.
type browsing struct {
	name  string           // alice, unless a task says somebody else
	back  func(url.Values) // changes what comes back, where it is set
	asked []url.Values
}

const redirectURI = "http://127.0.0.1/callback"

// begin begins another task.
func (b *browsing) begin(what task) {
	b.asked = nil
	b.back, _ = what["-"].(changed)
	b.name = cmp.Or(what.text("person"), "alice")
}

// open does what a willing person does, and returns the answer as the client gets it.
func (b *browsing) open(ctx context.Context, t *testing.T, request string) (url.Values, error) {
	t.Helper()
	asked, err := url.Parse(request)
	if err != nil {
		return nil, err
	}
	b.asked = append(b.asked, asked.Query())
	answered, page, err := harness.NewPerson(t, b.name).Try(ctx, request, redirectURI)
	switch {
	case err != nil:
		return nil, err
	case answered == nil:
		return nil, fmt.Errorf("a page: %d %s\n%s", page.Status, page.URL, page.Body)
	}
	if b.back != nil {
		b.back(answered)
	}
	return answered, nil
}

// program is an SDK of another language: commands go in and answers come out, line by line.
type program struct {
	browsing

	in     io.Writer
	out    *bufio.Scanner
	stderr *bytes.Buffer
}

func runProgram(t *testing.T, name string, arguments ...string) *program {
	t.Helper()
	p := &program{stderr: &bytes.Buffer{}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	command := exec.CommandContext(ctx, name, arguments...)
	command.Stderr = p.stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("%v: deploy/ci/install-tools.sh installs what this needs", err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = in.Close()
		cancel()
		_ = command.Wait()
	})
	return p
}

func typeScriptAgent(t *testing.T, version string) *program {
	t.Helper()
	return runProgram(t, "node", filepath.Join("typescript", "people.mjs"), version)
}

func pythonAgent(t *testing.T) *program {
	t.Helper()
	return runProgram(t, pythonProgram(), filepath.Join("python", "people.py"))
}

func (p *program) say(t *testing.T, what any) {
	t.Helper()
	line, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
}

func (p *program) do(t *testing.T, what task) answer {
	t.Helper()
	p.begin(what)
	p.say(t, what)
	for p.out.Scan() {
		var said struct {
			answer

			Open string `json:"open"`
		}
		if err := json.Unmarshal(p.out.Bytes(), &said); err != nil {
			t.Fatalf("%v\n%s\n%s", err, p.out.Text(), p.stderr)
		}
		if said.Open == "" {
			said.asked = p.asked
			return said.answer
		}
		answered, err := p.open(t.Context(), t, said.Open)
		if err != nil {
			t.Fatal(err)
		}
		p.say(t, task{"back": redirectURI + "?" + answered.Encode()})
	}
	t.Fatalf("the program ended\n%s", p.stderr)
	return answer{}
}

// changingBack is a task whose authorization answers are changed on their way.
func (t task) changingBack(change func(url.Values)) task {
	return t.with(task{"-": changed(change)})
}

// changed is no part of what a program reads.
type changed func(url.Values)

// MarshalJSON implements json.Marshaler.
func (changed) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func (t task) text(name string) string {
	text, _ := t[name].(string)
	return text
}

func connectTo(resource string, as task) task {
	return as.with(task{"do": "connect", "resource": resource})
}

func call(tool string) task { return task{"do": "call", "tool": tool} }

// once demands one authorization request and returns it.
func (a answer) once(t *testing.T) url.Values {
	t.Helper()
	if a.Error != "" || len(a.asked) != 1 {
		t.Fatalf("%d authorization requests, want 1: %+v", len(a.asked), a)
	}
	return a.asked[0]
}

// unasked demands that it went without the person.
func (a answer) unasked(t *testing.T) answer {
	t.Helper()
	if a.Error != "" || len(a.asked) != 0 {
		t.Fatalf("%d authorization requests, want none: %+v", len(a.asked), a)
	}
	return a
}

// failed demands an error that says something.
func (a answer) failed(t *testing.T, says string) {
	t.Helper()
	if a.Error == "" || !strings.Contains(a.Error, says) {
		t.Errorf("%+v, want an error that says %q", a, says)
	}
}

func scopesOf(request url.Values) []string {
	scopes := strings.Fields(request.Get("scope"))
	slices.Sort(scopes)
	return scopes
}
