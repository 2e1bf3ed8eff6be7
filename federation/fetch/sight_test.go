package fetch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// Probe sees what Get does, and returns the same answer.
func TestProbe(t *testing.T) {
	server, n := idp(t, func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, `{"keys":[]}`) })
	client := fetch.New(fetch.Policy{Mode: "allow"})
	response, sight, err := client.Probe(t.Context(), server.URL, n, fetch.Limit{ContentTypes: fetch.JSON()})
	if err != nil || string(response.Body) != `{"keys":[]}` {
		t.Fatal(err)
	}
	if sight.Failed != "" || sight.Status != http.StatusOK || sight.Bytes != 11 || sight.Date.IsZero() || len(sight.Chain) != 1 || sight.TLSVersion == 0 ||
		!strings.HasPrefix(sight.Remote, "127.0.0.1:") {
		t.Errorf("%+v", sight)
	}
}

// Each way to end names its stage; a refusal is Get's own.
func TestProbeStages(t *testing.T) {
	server, n := idp(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	t.Cleanup(proxy.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	through := n
	through.Proxy = proxy.URL
	for name, c := range map[string]struct {
		mode, url string
		n         fetch.Network
		stage     fetch.Stage
		kind      error
	}{
		"config":  {"allow", server.URL, fetch.Network{CABundle: "/nowhere", AllowPrivateAddresses: true}, fetch.StageConfig, fetch.ErrConfig},
		"rule":    {"deny", server.URL, n, fetch.StageRule, fetch.ErrRefused},
		"address": {"allow", server.URL, fetch.Network{CABundle: n.CABundle}, fetch.StageRule, fetch.ErrRefused},
		"dns":     {"allow", "https://name.invalid", n, fetch.StageDNS, fetch.ErrTransport},
		"connect": {"allow", gone.URL, n, fetch.StageConnect, fetch.ErrTransport},
		"proxy":   {"allow", server.URL, through, fetch.StageProxy, fetch.ErrTransport},
		"tls":     {"allow", server.URL, fetch.Network{AllowPrivateAddresses: true}, fetch.StageTLS, fetch.ErrTransport},
		"answer":  {"allow", server.URL, n, fetch.StageAnswer, fetch.ErrStatus},
	} {
		t.Run(name, func(t *testing.T) {
			_, sight, err := fetch.New(fetch.Policy{Mode: c.mode}).Probe(t.Context(), c.url, c.n, fetch.Limit{})
			if !errors.Is(err, c.kind) || sight.Failed != c.stage {
				t.Errorf("%v at %q, want %v at %q", err, sight.Failed, c.kind, c.stage)
			}
			if c.stage == fetch.StageTLS && len(sight.Chain) == 0 {
				t.Error("the chain that is not trusted is not shown")
			}
		})
	}
}
