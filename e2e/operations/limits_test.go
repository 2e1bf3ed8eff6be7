package operations

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const second = `
apiVersion: chancery/v1
kind: Client
metadata: {name: other}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
---`

// waits reads a Retry-After of whole seconds.
func waits(t *testing.T, a harness.Answer) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || n < 1 {
		t.Fatalf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	return time.Duration(n) * time.Second
}

// A client that asks too fast is told when to come back; nobody else notices, and nobody who only knows its name can
// bring that about.
func TestClientRate(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e, Config: map[string]any{"limits.per_client": "15/m burst 5"}, Objects: harness.DefaultObjects + second})
		others := w.NewSecret("", "other")
		for range 40 { // strangers, who spend nothing of it
			c := w.NewCall("x").With("client_secret", "wrong")
			w.Send(w.Server(), c).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
			w.Send(w.Server(), w.NewCall("x").With("client_secret")).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
		}
		var assertion string
		var a harness.Answer
		granted := 0
		for granted < 20 { // a slow machine fills the bucket meanwhile
			assertion = w.IdP.IDJAG(idptest.Alice)
			if a = w.Redeem(assertion); a.Status != http.StatusOK {
				break
			}
			granted++
		}
		if granted < 5 {
			t.Errorf("%d were granted by a burst of 5", granted)
		}
		a.Refused(t, http.StatusTooManyRequests, "temporarily_unavailable", "client_rate_exceeded")
		if wait := waits(t, a); wait > 4*time.Second {
			t.Errorf("to wait %s", wait)
		}
		// Another client has a budget of its own: this refusal is the grant's.
		w.Send(w.Server(), w.NewCall("x").With("client_id", "other").With("client_secret", others)).Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_malformed")
		if health := w.Server().Get("/livez"); health.Status != http.StatusOK {
			t.Errorf("liveness %d", health.Status)
		}
		w.Server().Get("/.well-known/jwks.json") // documents have no client

		turned := 0
		for range 60 { // a flood of refusals is counted, not written down one by one
			if a := w.Redeem("x"); a.Status == http.StatusTooManyRequests {
				turned++
			}
		}
		if turned < 50 {
			t.Errorf("%d of 60 were turned away", turned)
		}
		metric(t, w, `chancery_rate_limited_total{limit="client"}`, float64(turned+1))
		recorded(t, w, "client_rate_exceeded")

		harness.Eventually(t, 20*time.Second, "who waits is served, with the assertion that was turned away", func() bool {
			return w.Redeem(assertion).Status == http.StatusOK
		})
	})
}

// An address that asks too fast is turned away before anything is looked up, from every document; probes are not.
func TestAddressRate(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e, Config: map[string]any{"limits.per_address": "1/h burst 20"}})
		turned := 0
		for range 25 {
			if a := w.Server().Get("/.well-known/jwks.json"); a.Status != http.StatusOK {
				turned++
			}
		}
		if turned < 4 {
			t.Errorf("%d of 25 were turned away by a burst of 20", turned)
		}
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/t/nobody/.well-known/jwks.json", "/errors/overloaded", "/nothing"} {
			waits(t, w.Server().Get(path).Refused(t, http.StatusTooManyRequests, "temporarily_unavailable", "address_rate_exceeded"))
		}
		waits(t, w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, http.StatusTooManyRequests, "temporarily_unavailable", "address_rate_exceeded"))
		for range 30 {
			if w.Server().Ready() != http.StatusOK || w.Server().Get("/livez").Status != http.StatusOK {
				t.Fatal("a probe was turned away")
			}
		}
		lie := w.NewCall("x")
		lie.Header.Set("X-Forwarded-For", "203.0.113.9") // nobody is believed who is not configured
		w.Send(w.Server(), lie).Refused(t, http.StatusTooManyRequests, "temporarily_unavailable", "address_rate_exceeded")
		recorded(t, w, "address_rate_exceeded")
	})
}

