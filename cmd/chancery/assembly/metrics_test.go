package assembly_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// family is a metric as it is documented, or as a server says it.
type family struct {
	kind   string
	labels map[string]bool
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(chancery_[a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\|[^|]+\\|([^|]*)\\|$")
	quoted     = regexp.MustCompile("`([A-Za-z_]+)`")
	typed      = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	sample     = regexp.MustCompile(`(?m)^(chancery_[a-z_]+)(?:\{([^}]*)\})? `)
	label      = regexp.MustCompile(`([a-z_]+)="`)
)

// metricsPage reads the table of docs/metrics.md, and which alerts it names.
func metricsPage(t *testing.T) (families map[string]family, alerts []string) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/metrics.md")
	must(t, err)
	families = map[string]family{}
	for _, row := range documented.FindAllStringSubmatch(string(page), -1) {
		f := family{kind: row[2], labels: map[string]bool{}}
		for _, name := range quoted.FindAllStringSubmatch(row[3], -1) {
			f.labels[name[1]] = true
		}
		families[row[1]] = f
		for _, name := range quoted.FindAllStringSubmatch(row[4], -1) {
			if strings.HasPrefix(name[1], "Chancery") {
				alerts = append(alerts, name[1])
			}
		}
	}
	if len(families) < 15 {
		t.Fatalf("%d metrics are documented", len(families))
	}
	return families, alerts
}

// said reads a scrape.
func said(text string) map[string]family {
	families := map[string]family{}
	for _, row := range typed.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(row[1], "chancery_") {
			families[row[1]] = family{kind: row[2], labels: map[string]bool{}}
		}
	}
	for _, row := range sample.FindAllStringSubmatch(text, -1) {
		name := row[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if f, ok := families[strings.TrimSuffix(name, suffix)]; ok && f.kind == "histogram" {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		for _, l := range label.FindAllStringSubmatch(row[2], -1) {
			if l[1] != "le" {
				families[name].labels[l[1]] = true
			}
		}
	}
	return families
}

func scrape(t *testing.T, s *assembly.Server) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddress()+"/metrics", http.NoBody)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return string(text)
}

const inlineDoc = `---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: offline}
spec:
  preset: generic
  issuer: https://offline.example
  jwks: {inline: KEYS, not_after: "2099-01-01T00:00:00Z"}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [agent], resources: [notes], scopes: ["notes:read"]}
`

// samlDoc is a SAML IdP that is known by what is written in.
func samlDoc(t *testing.T) string {
	t.Helper()
	idp := samltest.New(time.Now)
	certificate, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idp.Certificate.Raw})))
	must(t, err)
	return `
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: corp}
spec: {preset: saml, saml: {idp_entity_id: "` + idp.EntityID + `", sso_url: "` + idp.SSO + `", certificates: [` + string(certificate) + `]}}
`
}

// trackerDoc is a service at which nobody connected anything yet.
const trackerDoc = `
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: tracker}
spec:
  own_manifest: {extends: oauth2, authorization_url: "https://tracker.example/a", token_url: "https://tracker.example/t"}
  client_id: chancery
  client_secret: {env: AGENT_SECRET}
  scope_map: {"issues:read": [a]}
  allow: {clients: [agent], resources: [notes]}
`

