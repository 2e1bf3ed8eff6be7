package faults

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/policy/policytest"
)

// bombs are what OPA does not stop in time, or not at all: by name the body of a policy.
var bombs = map[string]string{
	"shift":      `decision := {"allow": bits.lsh(1, 100000000000) > 0}`,
	"paths":      `decision := {"allow": count(graph.reachable_paths({"a": ["a"]}, ["a"])) > 0}`,
	"range":      `decision := {"allow": count(numbers.range(0, 1000000000)) > 0}`,
	"addresses":  `decision := {"allow": count(net.cidr_expand("10.0.0.0/8")) > 0}`,
	"walk":       `decision := {"allow": count([x | walk(input, [_, x])]) > 0}`,
	"concat":     "decision := {\"allow\": count(x40) > 0}\n\nx0 := input.client.id\n\n" + policytest.Doubled(40, `concat("", [%s, %s])`),
	"product":    "decision := {\"allow\": true} if {\n\tn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\tcount([1 | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]]) > 0\n}",
	"deep":       "decision := {\"allow\": true, \"claims\": {\"x\": x40}}\n\nx0 := [input.client.id]\n\n" + policytest.Doubled(40, "[%s, %s]"),
	"deaf":       "decision := {\"allow\": indexof(x14, concat(\"\", [x13, \"x\"])) != -1}\n\nx0 := \"éé\"\n\n" + policytest.Doubled(14, `concat("", [%s, %s])`),
	"memory":     "decision := {\"allow\": count(all) > 0}\n\nn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\nx0 := \"xx\"\n\n" + policytest.Doubled(14, `concat("", [%s, %s])`) + "all := [concat(\"\", [x14, format_int(a, 10), format_int(b, 10), format_int(c, 10), format_int(d, 10), format_int(e, 10)]) | a := n[_]; b := n[_]; c := n[_]; d := n[_]; e := n[_]]",
	"compiler":   compilerBomb(),
	"comparison": "decision := {\"allow\": x60 == y60}\n\nx0 := [input.client.id]\n\ny0 := [input.client.id]\n\n" + policytest.Doubled(60, "[%s, %s]") + strings.NewReplacer("x", "y").Replace(policytest.Doubled(60, "[%s, %s]")),
}

// compilerBomb has types of which each line's is twice that of the line before.
func compilerBomb() string {
	var b strings.Builder
	for _, name := range []string{"a", "b"} {
		b.WriteString(name + " := x60 if {\n\tx0 := [input.client.id]\n")
		for i := 1; i <= 60; i++ {
			fmt.Fprintf(&b, "\tx%d := [x%d, x%d]\n", i, i-1, i-1)
		}
		b.WriteString("}\n\n")
	}
	return b.String() + "decision := {\"allow\": a == b}"
}

// others is a second tenant, whose policies somebody else writes; each resource has its own.
func others() string {
	names := bombNames()
	var b strings.Builder
	fmt.Fprintf(&b, `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: mallory}
spec: {display_name: Mallory}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta, tenant: mallory}
spec:
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [claude], resources: [%[1]s], scopes: ["x:read"]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude, tenant: mallory}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["x:read"]
  resources: [%[1]s]
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice, tenant: mallory}
spec: {status: active, identities: [{idp: okta, sub: 00u1alice}]}
---`, strings.Join(names, ", "))
	for _, name := range names {
		fmt.Fprintf(&b, `
apiVersion: chancery/v1
kind: Resource
metadata: {name: %[1]s, tenant: mallory}
spec: {uri: "https://mcp.mallory.example/%[1]s", scopes: {"x:read": {}}}
---
%[2]s`, name, policyOf(name, `decision := {"allow": true, "scopes": ["x:read"]} if input.client.id`))
	}
	return b.String()
}

func policyOf(resource, body string) string {
	return fmt.Sprintf(`
apiVersion: chancery/v1
kind: Policy
metadata: {name: %[1]s, tenant: mallory}
spec: {role: grant, applies_to: {resources: [%[1]s]}, modules: {"p.rego": %[2]q}}
---`, resource, "package chancery.authz\n\n"+body)
}

