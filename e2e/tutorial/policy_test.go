package tutorial

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// TestPolicyGuide types docs/guides/policy.md from the top to the end.
func TestPolicyGuide(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "guides", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.environ = append(d.environ, "HOME="+d.folder)
	count := 0
	for _, b := range blocks(d.here.Replace(string(text))) {
		switch {
		case b.file != "":
			d.write(b)
		case b.language == "console":
			for _, c := range commands(b.text) {
				count++
				if strings.HasSuffix(c.command, "chancery login") {
					d.signIn(c)
					continue
				}
				d.typeIn(c)
			}
		}
	}
	if count < 25 {
		t.Errorf("only %d commands were found", count)
	}
}

var (
	userCode = regexp.MustCompile(`(?m)^ {4}([A-Z]{4}-[A-Z]{4})$`)
	whose    = regexp.MustCompile(`XDG_CONFIG_HOME="\$PWD/(\w+)"`)
)

// signIn types the command, and has the person whose folder it is do in a browser what it asks for.
func (d *desk) signIn(c typed) {
	d.t.Helper()
	m := whose.FindStringSubmatch(c.command)
	if m == nil {
		d.t.Fatalf("$ %s\ndoes not say who signs in", c.command)
	}
	said, ended := d.begin(c.command)
	wait := func(until func() bool) {
		d.t.Helper()
		for deadline := time.Now().Add(time.Minute); !until(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				d.t.Fatalf("$ %s\n%s", c.command, said.String())
			}
		}
	}
	wait(func() bool { return userCode.MatchString(said.String()) })
	p := harness.NewPerson(d.t, m[1])
	if _, page, err := p.Try(d.t.Context(), d.address(0)+"/account", "nowhere:"); err != nil || page.Status != 200 {
		d.t.Fatalf("%v %+v", err, page)
	}
	page := p.Open(d.address(0) + "/device")
	page = p.Send(page.Forms[0], url.Values{"user_code": {userCode.FindStringSubmatch(said.String())[1]}})
	if page = p.Press(page, "decision", "allow"); page.Status != 200 {
		d.t.Fatalf("%d %s", page.Status, page.Body)
	}
	select {
	case err := <-ended:
		if err != nil {
			d.t.Fatalf("$ %s\n%v\n%s", c.command, err, said.String())
		}
	case <-time.After(time.Minute):
		d.t.Fatalf("$ %s\n%s", c.command, said.String())
	}
	compare(d.t, c, said.String())
}

// begin runs a command beside the test.
func (d *desk) begin(line string) (*output, <-chan error) {
	d.t.Helper()
	said, ended := &output{}, make(chan error, 1)
	ctx, cancel := context.WithCancel(d.t.Context())
	d.t.Cleanup(cancel)
	command := exec.CommandContext(ctx, "bash", "-c", d.exports+line)
	command.Dir, command.Env, command.Stdout, command.Stderr = d.folder, d.environ, said, said
	if err := command.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { ended <- command.Wait() }()
	return said, ended
}
