package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// devShell is a shell in whose folder chancery dev can run.
func devShell(t *testing.T) shell {
	t.Helper()
	s := alone(t)
	s.environ = append(s.environ, envDevFolder+"="+filepath.Join(s.folder, "state"))
	return s
}

func (s shell) state() string { return filepath.Join(s.folder, "state") }

// keep runs chancery dev until stop is called, which returns what came of it.
func (s shell) keep(args ...string) (stop func() outcome) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan outcome, 1)
	go func() { ended <- s.runIn(ctx, "", append([]string{"dev"}, args...)...) }()
	stop = func() outcome {
		cancel()
		o := <-ended
		ended <- o
		return o
	}
	s.t.Cleanup(func() { stop() })
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := dev.Find(s.state()); err == nil {
			return stop
		}
		select {
		case o := <-ended:
			ended <- o
			s.t.Fatalf("chancery dev ended: %d\n%s%s", o.status, o.stdout, o.stderr)
		default:
		}
	}
	s.t.Fatal("chancery dev is not ready")
	return nil
}

// developing is a shell beside running surroundings.
func developing(t *testing.T) shell {
	t.Helper()
	s := devShell(t)
	s.keep("--port", "0")
	return s
}

func TestDevTellsWhereEverythingIs(t *testing.T) {
	s := devShell(t)
	stop := s.keep("--port", "0", "--output", "json")
	s.run(exitDone, "dev", "login", "alice")
	first := s.run(exitDone, "token", "--explain")
	o := stop()
	if o.status != exitDone || o.stderr != "" {
		t.Fatalf("%+v", o)
	}
	var record devRecord
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	has(t, record.Warning, "Not for production")
	has(t, record.Issuer, "http://localhost:")
	has(t, record.Resource, "/mcp")
	has(t, first.stdout, "policy dropped notes:write: needs group notes-editors")

	// Ended: commands say so. Once more: addresses, objects and the sign-in are there.
	has(t, s.run(exitFailed, "dev", "login", "alice").stderr, "chancery dev is not running here")
	has(t, s.run(exitFailed, "token", "--explain").stderr, "nothing says who asks")
	stop = s.keep()
	has(t, s.run(exitDone, "token", "--explain").stdout, "policy dropped notes:write")
	o = stop()
	has(t, o.stdout, "Not for production", record.Issuer, record.IdP, record.Resource, record.AdminURL, "alice, bob, eve", "Ctrl-C ends it.")
}

func TestDevRefuses(t *testing.T) {
	s := devShell(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	has(t, s.run(exitFailed, "dev", "--port", port).stderr, "port "+port+" is taken", "--port")
	has(t, s.run(exitFailed, "dev", "--port", "0", "--host", "0.0.0.0").stderr, "is not loopback")
	has(t, s.run(exitFailed, "dev", "--set", "server.listen=0.0.0.0:80").stderr, "dev decides that itself")
	has(t, s.run(exitFailed, "dev", "--set", "nonsense=1").stderr, "nonsense")
	has(t, s.run(exitFailed, "dev", "--ephemeral", "--dir", s.folder).stderr, "--dir")
	has(t, s.run(exitFailed, "dev", "--output", "xml").stderr, "--output")
	has(t, s.run(exitFailed, "dev", "--export", s.folder).stderr, "not running")
	has(t, s.run(exitFailed, "dev", "issue", "--user", "alice").stderr, "not running")
}

// TestDevHoldsItsFolder: two at a time cannot have one.
func TestDevHoldsItsFolder(t *testing.T) {
	s := developing(t)
	o := s.run(exitFailed, "dev")
	has(t, o.stderr, "taken")
	if _, err := dev.Find(s.state()); err != nil {
		t.Errorf("the one that runs lost its context: %v", err)
	}
}

func TestDevEphemeral(t *testing.T) {
	s := devShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan outcome, 1)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	go func() { ended <- s.runIn(ctx, "", "dev", "--ephemeral", "--port", "0", "-o", "json") }()
	folder := func() string {
		found, err := filepath.Glob(filepath.Join(temporary, "chancery-dev-*"))
		if err != nil || len(found) == 0 {
			return ""
		}
		return found[0]
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := dev.Find(folder()); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not ready")
		}
	}
	cancel()
	if o := <-ended; o.status != exitDone {
		t.Fatalf("%+v", o)
	}
	if folder() != "" {
		t.Error("something is kept")
	}
}