// day does what a day brings: tokens, refusals, questions, revocations, floods, traces.
func (p *place) day(t *testing.T, s *assembly.Server) {
	t.Helper()
	status, token := asksAs(t, s, "/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {p.idp.IDJAG(idptest.Alice)}})
	if status != http.StatusOK || token == "" {
		t.Fatalf("%d", status)
	}
	denied := p.idp.IDJAG(idptest.Alice, idptest.WithClaim("groups", []string{"strangers"}))
	if status, code := p.redeem(t, s, secretText, denied); status != http.StatusBadRequest {
		t.Fatalf("%d %s", status, code)
	}
	p.redeem(t, s, "wrong")
	for _, path := range []string{"/introspect", "/revoke"} {
		if status, _ := asksAs(t, s, path, url.Values{"token": {"x"}}); status != http.StatusOK {
			t.Fatalf("%s: %d", path, status)
		}
	}
	asksAs(t, s, "/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token}, "audience": {"tracker"}, "scope": {"issues:unknown"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	})
}

// asksAs asks as the agent.
func asksAs(t *testing.T, s *assembly.Server, path string, form url.Values) (status int, token string) {
	t.Helper()
	form.Set("client_id", "agent")
	form.Set("client_secret", secretText)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.PublicAddress()+path, strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	text, err := io.ReadAll(response.Body)
	must(t, err)
	_ = json.Unmarshal(text, &body) // of a revocation there is none
	return response.StatusCode, body.AccessToken
}

// rootTokenFile holds a token of a double of Vault.
func rootTokenFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault-token")
	must(t, os.WriteFile(path, []byte(transittest.RootToken), 0o600))
	return path
}

// TestMetricsPage: what a server says after a day is what the page says, names, types and labels; no more, no less.
func TestMetricsPage(t *testing.T) {
	families, _ := metricsPage(t)
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	p := newPlace(t)
	file := p.write(t, strings.Replace(objects, `jwt-bearer"]`, `jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"]`, 1)+trackerDoc+strings.ReplaceAll(inlineDoc, "KEYS", string(p.idp.Keys()))+samlDoc(t))
	s, _ := p.start(t, settings{
		"objects": []string{file}, "limits.per_client": "1000/s", "limits.per_address": "1000/s",
		"telemetry.otlp_endpoint": collector.URL, "telemetry.sample_ratio": 1.0, "audit.checkpoint_every": "1s",
	})
	p.day(t, s)
	var text string
	deadline := time.Now().Add(10 * time.Second)
	for text == "" || (!strings.Contains(text, "chancery_jwks_not_after_seconds{") || !strings.Contains(text, "chancery_saml_metadata_pending{") || !strings.Contains(text, "chancery_connections{")) && time.Now().Before(deadline) {
		text = scrape(t, s)
	}
	secured := newPlace(t)
	cert, key, _ := certificate(t, secured.folder)
	other, _ := secured.start(t, settings{
		"server.tls.cert": cert, "server.tls.key": key, "vault.backend": "transit", "vault.transit.address": transittest.Start(t).URL,
		"vault.transit.auth.token.file": rootTokenFile(t), "vault.keyring.file": "",
	})
	got := said(text)
	maps.Copy(got, maps.Collect(func(yield func(string, family) bool) {
		for name, f := range said(scrape(t, other)) {
			if _, known := got[name]; !known && !yield(name, f) {
				return
			}
		}
	}))
	for name, want := range families {
		f, ok := got[name]
		if !ok {
			t.Errorf("%s is documented, and no server says it", name)
			continue
		}
		if f.kind != want.kind || !maps.Equal(f.labels, want.labels) {
			t.Errorf("%s: a server says %s %v, the page %s %v", name, f.kind, slices.Sorted(maps.Keys(f.labels)), want.kind, slices.Sorted(maps.Keys(want.labels)))
		}
	}
	for name := range got {
		if _, ok := families[name]; !ok {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
	for _, want := range []string{
		`result="issued"} 1`, `reason="policy_denied",result="refused"} 1`, `chancery_assertion_checks_total{check="policy",result="failed"} 1`,
		`chancery_token_status_requests_total{endpoint="introspection",reason="",result="inactive"} 1`,
		`chancery_token_status_requests_total{endpoint="revocation",reason="",result="done"} 1`, "chancery_ready 1", `version=""`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not said", want)
		}
	}
	for _, somebody := range []string{"alice", "00u1alice", secretText, adminToken, base64.StdEncoding.EncodeToString([]byte(secretText))} {
		if strings.Contains(text, somebody) {
			t.Errorf("%s is in the metrics", somebody)
		}
	}
}

// names finds the metrics of an expression, histograms' series as what they are of.
var names = regexp.MustCompile(`\b(chancery|process|go)_[a-z_]+`)

func checkExpression(t *testing.T, where, expression string, families map[string]family) {
	t.Helper()
	found := names.FindAllString(expression, -1)
	if len(found) == 0 {
		t.Errorf("%s names no metric: %s", where, expression)
	}
	for _, name := range found {
		if !strings.HasPrefix(name, "chancery_") {
			continue
		}
		f, ok := families[name]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if of, isOne := families[strings.TrimSuffix(name, suffix)]; isOne && of.kind == "histogram" {
				f, ok = of, strings.HasSuffix(name, suffix)
			}
		}
		if !ok {
			t.Errorf("%s: %s is not in docs/metrics.md", where, name)
			continue
		}
		if counted := f.kind == "counter" || f.kind == "histogram"; counted && !strings.Contains(expression, "rate(") {
			t.Errorf("%s: %s only grows: rate() is missing", where, name)
		}
	}
	checkSelectors(t, where, expression, families)
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(expression, pair[:1]) != strings.Count(expression, pair[1:]) {
			t.Errorf("%s: %s do not match in %s", where, pair, expression)
		}
	}
}

var selector = regexp.MustCompile(`(chancery_[a-z_]+)\{([^}]*)\}`)

// checkSelectors: a label that a metric does not have selects nothing, and an alert on it never comes.
func checkSelectors(t *testing.T, where, expression string, families map[string]family) {
	t.Helper()
	for _, s := range selector.FindAllStringSubmatch(expression, -1) {
		name := s[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if _, ok := families[name]; !ok {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		for _, l := range regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(s[2], -1) {
			if l[1] != "instance" && l[1] != "job" && l[1] != "le" && !families[name].labels[l[1]] {
				t.Errorf("%s: %s has no label %s", where, name, l[1])
			}
		}
	}
}

func TestAlertRules(t *testing.T) {
	families, alerts := metricsPage(t)
	text, err := os.ReadFile("../../../deploy/prometheus/alerts.yaml")
	must(t, err)
	var rules struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	must(t, decoder.Decode(&rules))
	var there []string
	for _, r := range rules.Groups[0].Rules {
		there = append(there, r.Alert)
		checkExpression(t, r.Alert, r.Expr, families)
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
			t.Errorf("%s: %v %v", r.Alert, r.Annotations, r.Labels)
		}
		if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
	}
	for _, name := range alerts {
		if !slices.Contains(there, name) {
			t.Errorf("docs/metrics.md names the alert %s, which is not there", name)
		}
	}
	for _, name := range there {
		if !slices.Contains(alerts, strings.TrimSuffix(name, "Now")) {
			t.Errorf("docs/metrics.md does not name the alert %s", name)
		}
	}
}

func TestDashboard(t *testing.T) {
	families, _ := metricsPage(t)
	text, err := os.ReadFile("../../../deploy/grafana/chancery.json")
	must(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			GridPos struct{ X, W int }
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(text, &board))
	shown := ""
	for _, panel := range board.Panels {
		if panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("%s reaches beyond the board", panel.Title)
		}
		for _, target := range panel.Targets {
			checkExpression(t, panel.Title, target.Expr, families)
			shown += target.Expr
		}
	}
	for name := range families {
		if !strings.Contains(shown, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}
