package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// idp is a TLS server on loopback and the Network that reaches it.
func idp(t *testing.T, handler http.HandlerFunc) (*httptest.Server, fetch.Network) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, fetch.Network{CABundle: bundle(server), AllowPrivateAddresses: true}
}

func bundle(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func jsonAnswer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

func TestGet(t *testing.T) {
	server, n := idp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("headers sent: %v", r.Header)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		jsonAnswer(w, `{"keys":[]}`)
	})
	client := fetch.New(fetch.Policy{Mode: "allow"})
	got, err := client.Get(t.Context(), server.URL+"/jwks", n, fetch.Limit{ContentTypes: fetch.JSON()})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusOK || string(got.Body) != `{"keys":[]}` || got.Header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("got %+v", got)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(n.CABundle), 0o600); err != nil {
		t.Fatal(err)
	}
	n.CABundle = path
	if _, err := client.Get(t.Context(), server.URL, n, fetch.Limit{}); err != nil {
		t.Errorf("with the bundle in a file: %v", err)
	}
}

// T52: one hostile server per case. No error repeats what the server said.
func TestHostileServers(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 8<<20))
	_ = w.Close()
	const canary = "canary-of-the-server"
	limit := fetch.Limit{Bytes: 1024, Timeout: time.Second / 4, ContentTypes: fetch.JSON()}

	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+canary+".example/", http.StatusFound)
		}, fetch.ErrStatus},
		"permanent redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/"+canary, http.StatusPermanentRedirect)
		}, fetch.ErrStatus},
		"not found":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, canary, http.StatusNotFound) }, fetch.ErrStatus},
		"server error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, canary, http.StatusInternalServerError) }, fetch.ErrStatus},
		"created":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, fetch.ErrStatus},
		"no content":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, fetch.ErrStatus},
		"huge body, announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10485760")
			jsonAnswer(w, canary)
		}, fetch.ErrTooLarge},
		"huge body, chunked": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				jsonAnswer(w, strings.Repeat(canary, 100))
			}
		}, fetch.ErrTooLarge},
		"one byte too much": {func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, strings.Repeat("a", 1025)) }, fetch.ErrTooLarge},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bomb.Bytes())
		}, fetch.ErrType},
		"gzip unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			jsonAnswer(w, canary)
		}, fetch.ErrType},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, canary)
		}, fetch.ErrType},
		"JSON by suffix only": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; x=+json")
			_, _ = io.WriteString(w, canary)
		}, fetch.ErrType},
		"no type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, canary)
		}, fetch.ErrType},
		"never answers": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, fetch.ErrTimeout},
		"slow loris": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			drip := time.NewTicker(20 * time.Millisecond)
			defer drip.Stop()
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				<-drip.C
			}
			panic(http.ErrAbortHandler) // not the end of a body
		}, fetch.ErrTimeout},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			jsonAnswer(w, canary)
		}, fetch.ErrTransport},
		"huge headers": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Filler", strings.Repeat(canary, 10000))
			jsonAnswer(w, "{}")
		}, fetch.ErrTransport},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fetch.ErrTransport},
	} {
		t.Run(name, func(t *testing.T) {
			server, n := idp(t, c.handler)
			client := fetch.New(fetch.Policy{Mode: "allow"})
			began := time.Now()
			got, err := client.Get(t.Context(), server.URL, n, limit)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %q, %v; want %v", got.Body, err, c.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if strings.Contains(err.Error(), canary) || got.Body != nil {
				t.Errorf("the answer leaks: %v", err)
			}
		})
	}
}