// TestRecordsInDev: the commands about records find the surroundings by themselves, and say so where a configuration is there too.
func TestRecordsInDev(t *testing.T) {
	s := developing(t)
	has(t, s.run(exitDone, "get", "users").stdout, "alice", "bob", "eve")
	// What dev made can be changed by apply, without taking it over by force.
	resource := s.file("resource.yaml", `apiVersion: chancery/v1
kind: Resource
metadata: {name: other}
spec: {uri: "http://localhost:1/other", scopes: {"other:read": {risk: low}}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: eve}
spec: {email: eve@contractor.example, status: disabled, identities: [{idp: acme, sub: 00u3eve}]}
`)
	s.run(exitDone, "apply", "-f", resource)
	s.run(exitDone, "dev", "login", "eve")
	has(t, s.run(exitFailed, "token").stderr, "subject_disabled")
	o := s.run(exitFailed, "dev", "issue", "--user", "eve", "--output", "json")
	var record issued
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	has(t, s.run(exitDone, "explain", record.Answer.Trace).stdout, "subject_disabled")

	// The IdP asserts for every resource that is registered.
	s.run(exitDone, "dev", "login", "alice")
	o = s.run(exitFailed, "token", "--explain", "--resource", "http://localhost:1/other", "--scope", "other:read")
	has(t, o.stdout, "id_token → ID-JAG", "ok", "refused", "resource_unknown") // it is registered, and not for this agent: outside that is one code

	// A configuration in this folder could be what is meant.
	t.Chdir(s.folder)
	s.file("chancery.yaml", "profile: dev\n")
	has(t, s.run(exitFailed, "get", "users").stderr, "chancery.yaml", "--config")
	s.environ = append(s.environ, "CHANCERY_CONFIG=chancery.yaml")
	if o := s.run(exitFailed, "get", "users"); strings.Contains(o.stderr, "chancery dev") {
		t.Error(o.stderr)
	}
}