func bombNames() []string {
	var names []string
	for name := range bombs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// M6, T58, T59, F22: what a tenant writes neither passes the gate nor, slipped past it into the database, costs anybody else
// anything: all others are answered while it is asked, and the server lives, in little memory.
func TestBombsOfATenant(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Objects: harness.DefaultObjects + others()})
	secret := w.NewSecret("mallory", harness.ClientID)

	// 1. At the gate.
	for _, name := range bombNames() {
		err := w.TryApply(w.Server(), policyOf(name, bombs[name]))
		if err == nil && !slices.Contains([]string{"deep", "concat", "comparison", "deaf"}, name) { // which are bounded as they run, and deny
			t.Errorf("%s was published", name)
		}
	}
	ask := func(name string) harness.Answer {
		c := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithAudience(w.Issuer+"/t/mallory"), idptest.WithResource("https://mcp.mallory.example/"+name), idptest.WithScope("x:read")))
		c.Path = "/t/mallory/token"
		return w.Send(w.Server(), c.With("client_secret", secret))
	}
	ask("walk").Granted(t) // what was refused changed nothing

	// 2. Past it.
	w.Server().Stop()
	slip(t, w)
	w.Server().Restart()

	quiet := w.StartLoad(t, 4)
	harness.Eventually(t, 20*time.Second, "others are answered", func() bool { return quiet.Granted() > 300 })
	before := quiet.Stop()

	// 3. Under the load of another tenant.
	load := w.StartLoad(t, 4)
	ctx, stop := context.WithCancel(t.Context())
	var hostile sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]map[string]int{}
	for i := range 6 {
		hostile.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				name := bombNames()[n%len(bombs)]
				a := ask(name)
				if a.AccessToken != "" || a.Status != http.StatusBadRequest {
					t.Errorf("%s: %d %s", name, a.Status, a.Body)
					return
				}
				mu.Lock()
				if codes[name] == nil {
					codes[name] = map[string]int{}
				}
				codes[name][a.Code()]++
				mu.Unlock()
			}
		})
	}
	granted := load.Granted()
	time.Sleep(5 * time.Second) // that long it goes on
	harness.Eventually(t, 20*time.Second, "others are answered", func() bool { return load.Granted() > granted+300 })
	memory := resident(t, w)
	stop()
	hostile.Wait()
	during := load.Stop()
	for _, s := range during {
		if s.Err != nil || s.Answer.AccessToken == "" {
			t.Fatalf("another tenant: %v, %d %s", s.Err, s.Answer.Status, s.Answer.Body)
		}
	}
	if len(codes) != len(bombs) {
		t.Errorf("only %v were asked", codes)
	}
	for name, of := range codes {
		for code := range of {
			if !slices.Contains([]string{"policy_error", "policy_timeout", "policy_memory", "policy_result_invalid"}, code) && (name != "deaf" || code != "policy_denied") {
				t.Errorf("%s: %s", name, code)
			}
		}
	}
	if memory > 1<<30 {
		t.Errorf("the server has %d MiB", memory>>20)
	}
	t.Logf("the 99th percentile of others is %s without and %s with; the server has %d MiB; %v", p99(before), p99(during), memory>>20, codes)
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
}

// slip writes the bombs where the policies are.
func slip(t *testing.T, w *harness.World) {
	t.Helper()
	tx, err := w.DB.Open(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "select set_config('chancery.tenant', uid, true) from tenants where name = 'mallory'"); err != nil {
		t.Fatal(err)
	}
	for _, name := range bombNames() {
		spec := fmt.Sprintf(`{"role":"grant","applies_to":{"resources":[%q]},"modules":{"p.rego":%s}}`, name, strconv.QuoteToASCII("package chancery.authz\n\n"+bombs[name]))
		done, err := tx.ExecContext(t.Context(), "update objects set spec = $1 where kind = 'Policy' and name = $2", spec, name)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			t.Fatalf("%s: %d rows, %v", name, n, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func p99(shots []harness.Shot) time.Duration {
	took := make([]time.Duration, len(shots))
	for i, s := range shots {
		took[i] = s.Ended.Sub(s.Started)
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// resident is the memory of the server itself, in bytes.
func resident(t *testing.T, w *harness.World) int64 {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(w.AdminRequest(http.MethodGet, "/metrics", nil).Body))
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "process_resident_memory_bytes "); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int64(n)
		}
	}
	t.Fatal("no process_resident_memory_bytes in /metrics")
	return 0
}

// Under policy.isolation: process every policy is evaluated in children, templates too; a start, a change and a stop go as
// they do without.
func TestEverythingInChildren(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{"policy.isolation": "process", "policy.memory": "128MiB"}})
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	w.Apply(w.Server(), strings.Replace(harness.DefaultPolicy, "[notes-editors]", "[nobody]", 1))
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
	w.Apply(w.Server(), harness.DefaultPolicy)
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	w.Server().Stop()
	w.Server().Restart()
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
}