// A server that does not speak HTTP is not quoted either.
func TestAnswerThatIsNotHTTP(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 canary canary\r\n\r\n")
			_ = conn.Close()
		}
	}()
	client := fetch.New(fetch.Policy{Mode: "allow"})
	for _, scheme := range []string{"http://", "https://"} {
		_, err := client.Get(t.Context(), scheme+listener.Addr().String(), fetch.Network{AllowPrivateAddresses: true}, fetch.Limit{})
		if !errors.Is(err, fetch.ErrTransport) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	server, n := idp(t, func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, "{}") })
	client := fetch.New(fetch.Policy{Mode: "allow"})
	unknown := fetch.Network{AllowPrivateAddresses: true}
	if _, err := client.Get(t.Context(), server.URL, unknown, fetch.Limit{}); !errors.Is(err, fetch.ErrTransport) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("unknown authority: %v", err)
	}
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	if _, err := client.Get(t.Context(), "https://localhost:"+port, n, fetch.Limit{}); !errors.Is(err, fetch.ErrTransport) || !strings.Contains(err.Error(), "not valid for this host") {
		t.Errorf("another host's certificate: %v", err)
	}
	for name, broken := range map[string]string{
		"no certificate": "-----BEGIN NOTHING-----\n-----END NOTHING-----",
		"no file":        filepath.Join(t.TempDir(), "absent.pem"),
	} {
		_, err := client.Get(t.Context(), server.URL, fetch.Network{CABundle: broken, AllowPrivateAddresses: true}, fetch.Limit{})
		if !errors.Is(err, fetch.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlainHTTPOnLoopback(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, "{}") }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	private := fetch.Network{AllowPrivateAddresses: true}
	client := fetch.New(fetch.Policy{Mode: "allow"})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if _, err := client.Get(t.Context(), "http://"+host+":"+port, private, fetch.Limit{}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	// A resolver that sends localhost elsewhere gets no plain http there. (Most
	// resolvers answer from the hosts file first.)
	dns := newFakeDNS(t)
	dns.answer(netip.MustParseAddr("10.0.0.1"))
	var dialled atomic.Value
	elsewhere := fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithResolver(dns.resolver()), fetch.WithDialHook(func(address string) error {
		dialled.Store(address)
		return errStopped
	}))
	_, _ = elsewhere.Get(t.Context(), "http://localhost:"+port, private, fetch.Limit{})
	if address, _ := dialled.Load().(string); address != "" && !netip.MustParseAddrPort(address).Addr().IsLoopback() {
		t.Errorf("plain http to %s", address)
	}
}

// T51: what counts is the address that is dialled, whatever was answered before.
func TestRebinding(t *testing.T) {
	dns := newFakeDNS(t)
	var dialled []string
	client := fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithResolver(dns.resolver()), fetch.WithDialHook(func(address string) error {
		dialled = append(dialled, address)
		return errStopped
	}))
	get := func() error {
		_, err := client.Get(t.Context(), "https://rebind.example/", fetch.Network{}, fetch.Limit{})
		return err
	}
	loopback, public := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("93.184.215.14")

	dns.answer(public)
	if err := get(); errors.Is(err, fetch.ErrRefused) || len(dialled) != 1 {
		t.Fatalf("public: %v, %v", err, dialled)
	}
	dns.answer(loopback) // the same name, a moment later
	if err := get(); !errors.Is(err, fetch.ErrRefused) || len(dialled) != 1 {
		t.Fatalf("loopback: %v, %v", err, dialled)
	}
	dns.answer(loopback, public, netip.MustParseAddr("::1")) // both at once
	_ = get()
	for _, address := range dialled {
		if address != "93.184.215.14:443" {
			t.Errorf("%s was dialled", address)
		}
	}
}

