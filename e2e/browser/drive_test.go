package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// driver is a Chromium that does what it is told, for any number of people at a time.
type driver struct {
	mu    sync.Mutex
	in    io.Writer
	last  int
	waits map[int]chan reply
	ended chan struct{}
	said  *bytes.Buffer
}

type reply struct {
	ID     int
	Answer json.RawMessage
	Error  string
}

type order struct {
	ID     int            `json:"id"`
	Window int            `json:"window"`
	Order  string         `json:"order"`
	With   map[string]any `json:"with"`
}

// drive starts it. What is asked of https at a name that ends in .example goes to a port of this machine.
func drive(t *testing.T, folder string, elsewhere int) *driver {
	t.Helper()
	d := &driver{waits: map[int]chan reply{}, ended: make(chan struct{}), said: &bytes.Buffer{}}
	command := exec.Command("node", "drive.mjs")
	command.Stderr = d.said
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
	d.in = in
	t.Cleanup(func() {
		_ = in.Close()
		<-d.ended
		if err := command.Wait(); err != nil {
			t.Errorf("%v\n%s", err, d.said)
		}
	})
	go d.listen(out)
	task := map[string]any{"chromium": chromium(t), "folder": folder, "elsewhere": elsewhere, "patience": 20000}
	if err := json.NewEncoder(in).Encode(task); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *driver) listen(out io.Reader) {
	defer close(d.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r reply
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		d.mu.Lock()
		waits := d.waits[r.ID]
		delete(d.waits, r.ID)
		d.mu.Unlock()
		if waits != nil {
			waits <- r
		}
	}
}

func (d *driver) do(t *testing.T, window int, what string, with map[string]any) reply {
	t.Helper()
	waits := make(chan reply, 1)
	d.mu.Lock()
	d.last++
	o := order{ID: d.last, Window: window, Order: what, With: with}
	d.waits[o.ID] = waits
	err := json.NewEncoder(d.in).Encode(o)
	d.mu.Unlock()
	if err != nil {
		t.Fatalf("%v\n%s", err, d.said)
	}
	select {
	case r := <-waits:
		return r
	case <-d.ended:
		t.Fatalf("the browser ended\n%s", d.said)
		return reply{}
	}
}

// window is one person's browser, with cookies of its own.
type window struct {
	t      *testing.T
	d      *driver
	number int
}

// shown is the page that a person sees.
type shown struct{ URL, Title, Text string }

// how a person's browser is.
type how struct {
	NoScripts     bool
	Authenticator bool
	Origins       []string // that may be asked for something
}

// open opens one. At the end it must have complained of nothing (the policy, the console, axe, what has no focus or is too
// wide), and have asked nobody but those of whom it is known.
func (d *driver) open(t *testing.T, h how) *window {
	t.Helper()
	d.mu.Lock()
	d.last++
	w := &window{t: t, d: d, number: d.last}
	d.mu.Unlock()
	w.order("open", map[string]any{"scripts": !h.NoScripts, "authenticator": h.Authenticator}, nil)
	t.Cleanup(func() {
		var end struct{ Said, Origins []string }
		w.order("close", nil, &end)
		for _, s := range end.Said {
			t.Error(s)
		}
		for _, origin := range end.Origins {
			if !slices.Contains(h.Origins, origin) {
				t.Errorf("asked %s", origin)
			}
		}
	})
	return w
}

func (w *window) order(what string, with map[string]any, answer any) {
	w.t.Helper()
	r := w.d.do(w.t, w.number, what, with)
	if r.Error != "" {
		w.t.Fatalf("%s %v: %s", what, with, r.Error)
	}
	if answer == nil || r.Answer == nil {
		return
	}
	if err := json.Unmarshal(r.Answer, answer); err != nil {
		w.t.Fatal(err)
	}
}

// to opens an address.
func (w *window) to(url string) {
	w.t.Helper()
	w.order("goto", map[string]any{"url": url}, nil)
}

// see waits for a page with this heading.
func (w *window) see(heading string) shown {
	w.t.Helper()
	var s shown
	w.order("see", map[string]any{"heading": heading}, &s)
	return s
}

// look is see for a page of ours, which is examined in both themes at both widths. Pictures of it are kept under the name.
func (w *window) look(name, heading string) shown {
	w.t.Helper()
	w.see(heading)
	var s shown
	w.order("look", map[string]any{"name": name}, &s)
	return s
}

// press goes to a link or a button by keyboard, and presses Enter.
func (w *window) press(name string) {
	w.t.Helper()
	w.order("press", map[string]any{"name": name, "stays": false}, nil)
}

// send is press for what leads to no other page.
func (w *window) send(name string) {
	w.t.Helper()
	w.order("press", map[string]any{"name": name, "stays": true}, nil)
}

// fill types into a field.
func (w *window) fill(name, text string) {
	w.t.Helper()
	w.order("fill", map[string]any{"name": name, "text": text}, nil)
}

// twice clicks twice, as fast as people do.
func (w *window) twice(name string) {
	w.t.Helper()
	w.order("twice", map[string]any{"name": name}, nil)
}

func (w *window) back() {
	w.t.Helper()
	w.order("back", nil, nil)
}

// arrive waits for an address that begins so.
func (w *window) arrive(prefix string) string {
	w.t.Helper()
	var s shown
	w.order("arrive", map[string]any{"url": prefix}, &s)
	return s.URL
}

// either waits until it has arrived, or shows a text instead.
func (w *window) either(prefix, text string) (arrived bool) {
	w.t.Helper()
	var at struct{ URL string }
	w.order("either", map[string]any{"url": prefix, "text": text}, &at)
	return strings.HasPrefix(at.URL, prefix)
}

// launched waits until the browser tried to hand an address that begins so to a program.
func (w *window) launched(prefix string) string {
	w.t.Helper()
	var s shown
	w.order("launched", map[string]any{"url": prefix}, &s)
	return s.URL
}

// says fails the test where the page lacks one of these.
func (s shown) says(t *testing.T, all ...string) {
	t.Helper()
	for _, text := range all {
		if !strings.Contains(s.Text, text) {
			t.Errorf("%s does not say %q:\n%s", s.URL, text, s.Text)
		}
	}
}
