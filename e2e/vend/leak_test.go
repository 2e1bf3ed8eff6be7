package vend_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

const entered = `
apiVersion: chancery/v1
kind: Provider
metadata: {name: pat}
spec:
  display_name: Tracker
  own_manifest: {name: pat, extends: static, display_name: Tracker}
  scope_map: {"issues:read": []}
  default_scopes: ["issues:read"]
  allow: {clients: [claude], resources: [notes]}
---`

const told = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  webhooks:
    - {url: "{{hook}}", secret: {file: {{hooksecret}}}, events: [connection.created, connection.refreshed, connection.reauth_required, connection.revoked, connection.alert], network: {allow_private_addresses: true}}
---`

// receiver keeps what others are sent, byte for byte.
type receiver struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = request.Header.Write(&r.raw)
	r.raw.Write(body)
	w.WriteHeader(http.StatusOK)
}

func (r *receiver) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.raw.Bytes())
}

// leaks is a world in which every secret is known, and everything that somebody could read is kept.
type leaks struct {
	scene
	tracker       *service
	traces, hooks *receiver
	person        string            // an access token of alice's for the admin API
	canaries      map[string]string // by name
	places        map[string][]byte
	private       []string // files that hold a secret because somebody put it there
}

func startLeaks(t *testing.T, e harness.Engine) *leaks {
	t.Helper()
	l := &leaks{traces: &receiver{}, hooks: &receiver{}, canaries: map[string]string{}, places: map[string][]byte{}}
	l.canaries["our secret at the provider"], l.canaries["our secret for webhooks"] = "secret-"+rand.Text(), "whsec_"+rand.Text()+rand.Text()
	l.canaries["our secret at the IdP"] = harness.SignInSecret
	file, hook, signIn := l.write(t, "our secret at the provider"), l.write(t, "our secret for webhooks"), l.write(t, "our secret at the IdP")
	collector, receiver := httptest.NewServer(l.traces), httptest.NewServer(l.hooks)
	t.Cleanup(collector.Close)
	t.Cleanup(receiver.Close)
	listen := fmt.Sprintf("127.0.0.1:%d", harness.Port(t))
	w := harness.Start(t, harness.Options{
		Engine: e, Objects: strings.ReplaceAll(objects, "{{folder}}/idp-secret", signIn) + entered + administration("http://"+listen),
		Config: map[string]any{
			"admin.listen": listen, "admin.public_url": "http://" + listen, "telemetry.otlp_endpoint": collector.URL, "telemetry.sample_ratio": 1,
			"admin.secret_references": []string{"file:" + file, "file:" + hook, "file:" + signIn},
		},
	})
	l.scene = scene{w, t, l.canaries["our secret at the provider"], "{file: " + file + "}"}
	l.canaries["the secret of the agent"], l.canaries["the admin credential"] = w.Secret, w.AdminToken
	l.tracker = l.serve("tracker", singleUse)
	w.Apply(w.Server(), strings.NewReplacer("{{hook}}", receiver.URL, "{{hooksecret}}", hook).Replace(told))
	return l
}

// write puts a canary into a file, of which everybody knows that it is there.
func (l *leaks) write(t *testing.T, canary string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(l.canaries[canary]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.private = append(l.private, file)
	return file
}

// canary is a new secret.
func (l *leaks) canary(name string) string {
	l.canaries[name] = "canary-" + rand.Text()
	return l.canaries[name]
}

// keep notes what somebody read.
func (l *leaks) keep(place, text string) {
	l.places[place] = append(append(l.places[place], text...), '\n')
}

// refused keeps an answer in which no token may be.
func (l *leaks) refused(a harness.Answer) {
	l.t.Helper()
	if a.Status < 400 {
		l.t.Errorf("not refused: %d %s", a.Status, a.Body)
	}
	for name, values := range a.Header {
		l.keep("error bodies", name+": "+strings.Join(values, " "))
	}
	l.keep("error bodies", a.Body)
}

// I5, T67: whatever is done with a credential, and whatever goes wrong with it, it is in clear nowhere but at its provider, and
// with whom it is lent to.
func TestNothingLeaks(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		l := startLeaks(t, e)
		alice, bob := l.signedIn("alice"), l.signedIn("bob")
		l.live(alice, bob)
		l.errs(alice)
		l.commands()
		l.routes(alice)
		l.rewrapped()
		l.gone(alice)
		s := newSieve(t, l.secrets())
		for place, found := range l.collect(s) {
			if len(found) > 0 {
				t.Errorf("%s: %v", place, found)
			}
		}
		l.planted()
	})
}

// secrets are all that there were.
func (l *leaks) secrets() map[string]string {
	l.t.Helper()
	for i, text := range l.tracker.secrets() {
		l.canaries[fmt.Sprintf("token %d of the provider", i)] = text
	}
	for i, r := range l.tracker.Seen() {
		for _, name := range []string{"code", "code_verifier"} {
			if text := r.Form.Get(name); text != "" {
				l.canaries[fmt.Sprintf("%s of request %d", name, i)] = text
			}
		}
	}
	if n := len(l.canaries); n < 40 {
		l.t.Fatalf("%d secrets are too few", n)
	}
	return l.canaries
}

// live is what happens every day.
func (l *leaks) live(alice, bob *harness.Person) {
	l.t.Helper()
	l.connects(alice, l.tracker)
	l.connects(bob, l.tracker)
	for _, who := range []string{idptest.Alice, idptest.Bob} { // their tokens are due: refreshed
		l.borrow(l.Server(), who, "tracker").Granted(l.t)
		l.borrow(l.Server(), who, "tracker").Granted(l.t)
	}
	// A key is entered at a page, and lent as it is.
	page := alice.Open(l.Issuer + "/connect/pat")
	form, ok := page.Button("decision", "allow")
	if !ok {
		l.t.Fatalf("%d %s", page.Status, page.Body)
	}
	key := l.canary("a key that was entered")
	confirm := alice.Send(form, url.Values{"decision": {"allow"}, "secret": {key}})
	l.keep("pages", confirm.Body)
	says(l.t, alice.Press(confirm, "decision", "allow"), http.StatusOK, "Tracker")
	if a := l.borrow(l.Server(), idptest.Alice, "pat").Granted(l.t); a.AccessToken != key {
		l.t.Errorf("lent %q", a.Body)
	}
	for _, path := range []string{"/connections", "/account"} {
		l.keep("pages", alice.Open(l.Issuer+path).Body)
	}
}

// errs is what goes wrong, while secrets are under way. Providers echo what they were sent.
func (l *leaks) errs(alice *harness.Person) {
	l.t.Helper()
	token := l.token(idptest.Alice)
	for name, fault := range map[string]func(refresh string) providertest.Fault{
		"500 that echoes": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 500, Body: map[string]any{"error": "server_error", "error_description": "no " + r}}
		},
		"500 whose code is the token": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 500, Body: map[string]any{"error": r}}
		},
		"400 whose code is the token": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": r, "error_description": r, "error_uri": "https://as.example.com/?t=" + r}}
		},
		"200 that is none": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"error": "invalid_request", "message": r, "access_token": 7}}
		},
		"cut off": func(string) providertest.Fault { return providertest.Fault{Kind: "cut", AfterUse: true} },
		"429": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 429, Header: map[string]string{"Retry-After": r, "X-Echo": r}}
		},
		"of this type": func(r string) providertest.Fault {
			return providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_grant", "error_description": r}}
		},
	} {
		l.connects(alice, l.tracker)
		given := l.tracker.secrets()
		l.tracker.Break("refresh", fault(given[len(given)-1]))
		a := l.Send(l.Server(), l.vend(token, "tracker"))
		if a.Status == http.StatusOK { // what is there still lives a little
			l.t.Logf("%s: made do", name)
			continue
		}
		l.refused(a)
	}
	// A code that is not redeemed, and a probe that fails.
	for what, f := range map[string]providertest.Fault{
		"code":  {Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_grant", "error_description": l.secret}},
		"probe": {Kind: "status", Status: 500, Body: map[string]any{"error": l.secret, "authorization": l.secret}},
	} {
		l.tracker.Break(what, f)
		l.keep("pages", l.returns(alice, l.tracker).Body)
	}
	l.connects(alice, l.tracker)

	// Tokens of the provider where a token of ours, or a secret, is expected. (What stands where a name is expected is recorded as
	// the name that was received.)
	stray := l.tracker.secrets()[0]
	for _, c := range []*harness.Call{
		l.vend(stray, "tracker"), l.vend(token, "tracker").With("client_secret", stray), l.vend(token, "tracker").With("actor_token", stray),
		l.vend(token, "tracker").With("assertion", stray), l.vend(token, "tracker").Basic(harness.ClientID, stray),
		l.vend(token, "tracker").With("subject_token", token, stray), l.NewCall(stray),
	} {
		a := l.Send(l.Server(), c)
		if a.Status == http.StatusOK { // what is not known is not looked at
			continue
		}
		l.refused(a)
	}
	proof := l.vend(token, "tracker")
	proof.Header.Set("DPoP", stray)
	l.refused(l.Send(l.Server(), proof))
	for _, body := range []string{
		`{"provider":"pat","user":"alice","secret":"` + l.canary("a key in a form that is wrong") + `","secre":1}`,
		`{"provider":"nowhere","user":"alice","secret":"` + l.canary("a key for nowhere") + `"}`,
		`{"provider":"tracker","user":"alice","refresh_token":"` + l.canary("a refresh token that is dead") + `"}`,
		`{"provider":"tracker","user":"alice","refresh_token":"` + l.canary("a refresh token that ends in the middle"),
		`{"provider":"tracker","user":["` + l.canary("a key in a wrong place") + `"]}`,
	} {
		l.refused(l.AdminRequest(http.MethodPost, "/admin/v1/connections", []byte(body)))
	}
}