func TestEgressDeny(t *testing.T) {
	dns := newFakeDNS(t)
	dns.answer(netip.MustParseAddr("93.184.215.14"))
	for name, c := range map[string]struct {
		policy  fetch.Policy
		url     string
		network fetch.Network
		passes  bool
		asks    bool // DNS may be asked
	}{
		"nothing listed":               {fetch.Policy{Mode: "deny"}, "https://idp.example/", fetch.Network{}, false, false},
		"mode absent":                  {fetch.Policy{}, "https://idp.example/", fetch.Network{}, false, false},
		"mode misspelt":                {fetch.Policy{Mode: "Allow"}, "https://idp.example/", fetch.Network{}, false, false},
		"another listed":               {fetch.Policy{Mode: "deny", Allow: []string{"other.example"}}, "https://idp.example/", fetch.Network{}, false, false},
		"a parent listed":              {fetch.Policy{Mode: "deny", Allow: []string{"example"}}, "https://idp.example/", fetch.Network{}, false, false},
		"listed":                       {fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://idp.example/", fetch.Network{}, true, true},
		"listed in capitals":           {fetch.Policy{Mode: "deny", Allow: []string{"IdP.Example"}}, "https://idp.EXAMPLE/", fetch.Network{}, true, true},
		"its block listed":             {fetch.Policy{Mode: "deny", Allow: []string{"93.184.215.0/24"}}, "https://idp.example/", fetch.Network{}, true, true},
		"another block listed":         {fetch.Policy{Mode: "deny", Allow: []string{"93.184.216.0/24"}}, "https://idp.example/", fetch.Network{}, false, true},
		"literal, listed":              {fetch.Policy{Mode: "deny", Allow: []string{"8.8.8.8"}}, "https://8.8.8.8/", fetch.Network{}, true, false},
		"literal, block listed":        {fetch.Policy{Mode: "deny", Allow: []string{"8.8.8.0/24"}}, "https://8.8.8.8/", fetch.Network{}, true, false},
		"literal, not listed":          {fetch.Policy{Mode: "deny", Allow: []string{"8.8.4.0/24"}}, "https://8.8.8.8/", fetch.Network{}, false, false},
		"literal, only a name listed":  {fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://93.184.215.14/", fetch.Network{}, false, false},
		"private, listed, not allowed": {fetch.Policy{Mode: "deny", Allow: []string{"10.0.0.0/8"}}, "https://10.0.0.1/", fetch.Network{}, false, false},
		"private, listed and allowed":  {fetch.Policy{Mode: "deny", Allow: []string{"10.0.0.0/8"}}, "https://10.0.0.1/", fetch.Network{AllowPrivateAddresses: true}, true, false},
		"private, allowed, not listed": {fetch.Policy{Mode: "deny"}, "https://10.0.0.1/", fetch.Network{AllowPrivateAddresses: true}, false, false},
		"by proxy, both listed":        {fetch.Policy{Mode: "deny", Allow: []string{"idp.example", "10.9.9.9"}}, "https://idp.example/", fetch.Network{Proxy: "http://10.9.9.9:3128"}, true, false},
		"by proxy, its block listed":   {fetch.Policy{Mode: "deny", Allow: []string{"idp.example", "10.9.9.0/24"}}, "https://idp.example/", fetch.Network{Proxy: "http://10.9.9.9:3128"}, true, false},
		"by proxy, which is not":       {fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://idp.example/", fetch.Network{Proxy: "http://10.9.9.9:3128"}, false, false},
		"by proxy, a name, which not":  {fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://idp.example/", fetch.Network{Proxy: "http://proxy.example:3128"}, false, false},
		"by proxy at the metadata":     {fetch.Policy{Mode: "allow"}, "https://idp.example/", fetch.Network{Proxy: "http://169.254.169.254:80"}, false, false},
		"by proxy, not listed":         {fetch.Policy{Mode: "deny"}, "https://idp.example/", fetch.Network{Proxy: "http://10.9.9.9:3128"}, false, false},
		"by proxy, only a block":       {fetch.Policy{Mode: "deny", Allow: []string{"93.184.215.0/24"}}, "https://idp.example/", fetch.Network{Proxy: "http://10.9.9.9:3128"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var dialled atomic.Int64
			client := fetch.New(c.policy, fetch.WithResolver(dns.resolver()), fetch.WithDialHook(func(string) error {
				dialled.Add(1)
				return errStopped
			}))
			before := dns.asked()
			_, err := client.Get(t.Context(), c.url, c.network, fetch.Limit{})
			if c.passes == errors.Is(err, fetch.ErrRefused) || c.passes != (dialled.Load() > 0) {
				t.Errorf("dialled %d, %v", dialled.Load(), err)
			}
			if !c.asks && dns.asked() != before {
				t.Errorf("%d names were asked for", dns.asked()-before)
			}
		})
	}
}

func TestPolicyValidate(t *testing.T) {
	valid := fetch.Policy{Mode: "deny", Allow: []string{"idp.example", "10.0.0.0/8", "::1", "2001:db8::/32"}}
	if err := valid.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{"", "https://idp.example", "idp.example:443", "*.example", "10.0.0.0/33", "10.0.0.256", "user@idp.example", "a b"} {
		if err := (fetch.Policy{Mode: "deny", Allow: []string{entry}}).Validate(); err == nil {
			t.Errorf("%q passes", entry)
		}
	}
	for _, mode := range []string{"", "ALLOW", "none"} {
		if err := (fetch.Policy{Mode: mode}).Validate(); err == nil {
			t.Errorf("mode %q passes", mode)
		}
	}
}

// A tenant's administrator names the bundle: what is no file, or endless, is not read.
func TestBundleIsAFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, large, "/dev/null", "/dev/zero", t.TempDir()} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := (fetch.Network{CABundle: path}).Validate(); !errors.Is(err, fetch.ErrConfig) {
			t.Errorf("%s: %v", path, err)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 16<<20 {
			t.Errorf("%s: %d bytes were read", path, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// The environment's proxy is nobody's; the configured one may be in one's own
// networks, and is asked only for what the rules allow.
func TestProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	var asked atomic.Value
	asked.Store("")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		http.Error(w, "canary", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	client := fetch.New(fetch.Policy{Mode: "allow"})

	if _, err := client.Get(t.Context(), "https://idp.example/", fetch.Network{Proxy: proxy.URL}, fetch.Limit{}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
	if asked.Load() != "CONNECT idp.example:443" {
		t.Errorf("the proxy was asked %q", asked.Load())
	}
	asked.Store("")
	for _, target := range []string{"https://169.254.169.254/", "https://10.0.0.1/", "https://[::1]/", "https://idp.example:22/", "https://2130706433/", "http://idp.example/"} {
		if _, err := client.Get(t.Context(), target, fetch.Network{Proxy: proxy.URL}, fetch.Limit{}); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if asked.Load() != "" {
		t.Errorf("the proxy was asked %q", asked.Load())
	}
	for _, broken := range []string{"socks5://10.0.0.1", "10.0.0.1:3128", "http://", "://secret"} {
		if err := (fetch.Network{Proxy: broken}).Validate(); !errors.Is(err, fetch.ErrConfig) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", broken, err)
		}
	}
	server, n := idp(t, func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, "{}") })
	if _, err := client.Get(t.Context(), server.URL, n, fetch.Limit{}); err != nil {
		t.Errorf("the environment's proxy was used: %v", err)
	}
}

func TestRoundTripper(t *testing.T) {
	server, n := idp(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("a", 5000))
		case "/slow":
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // who returns here ends the body well, and may be read before the connection is closed
		case "/redirect":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(append([]byte("got "), body...))
		}
	})
	client := fetch.New(fetch.Policy{Mode: "allow"})
	rt, err := client.RoundTripper(n, fetch.Limit{Bytes: 100, Timeout: time.Second / 4})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, url, body string) (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: rt}).Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		return string(got), err
	}
	if got, err := do(http.MethodPost, server.URL, "grant"); err != nil || got != "got grant" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := do(http.MethodGet, server.URL+"/large", ""); !errors.Is(err, fetch.ErrTooLarge) {
		t.Errorf("large: %d bytes, %v", len(got), err)
	}
	if _, err := do(http.MethodGet, server.URL+"/slow", ""); !errors.Is(err, fetch.ErrTimeout) {
		t.Errorf("slow: %v", err)
	}
	for _, url := range []string{server.URL + "/redirect", "https://169.254.169.254/", "http://8.8.8.8/", "ftp://idp.example/"} {
		if _, err := do(http.MethodGet, url, ""); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := client.RoundTripper(fetch.Network{Proxy: "nonsense"}, fetch.Limit{}); !errors.Is(err, fetch.ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestCallerGivesUp(t *testing.T) {
	server, n := idp(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := fetch.New(fetch.Policy{Mode: "allow"}).Get(ctx, server.URL, n, fetch.Limit{})
	if !errors.Is(err, fetch.ErrTransport) && !errors.Is(err, fetch.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsTellWhatToChange(t *testing.T) {
	_, err := fetch.New(fetch.Policy{Mode: "deny"}).Get(t.Context(), "https://idp.example/?secret=canary", fetch.Network{}, fetch.Limit{})
	if want := "idp.example refused by the egress rules: egress.mode is deny (list it in egress.allow, or set egress.mode: allow)"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