// Behind a proxy that is listed, each caller has a rate of his own, whatever he writes into the header himself.
func TestAddressRateBehindAProxy(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{
		"limits.per_address": "1/h burst 5", "server.trusted_proxies": []string{"127.0.0.0/8"},
	}})
	to, err := url.Parse(w.Server().Base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header["X-Forwarded-For"] = append(r.In.Header["X-Forwarded-For"], r.In.Header.Get("Test-From")) // a field of its own, as some do
	}})
	defer proxy.Close()
	from := func(address, claims string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, proxy.URL+"/.well-known/jwks.json", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Test-From", address)
		if claims != "" {
			request.Header.Set("X-Forwarded-For", claims)
		}
		a, err := harness.Do(http.DefaultClient, request)
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	for i := range 5 {
		if status := from("203.0.113.9", ""); status != http.StatusOK {
			t.Fatalf("request %d: %d", i, status)
		}
	}
	for i := range 10 {
		if status := from("203.0.113.9", fmt.Sprintf("198.51.100.%d", i)); status != http.StatusTooManyRequests {
			t.Errorf("who says that he is another is believed: %d", status)
		}
	}
	for i := range 5 { // one site, five addresses
		if status := from(fmt.Sprintf("2001:db8::%d", i), ""); status != http.StatusOK {
			t.Errorf("another caller: %d", status)
		}
	}
	if status := from("2001:db8::ffff", ""); status != http.StatusTooManyRequests {
		t.Errorf("a site of IPv6 has more than one rate: %d", status)
	}
}

// metric demands that a series has at least a value.
func metric(t *testing.T, w *harness.World, series string, least float64) {
	t.Helper()
	text := w.AdminRequest(http.MethodGet, "/metrics", nil).Body
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			if got, err := strconv.ParseFloat(value, 64); err != nil || got < least {
				t.Errorf("%s is %s, want at least %v", series, value, least)
			}
			return
		}
	}
	t.Errorf("no %s", series)
}

// recorded demands that refusals are in the audit log, and not one by one.
func recorded(t *testing.T, w *harness.World, code string) {
	t.Helper()
	db := w.DB.Open(t)
	count := func() int { return harness.Count(t, db, "select count(*) from audit_events where code = '"+code+"'") }
	harness.Eventually(t, 5*time.Second, code+" is recorded", func() bool { return count() > 0 })
	if n := count(); n > 22 { // ten a minute, and the count of the rest, in at most two minutes
		t.Errorf("%d records of %s", n, code)
	}
}

// 512 connections against few slots: what is not served is 503 with Retry-After, at once, and nothing else; probes are
// answered meanwhile; afterwards all is as before.
func TestManyConnections(t *testing.T) {
	const connections, each = 512, 4
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Config: map[string]any{"limits.in_flight": 32, "log.level": "info"}})
	client := harness.Clients(connections)
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	var mu sync.Mutex
	granted, shed, slowest := 0, 0, time.Duration(0)
	start := make(chan struct{})
	for range connections {
		calls := make([]*harness.Call, each)
		for i := range calls {
			calls[i] = w.NewCall(w.IdP.IDJAG(idptest.Alice))
		}
		all.Go(func() {
			<-start
			for _, c := range calls {
				a, err := harness.TrySend(t.Context(), client, w.Server(), c)
				mu.Lock()
				switch {
				case err != nil:
					t.Errorf("nobody answered: %v", err)
				case a.Status == http.StatusOK && a.AccessToken != "":
					granted++
				case a.Status == http.StatusServiceUnavailable && a.Code() == "overloaded" && a.Header.Get("Retry-After") != "":
					shed++
				default:
					t.Errorf("%d %s %v", a.Status, a.Body, a.Header)
				}
				mu.Unlock()
			}
		})
	}
	stop, probed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(probed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			begun := time.Now()
			if status := w.Server().Ready(); status != http.StatusOK {
				t.Errorf("readiness %d", status)
			}
			slowest = max(slowest, time.Since(begun))
		}
	}()
	close(start)
	all.Wait()
	close(stop)
	<-probed
	if granted+shed != connections*each || granted == 0 || shed == 0 {
		t.Errorf("%d granted and %d shed of %d", granted, shed, connections*each)
	}
	if slowest > 3*time.Second {
		t.Errorf("a probe took %s", slowest)
	}
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	if n := harness.Count(t, w.DB.Open(t), "select count(*) from issued_tokens"); n != granted+1 {
		t.Errorf("%d tokens are recorded, %d were granted", n, granted+1)
	}
	t.Logf("%d granted, %d shed, slowest probe %s", granted, shed, slowest)
}