// commands runs what works with credentials, and reads what the machine tells of its processes.
func (l *leaks) commands() {
	l.t.Helper()
	l.canary("a key from standard input")
	l.canary("a key from a file")
	c := l.command(l.t.Context(), "connection", "import", "--provider", "pat", "--user", "bob", "--credential", "secret", "--account", "first", "--config", l.Server().ConfigFile())
	in, err := c.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	if _, err := io.WriteString(in, l.canaries["a key from standard input"]); err != nil {
		l.t.Fatal(err)
	}
	l.process("connection import", c.Process.Pid)
	_ = in.Close()
	if err := c.Wait(); err != nil {
		l.t.Fatalf("%v %s", err, &out)
	}
	l.keep("output of commands", out.String())
	run := func(arguments ...string) {
		o := l.Run(arguments...)
		l.keep("output of commands", o.String())
	}
	imported := l.Run("connection", "import", "--provider", "pat", "--user", "bob", "--credential", "secret", "--account", "second", "--file", l.write(l.t, "a key from a file"))
	if imported.Status != 0 {
		l.t.Error(imported)
	}
	l.keep("output of commands", imported.String())
	run("connection", "import", "--provider", "pat", "--user", "nobody", "--credential", "secret", "--file", l.private[len(l.private)-1])
	for _, connection := range l.connections() {
		run("connection", "test", connection)
		run("connection", "suspend", connection, "--reason", "x")
		run("connection", "resume", connection)
	}
	run("connection", "list", "--output", "json")
	run("export")
	run("config", "effective")
	run("doctor")

	// Who borrows from a terminal.
	assertion, secret := filepath.Join(l.t.TempDir(), "assertion"), l.write(l.t, "the secret of the agent")
	asks := func() []string {
		if err := os.WriteFile(assertion, []byte(l.IdP.IDJAG(idptest.Bob)), 0o600); err != nil {
			l.t.Fatal(err)
		}
		return []string{"--issuer", l.Issuer, "--resource", harness.Notes, "--client-id", harness.ClientID, "--client-secret-file", secret, "--client-auth", "client_secret_post", "--assertion-file", assertion, "--scope", "notes:read"}
	}
	before := len(l.told("token.vended"))
	var lent, complaints bytes.Buffer
	vend := l.command(l.t.Context(), append([]string{"vend", "tracker"}, asks()...)...)
	vend.Stdout, vend.Stderr = &lent, &complaints
	if err := vend.Run(); err != nil || !l.tracker.Works(strings.TrimSpace(lent.String())) {
		l.t.Fatalf("vend: %v %s", err, &complaints)
	}
	l.keep("complaints of commands", "vend: "+complaints.String())
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	child := l.command(ctx, append(append([]string{"exec", "--provider", "tracker"}, asks()...), "--", "sh", "-c", "echo ready; read line")...)
	hold, err := child.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	said, err := child.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		l.t.Fatal(err)
	}
	if _, err := io.ReadFull(said, make([]byte, 5)); err != nil {
		l.t.Fatal(err)
	}
	l.cmdline("exec", child.Process.Pid)
	given, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", child.Process.Pid))
	if err != nil || !bytes.Contains(given, []byte("CHANCERY_TRACKER_TOKEN=access-")) {
		l.t.Errorf("the command has no token: %v", err)
	}
	_ = hold.Close()
	_ = child.Wait()
	if n := len(l.told("token.vended")) - before; n != 2 {
		l.t.Errorf("%d were lent to commands", n)
	}
}

