package token

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// behind is a reverse proxy under another name and port than the server's, which also serves it below a path.
type behind struct {
	*httptest.Server
	public string
	to     atomic.Pointer[url.URL]
}

const below = "/gateway"

func newBehind(t *testing.T) *behind {
	t.Helper()
	b := &behind{}
	b.Server = httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(b.to.Load()) // Host becomes the server's
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, below)
		r.SetXForwarded()
		r.Out.Header.Set("X-Forwarded-Prefix", below)
	}})
	t.Cleanup(b.Close)
	b.public = strings.Replace(b.URL, "127.0.0.1", "localhost", 1)
	return b
}

// T42, T54: htu is held against the configured URL. What the request's Host or a proxy's headers say plays no part.
func TestDPoPBehindAProxy(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		proxy := newBehind(t)
		w := harness.Start(t, harness.Options{
			Engine: e, Config: map[string]any{"server.public_url": proxy.public, "server.trusted_proxies": []string{"127.0.0.0/8"}},
			IdP: idptest.Options{Audiences: []idptest.Audience{{Issuer: proxy.public, Resources: []string{harness.Notes}, Scopes: []string{"notes:read", "notes:write"}}}},
		})
		to, err := url.Parse(w.Server().Base)
		if err != nil {
			t.Fatal(err)
		}
		proxy.to.Store(to)
		key := harness.NewSigner(t, "")
		send := func(address, htu string, change func(http.Header)) harness.Answer {
			c := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithAudience(proxy.public)))
			c.Header.Set("DPoP", key.Proof(htu, nil))
			c.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if change != nil {
				change(c.Header)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(c.Form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = c.Header
			if host := c.Header.Get("Host"); host != "" {
				request.Host = host
			}
			a, err := harness.Do(http.DefaultClient, request)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		port := strings.TrimPrefix(proxy.public, "http://localhost:")
		for name, good := range map[string]struct {
			address, htu string
			change       func(http.Header)
		}{
			"through the proxy":            {proxy.public + "/token", proxy.public + "/token", nil},
			"below its path":               {proxy.public + below + "/token", proxy.public + "/token", nil},
			"past it":                      {w.Server().Base + "/token", proxy.public + "/token", nil},
			"name in capitals":             {proxy.public + "/token", "HTTP://LocalHost:" + port + "/token", nil},
			"with a query":                 {proxy.public + "/token", proxy.public + "/token?x=1", nil},
			"another Host is no other URL": {proxy.public + "/token", proxy.public + "/token", func(h http.Header) { h.Set("Host", "evil.example") }},
		} {
			t.Run(name, func(t *testing.T) {
				if a := send(good.address, good.htu, good.change).Granted(t); a.TokenType != "DPoP" {
					t.Error(a.TokenType)
				}
			})
		}
		evil := func(h http.Header) {
			h.Set("Host", "evil.example")
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host"} {
				h.Set(name, "evil.example")
			}
			h.Set("Forwarded", "host=evil.example;proto=https")
			h.Set("X-Forwarded-Proto", "https")
		}
		for name, bad := range map[string]struct {
			htu    string
			change func(http.Header)
		}{
			"the server's own address":  {w.Server().Base + "/token", nil},
			"the proxy's address":       {proxy.URL + "/token", nil},
			"the proxy's path":          {proxy.public + below + "/token", nil},
			"another port":              {"http://localhost/token", nil},
			"another scheme":            {strings.Replace(proxy.public, "http:", "https:", 1) + "/token", nil},
			"as the headers say":        {"https://evil.example/token", evil},
			"as the headers say, http":  {"http://evil.example/token", evil},
			"the name with a dot":       {"http://localhost.:" + port + "/token", nil},
			"path in capitals":          {proxy.public + "/TOKEN", nil},
			"the issuer alone":          {proxy.public, nil},
			"dots that lead back there": {proxy.public + below + "/../token", nil},
		} {
			t.Run(name, func(t *testing.T) {
				send(proxy.public+"/token", bad.htu, bad.change).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_invalid")
				send(w.Server().Base+"/token", bad.htu, bad.change).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_invalid")
			})
		}
	})
}
