package assembly_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// wire is a collector that keeps what was sent, byte for byte.
type wire struct {
	mu   sync.Mutex
	raw  bytes.Buffer
	all  []*tracepb.Span
	auth string
}

func (w *wire) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.auth = r.Header.Get("Authorization")
	_ = r.Header.Write(&w.raw)
	w.raw.Write(body)
	var got tracepb.TracesData
	if err != nil || proto.Unmarshal(body, &got) != nil {
		return
	}
	for _, resource := range got.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			w.all = append(w.all, scope.GetSpans()...)
		}
	}
}

// TestTracesHoldNoSecrets: a token request is seen step by step, and no canary that any part of it carried is in what left (T70).
func TestTracesHoldNoSecrets(t *testing.T) {
	w := &wire{}
	collector := httptest.NewServer(w)
	defer collector.Close()
	p := newPlace(t)
	s, stop := p.start(t, settings{
		"objects": []string{p.write(t, objects)}, "telemetry.otlp_endpoint": collector.URL, "telemetry.sample_ratio": 1.0, "log.level": "debug",
		"telemetry.otlp_headers.env": "AGENT_SECRET_HEADER", "audit.checkpoint_every": "1s",
	})
	canaries := []string{secretText, adminToken}
	canary := func(name string) string {
		c := "canary" + name + "0123456789abcdef0123456789"
		canaries = append(canaries, c)
		return c
	}
	assertions := []string{
		p.idp.IDJAG(idptest.Alice),
		p.idp.IDJAG(idptest.Alice, idptest.WithClaim("groups", []string{canary("group")}), idptest.WithClaim("jti", canary("jti"))),
		p.idp.IDJAG(idptest.Alice, idptest.WithClaim("aud", "https://"+canary("audience"))),
		canary("assertion"),
	}
	canaries = append(canaries, assertions...)
	for _, assertion := range assertions {
		p.redeem(t, s, secretText, assertion)
		p.redeem(t, s, canary("secret"), assertion)
	}
	strange(t, s, canary)
	scrape(t, s)
	stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.auth != "Bearer collector" {
		t.Errorf("the collector's credential: %q", w.auth)
	}
	for _, c := range append(canaries, "alice", "00u1alice", "alice@acme.com", "agent", "203.0.113.9") {
		for form, text := range map[string]string{
			"raw": c, "hex": hex.EncodeToString([]byte(c)), "URL": url.QueryEscape(c), "base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(c)), "=")[:len(c)],
		} {
			if bytes.Contains(w.raw.Bytes(), []byte(text)) {
				t.Errorf("%.40s left with the traces, %s", c, form)
			}
		}
	}
	steps := map[string]int{}
	for _, span := range w.all {
		steps[span.GetName()]++
	}
	for _, want := range []string{
		"POST /token", "client.authenticate", "dpop.verify", "assertion.verify", "jwks.wait", "policy.decide", "token.mint", "ledger.commit", "ledger.batch", "jwks.fetch",
		"_OTHER none", "GET none",
	} {
		if steps[want] == 0 {
			t.Errorf("no span %s: %v", want, steps)
		}
	}
	if steps["GET /livez"]+steps["GET /readyz"]+steps["GET /metrics"] != 0 {
		t.Errorf("probes are traced: %v", steps)
	}
}

// strange sends what a stranger may: everything but the status must stay behind.
func strange(t *testing.T, s *assembly.Server, canary func(string) string) {
	t.Helper()
	for _, r := range []struct{ method, path string }{
		{http.MethodGet, "/" + canary("path") + "?x=" + canary("query")},
		{strings.ToUpper(canary("method")), "/token"},
		{http.MethodGet, "/errors/" + canary("code")},
		{http.MethodGet, "/t/" + canary("tenant") + "/.well-known/jwks.json"},
		{http.MethodGet, "/livez"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+s.PublicAddress()+r.path, strings.NewReader("x="+canary("body")))
		must(t, err)
		for _, name := range []string{"Authorization", "DPoP", "User-Agent", "Tracestate", "Baggage", "Cookie", "X-B3-Traceid"} {
			request.Header.Set(name, canary(name))
		}
		request.Header.Set("X-Forwarded-For", "203.0.113.9")
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		_ = response.Body.Close()
	}
}

// TestCollectorThatHangs: grants are as quick as without one, and the end does not wait long.
func TestCollectorThatHangs(t *testing.T) {
	release := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer collector.Close()
	defer close(release)
	p := newPlace(t)
	s, stop := p.start(t, settings{"objects": []string{p.write(t, objects)}, "telemetry.otlp_endpoint": collector.URL, "telemetry.sample_ratio": 1.0})
	began := time.Now()
	for range 20 {
		p.expects(t, s, http.StatusOK, "")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 grants took %s", took)
	}
	stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end came after %s", took)
	}
}

// TestTracesKeepToTheEgressRules: a name that is listed by its address block alone is judged at the dial.
func TestTracesKeepToTheEgressRules(t *testing.T) {
	w := &wire{}
	collector := httptest.NewServer(w)
	defer collector.Close()
	p := newPlace(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(collector.URL, "http://"), ":")
	s, stop := p.start(t, settings{
		"telemetry.otlp_endpoint": "http://localhost:" + port, "telemetry.sample_ratio": 1.0, "egress.mode": "deny", "egress.allow": []string{"10.0.0.0/8"},
	})
	_, _ = get(t, "http://"+s.PublicAddress()+"/.well-known/jwks.json")
	stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) != 0 {
		t.Error("traces left past egress.mode: deny")
	}
}