func TestDevExport(t *testing.T) {
	s := developing(t)
	into := filepath.Join(s.folder, "staging")
	o := s.run(exitDone, "dev", "--export", into)
	has(t, o.stdout, "resource.yaml", "client.yaml", "identityprovider.yaml", "policy.yaml", "user.yaml")
	has(t, s.run(exitFailed, "dev", "--export", into).stderr, "not overwritten")
	for _, file := range []string{"client-secret", "admin-token"} {
		text, err := os.ReadFile(filepath.Join(s.state(), file))
		if err != nil {
			t.Fatal(err)
		}
		exported, err := os.ReadFile(filepath.Join(into, "client.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		hasNot(t, string(exported), strings.TrimSpace(string(text)))
	}
	// Applied again, nothing differs; to another server, it is all there.
	s.run(exitDone, "diff", "-f", into)
	other := serving(t)
	other.run(exitDone, "apply", "-f", into)
	has(t, other.run(exitDone, "get", "clients").stdout, "notes-agent")
}

func TestDevIssue(t *testing.T) {
	s := developing(t)
	for _, name := range []string{"aud", "typ", "jti", "client_id", "expired", "signature"} {
		o := s.run(exitDone, "dev", "issue", "--user", "alice", "--break", name)
		has(t, o.stdout, "broke   "+name, "as it must", "to do", "/errors/", "chancery explain trc_")
	}
	has(t, s.run(exitDone, "dev", "issue", "--user", "alice").stdout, "answer  200 (as it must)", "notes:read")
	o := s.run(exitFailed, "dev", "issue", "--user", "eve")
	has(t, o.stdout, "not as it must", "policy_denied")
	o = s.run(exitDone, "dev", "issue", "--user", "alice", "--break", "aud", "--output", "json")
	var record issued
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	if !record.Must || record.Answer.Code != "aud_not_us" || record.Fix == "" || record.Break.Section == "" {
		t.Errorf("%+v", record)
	}
	if parts := strings.Split(strings.TrimSpace(s.run(exitDone, "dev", "issue", "--user", "alice", "--print").stdout), "."); len(parts) != 3 {
		t.Error("no assertion is printed")
	}
	has(t, s.run(exitFailed, "dev", "issue", "--user", "alice", "--break", "nonsense").stderr, "--list")
	has(t, s.run(exitFailed, "dev", "issue").stderr, "--user is missing")
	has(t, s.run(exitFailed, "dev", "issue", "--user", "mallory").stderr, "alice, bob or eve")
	has(t, s.run(exitDone, "dev", "issue", "--list").stdout, "aud_other", "jti_replayed", "expired")
}

func TestDevLogin(t *testing.T) {
	s := developing(t)
	o := s.run(exitDone, "dev", "login", "bob", "--acr", "phr", "--output", "json")
	var record loginRecord
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	if record.Subject != "00u2bob" || record.ACR != "phr" || !record.RefreshToken || time.Until(record.Expires) < time.Minute {
		t.Errorf("%+v", record)
	}
	info, err := os.Stat(record.File)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	text, err := os.ReadFile(record.File)
	if err != nil {
		t.Fatal(err)
	}
	var session map[string]any
	if err := json.Unmarshal(text, &session); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id_token", "refresh_token"} {
		value, ok := session[name].(string)
		if !ok || value == "" {
			t.Errorf("%s is not kept", name)
		}
		hasNot(t, o.stdout+o.stderr, value)
	}
	// When the ID token is over, the refresh token is used.
	session["expires"] = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	if text, err = json.Marshal(session); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	has(t, s.run(exitDone, "token", "--explain").stdout, "refresh_token → ID-JAG", "notes:write")
	has(t, s.run(exitFailed, "dev", "login", "mallory").stderr, "alice, bob or eve")
	has(t, s.run(exitFailed, "dev", "login", "alice", "--acr", "nonsense").stderr, "acr")
}

// TestTokenForms: what is printed is a token that the sample server takes.
func TestTokenForms(t *testing.T) {
	s := developing(t)
	has(t, s.run(exitFailed, "token").stderr, "chancery dev login alice")
	s.run(exitDone, "dev", "login", "alice")
	found, err := dev.Find(s.state())
	if err != nil {
		t.Fatal(err)
	}
	calls := func(authorization string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, found.Resource, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json, text/event-stream")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if calls("Bearer nonsense") != http.StatusUnauthorized {
		t.Error("the sample server takes anything")
	}
	line := func(args ...string) string {
		o := s.run(exitDone, append([]string{"token"}, args...)...)
		if o.stderr != "" {
			t.Error(o.stderr)
		}
		return strings.TrimSuffix(o.stdout, "\n")
	}
	if status := calls("Bearer " + line()); status != http.StatusOK {
		t.Error(status)
	}
	header, ok := strings.CutPrefix(line("--format", "header"), "Authorization: ")
	if !ok || calls(header) != http.StatusOK {
		t.Error(header)
	}
	if value, ok := strings.CutPrefix(line("--format", "env", "--resource", found.Resource), "CHANCERY_ACCESS_TOKEN="); !ok || calls("Bearer "+value) != http.StatusOK {
		t.Error(value)
	}
	var record tokenRecord
	if err := json.Unmarshal([]byte(line("--format", "json", "--idp", "acme", "--scope", "notes:read")), &record); err != nil {
		t.Fatal(err)
	}
	if calls(record.TokenType+" "+record.AccessToken) != http.StatusOK || record.Scope != "notes:read" || record.ExpiresIn != 600 || record.ExpiresAt == nil || record.Issuer != found.Issuer {
		t.Errorf("%+v", record)
	}
	for name, args := range map[string][]string{
		"unknown form":       {"--format", "xml"},
		"explain and form":   {"--explain", "--format", "raw"},
		"output alone":       {"--output", "json"},
		"another IdP":        {"--idp", "okta"},
		"a key that is lost": {"--dpop"},
		"no scope":           {"--scope", `a"b`},
		"plain http":         {"--resource", "http://notes.example/mcp"},
		"not registered":     {"--resource", found.Issuer + "/nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			if o := s.run(exitFailed, append([]string{"token"}, args...)...); o.stdout != "" || o.stderr == "" {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestTokenExplain: both legs are told, and the token never is.
func TestTokenExplain(t *testing.T) {
	s := developing(t)
	s.run(exitDone, "dev", "login", "bob")
	o := s.run(exitFailed, "token", "--explain")
	has(t, o.stdout, "leg 1  id_token → ID-JAG", "leg 2  ID-JAG → access token  refused  step_up_required")
	has(t, o.stderr, "step_up_required", "acr phr, at most 300 s ago", "--acr phr", "chancery explain trc_", "/errors/step_up_required")
	o = s.run(exitFailed, "token", "--explain", "-o", "json")
	var record walked
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	if r := record.Refused; r == nil || r.Code != "step_up_required" || len(r.ACRValues) != 1 || r.MaxAge == nil || *r.MaxAge != 300 || record.Trace == "" {
		t.Errorf("%+v", record)
	}
	s.run(exitDone, "dev", "login", "bob", "--acr", "phr")
	o = s.run(exitDone, "token", "--explain", "--output", "json", "--dpop")
	if err := json.Unmarshal([]byte(o.stdout), &record); err != nil {
		t.Fatal(err)
	}
	if len(record.Legs) != 2 || record.Legs[0].Seconds != 300 || record.Legs[1].Seconds != 600 || len(record.Granted) != 2 || len(record.Dropped) != 0 || !record.Bound {
		t.Errorf("%+v", record)
	}
	hasNot(t, o.stdout, "eyJ")
	// The IdP asserts no more than it may, and neither is more granted.
	o = s.run(exitDone, "token", "--explain", "--scope", "notes:read", "--scope", "calendar:read")
	has(t, o.stdout, "the IdP dropped calendar:read")
}

func TestTokenBoundToAKey(t *testing.T) {
	s := developing(t)
	s.run(exitDone, "dev", "login", "alice")
	key := filepath.Join(s.folder, "dpop.pem")
	first := s.run(exitDone, "token", "--format", "header", "--dpop-key-file", key).stdout
	second := s.run(exitDone, "token", "--format", "header", "--dpop-key-file", key).stdout
	has(t, first, "Authorization: DPoP ")
	jkt := func(line string) any {
		cnf, _ := dev.ClaimsOf(strings.TrimSpace(strings.TrimPrefix(line, "Authorization: DPoP ")))["cnf"].(map[string]any)
		return cnf["jkt"]
	}
	if jkt(first) == nil || jkt(first) != jkt(second) {
		t.Errorf("%v and %v", jkt(first), jkt(second))
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	has(t, s.run(exitFailed, "token", "--dpop-key-file", s.file("bad.pem", "nonsense")).stderr, "no PEM block")
}

// TestTokenByFlags: the same agent without the surroundings' context, and what is refused before anything is sent.
func TestTokenByFlags(t *testing.T) {
	s := developing(t)
	s.run(exitDone, "dev", "login", "alice")
	found, err := dev.Find(s.state())
	if err != nil {
		t.Fatal(err)
	}
	session, err := found.Session()
	if err != nil {
		t.Fatal(err)
	}
	secretText, err := found.ClientSecret()
	if err != nil {
		t.Fatal(err)
	}
	secretFile, subject := s.file("secret", secretText.Reveal()), s.file("id-token", session.IDToken.Reveal()+"\n")
	refresh := s.file("refresh-token", session.RefreshToken.Reveal())
	elsewhere := alone(t)
	flags := []string{
		"token", "--resource", found.Resource, "--issuer", found.Issuer, "--client-id", found.Client.ID, "--client-secret-file", secretFile,
		"--idp-issuer", found.IdP.Issuer, "--idp-client-id", found.IdP.ClientID, "--subject-token-file", subject,
	}
	elsewhere.run(exitDone, flags...)
	elsewhere.run(exitDone, append(flags, "--client-auth", "client_secret_post")...)
	elsewhere.run(exitDone, append(flags, "--subject-token-type", "refresh_token", "--subject-token-file", refresh)...)
	o := elsewhere.run(exitDone, append(flags, "--explain")...)
	has(t, o.stdout, "dropped notes:write", "the admin API, which knows why, was not reached")

	// The environment says the same, and a profile.
	inEnvironment := alone(t)
	inEnvironment.environ = append(inEnvironment.environ, envIssuer+"="+found.Issuer, envClientID+"="+found.Client.ID, envClientSecret+"="+secretText.Reveal(),
		envIdPIssuer+"="+found.IdP.Issuer, envIdPClientID+"="+found.IdP.ClientID, envSubjectToken+"="+session.IDToken.Reveal())
	inEnvironment.run(exitDone, "token", "--resource", found.Resource)
	profile := s.file("agents.yaml", "idps:\n  acme:\n    issuer: "+found.Issuer+"\n    client: {id: notes-agent, secret_file: "+secretFile+"}\n    idp: {issuer: "+
		found.IdP.Issuer+", client_id: agent-at-acme}\n    subject_token: {file: "+subject+"}\n  other:\n    client_credentials: true\n")
	byProfile := []string{"token", "--resource", found.Resource, "--profile", profile}
	elsewhere.run(exitDone, append(byProfile, "--idp", "acme")...)
	has(t, elsewhere.run(exitFailed, byProfile...).stderr, "say --idp: acme, other")
	has(t, elsewhere.run(exitFailed, append(byProfile, "--idp", "okta")...).stderr, "acme, other")
	has(t, elsewhere.run(exitFailed, "token", "--profile", s.file("wrong.yaml", "idps: {a: {clientid: x}}"), "--resource", found.Resource).stderr, "clientid")

	wrong := s.file("wrong", "canary-wrong-secret")
	o = elsewhere.run(exitFailed, append(flags, "--client-secret-file", wrong)...)
	has(t, o.stderr, "client_authentication_failed", "leg 2")
	hasNot(t, o.stdout+o.stderr, "canary")
	o = elsewhere.run(exitFailed, append(flags, "--subject-token-file", wrong)...)
	has(t, o.stderr, "leg 1 refused by "+found.IdP.Issuer, "invalid_grant")
	hasNot(t, o.stdout+o.stderr, "canary")

	without := func(name string) []string {
		var left []string
		for i := 0; i < len(flags); i++ {
			if flags[i] == name {
				i++
				continue
			}
			left = append(left, flags[i])
		}
		return left
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a secret to whom the resource names": {without("--issuer"), "say --issuer " + found.Issuer},
		"an issuer that the resource denies":  {append(flags, "--issuer", found.IdP.Issuer), "takes no tokens of"},
		"no client":                           {without("--client-id"), "--client-id"},
		"no IdP client":                       {without("--idp-client-id"), "--idp-client-id"},
		"no subject":                          {without("--subject-token-file"), "go together"},
		"no resource":                         {without("--resource"), "--resource is missing"},
		"an entry of no profile":              {append(flags, "--idp", "acme"), "--profile"},
		"two sources":                         {append(flags, "--client-credentials"), "one of these"},
		"a wrong way of authentication":       {append(flags, "--client-auth", "none"), "client_secret_basic"},
		"a wrong type of subject":             {append(flags, "--subject-token-type", "saml"), "refresh_token"},
		"secret and key":                      {append(flags, "--key-file", filepath.Join(s.state(), "idp.key")), "one of them"},
		"a key that is none":                  {append(flags, "--key-file", wrong), "no PEM block"},
		"a secret that is not there":          {append(flags, "--client-secret-file", wrong+"x"), "--client-secret-file"},
		"an assertion to whom the resource names": {
			[]string{"token", "--resource", found.Resource, "--assertion-file", subject}, "say --issuer " + found.Issuer,
		},
		"nothing to get it with": {[]string{"token", "--resource", found.Resource, "--client-id", "x"}, "nothing to get a token with"},
	} {
		t.Run(name, func(t *testing.T) {
			o := elsewhere.run(exitFailed, c.args...)
			has(t, o.stderr, c.want)
			if o.stdout != "" {
				t.Error(o.stdout)
			}
		})
	}
	// A public client that is told nothing follows the resource: what it sends is good for that server alone.
	o = elsewhere.run(exitFailed, func() []string {
		public := without("--issuer")
		for i, arg := range public {
			if arg == "--client-secret-file" {
				return append(public[:i:i], public[i+2:]...)
			}
		}
		return public
	}()...)
	has(t, o.stderr, "leg 2 refused by "+found.Issuer)
	// An assertion that there is already.
	assertion := s.file("assertion", s.run(exitDone, "dev", "issue", "--user", "alice", "--print").stdout)
	o = elsewhere.run(exitDone, "token", "--explain", "--resource", found.Resource, "--issuer", found.Issuer, "--client-id", found.Client.ID,
		"--client-secret-file", secretFile, "--assertion-file", assertion)
	has(t, o.stdout, "assertion → access token")
}

func TestExecArguments(t *testing.T) {
	s := developing(t)
	has(t, s.run(exitFailed, "exec").stderr, "requires at least 1 arg")
	has(t, s.run(exitFailed, "exec", "--", "no-such-program-here").stderr, "no-such-program-here")
	has(t, s.run(exitFailed, "exec", "--", "true").stderr, "chancery dev login alice")
	has(t, s.run(exitFailed, "exec", "--env", "A B", "--", "true").stderr, "no name of a variable")
	has(t, s.run(exitFailed, "exec", "--header-env", "1A", "--", "true").stderr, "no name of a variable")
	has(t, s.run(exitFailed, "exec", "--dpop", "--", "true").stderr, "bearer tokens")
}

func TestChildEnviron(t *testing.T) {
	got := childEnviron([]string{"PATH=/bin", envClientSecret + "=s", envSubjectToken + "=s", envIdPClientSecret + "=s", envAdminToken + "=s", "TOKEN=old", envAccessToken + "=old"},
		map[string]string{"TOKEN": "new"})
	if len(got) != 2 || got[0] != "PATH=/bin" || got[1] != "TOKEN=new" {
		t.Error(got)
	}
}

// TestTokenForPrograms: a program asks for itself with a key; the authorization server may be the one that the resource
// names, since what is sent is good for that one alone.
func TestTokenForPrograms(t *testing.T) {
	s := developing(t)
	found, err := dev.Find(s.state())
	if err != nil {
		t.Fatal(err)
	}
	key, err := idptest.NewKey("nightly-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	file := s.file("nightly.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	jwks, err := json.Marshal(map[string]any{"keys": []any{key.JWK()}})
	if err != nil {
		t.Fatal(err)
	}
	s.pipe(exitDone, `apiVersion: chancery/v1
kind: Client
metadata: {name: nightly}
spec:
  auth: {method: private_key_jwt, jwks: `+string(jwks)+`}
  grant_types: [client_credentials]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data:
    grants: [{groups: [notes-readers], resource: notes, scopes: ["notes:read"]}]
    clients: [{clients: [nightly], resource: notes, scopes: ["notes:read"]}]
`, "apply", "--manager", "dev", "-f", "-")
	flags := []string{"token", "--resource", found.Resource, "--client-credentials", "--client-id", "nightly", "--key-file", file, "--key-id", "nightly-1"}
	elsewhere := alone(t)
	has(t, elsewhere.run(exitDone, append(flags, "--format", "header")...).stdout, "Authorization: Bearer ")
	o := elsewhere.run(exitDone, append(flags, "--explain")...)
	has(t, o.stdout, "client_credentials → access token", "600 s", "scopes notes:read")
	has(t, elsewhere.run(exitFailed, append(flags, "--key-file", filepath.Join(s.state(), "idp.key"))...).stderr, "client_authentication_failed", "leg 2")
}

// TestTokenUnderNonces: what may be set reaches the server, and bound tokens are had with its nonces.
func TestTokenUnderNonces(t *testing.T) {
	s := devShell(t)
	s.keep("--port", "0", "--set", "dpop.nonce=required", "--set", "keys.algorithm=RS256")
	s.run(exitDone, "dev", "login", "alice")
	has(t, s.run(exitDone, "token", "--explain", "--dpop").stdout, "leg 2  ID-JAG → access token  ok")
	token := strings.TrimSpace(s.run(exitDone, "token").stdout)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(header), `"RS256"`)
}

// TestDevCompletions: what a shell offers.
func TestDevCompletions(t *testing.T) {
	s := alone(t)
	has(t, s.run(exitDone, "__complete", "dev", "login", "").stdout, "alice\nbob\neve\n")
	has(t, s.run(exitDone, "__complete", "dev", "issue", "--break", "au").stdout, "aud\n", "aud_other\n")
	has(t, s.run(exitDone, "__complete", "token", "--format", "").stdout, "header\n")
	hasNot(t, s.run(exitDone, "__complete", "token", "--profile", "").stdout, "regulated")
}