func (l *leaks) connections() []string {
	l.t.Helper()
	db := l.beside()
	defer func() { _ = db.Close() }()
	return harness.Strings(l.t, db, "select id from connections")
}

// rewrapped seals everything anew.
func (l *leaks) rewrapped() {
	l.t.Helper()
	for _, arguments := range [][]string{{"keys", "rotate", "--keyring"}, {"vault", "rewrap"}} {
		o := l.Run(arguments...)
		if o.Status != 0 {
			l.t.Errorf("%v: %v", arguments, o)
		}
		l.keep("output of commands", o.String())
	}
	l.borrow(l.Server(), idptest.Bob, "tracker").Granted(l.t)
}

// gone ends a connection, at a provider that fails to.
func (l *leaks) gone(alice *harness.Person) {
	l.t.Helper()
	given := l.tracker.secrets()
	l.tracker.Break("revoke", providertest.Fault{Kind: "status", Status: 500, Body: map[string]any{"error": given[len(given)-1]}})
	page := alice.Open(l.Issuer + "/connections")
	for _, f := range page.Forms {
		for _, b := range f.Buttons {
			if b.Name == "remove" {
				l.keep("pages", alice.Send(f, url.Values{b.Name: {b.Value}}).Body)
				return
			}
		}
	}
	l.t.Errorf("nothing to remove: %s", page.Body)
}

// settle is how long what is sent in the background may take.
const settle = 15 * time.Second
