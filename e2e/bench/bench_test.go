package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func testScene(t *testing.T) *scene {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &scene{
		folder: t.TempDir(), public: "127.0.0.1:1", admin: "127.0.0.1:2", issuer: "http://127.0.0.1:1",
		key: key, clientSecret: "secret", users: 3, entries: 5,
	}
}

func TestRequestsAreUniqueAndVerify(t *testing.T) {
	s := testScene(t)
	requests, err := s.requests(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	work := &verifyAndSign{idp: &s.key.PublicKey, own: s.key}
	for _, r := range requests {
		_, body, found := strings.Cut(string(r), "\r\n\r\n")
		form, err := url.ParseQuery(body)
		if !found || err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		claims, ok := work.verify(form.Get("assertion"))
		if !ok {
			t.Fatal("an assertion does not verify")
		}
		seen[fmt.Sprint(claims["jti"])] = true
	}
	if len(seen) != len(requests) {
		t.Errorf("%d different assertions in %d requests", len(seen), len(requests))
	}
}

func TestVerifyRefusesAnother(t *testing.T) {
	s, other := testScene(t), testScene(t)
	compact, err := s.assertion(0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, work := range map[string]*verifyAndSign{
		"key":       {idp: &other.key.PublicKey},
		"nothing":   {idp: &s.key.PublicKey},
		"signature": {idp: &s.key.PublicKey},
	} {
		text := map[string]string{"key": compact, "nothing": "", "signature": compact[:len(compact)-8] + "AAAAAAAA"}[name]
		if _, ok := work.verify(text); ok {
			t.Errorf("another %s verified", name)
		}
	}
}

// A server that answers badly now and then: what is no token is counted, and by what it was.
func TestLoopCountsWhatIsNoToken(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n++
		switch n % 5 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			_, _ = io.WriteString(w, `{"access_token":""}`)
		case 3:
			if err := http.NewResponseController(w).Flush(); err != nil { // chunked
				t.Error(err)
			}
			_, _ = io.WriteString(w, `{"access_token":"a"}`)
		case 4:
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, `{"access_token":"a"}`)
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	s := testScene(t)
	s.public = server.Listener.Addr().String()
	requests, err := s.requests(5)
	if err != nil {
		t.Fatal(err)
	}
	// The server closes after the fourth answer, so the fifth request fails and a new connection is made.
	l, err := send(t.Context(), s.public, requests, 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if l.answers != 2 || total(l.failures) != 3 {
		t.Errorf("%d answers, failures %v", l.answers, l.failures)
	}
	if l.failures[`status 503: `] != 1 || l.failures[`status 200: {"access_token":""}`] != 1 {
		t.Errorf("failures %v", l.failures)
	}
	if l.failures.err() == nil {
		t.Error("failures are no error")
	}
}

func TestAgree(t *testing.T) {
	for name, c := range map[string]struct {
		rows   map[string]int
		agrees bool
	}{
		"all there":             {map[string]int{"issued_tokens": 3, "redemptions": 3, "audit_events": 3, "decisions": 3}, true},
		"more events":           {map[string]int{"issued_tokens": 3, "redemptions": 3, "audit_events": 9, "decisions": 3}, true},
		"a token without row":   {map[string]int{"issued_tokens": 2, "redemptions": 3, "audit_events": 3, "decisions": 3}, false},
		"a row without token":   {map[string]int{"issued_tokens": 4, "redemptions": 3, "audit_events": 3, "decisions": 3}, false},
		"one not redeemed":      {map[string]int{"issued_tokens": 3, "redemptions": 2, "audit_events": 3, "decisions": 3}, false},
		"one without its event": {map[string]int{"issued_tokens": 3, "redemptions": 3, "audit_events": 2, "decisions": 3}, false},
	} {
		err := agree(3, func(query string) (int, error) { return c.rows[query[strings.LastIndexByte(query, ' ')+1:]], nil })
		if (err == nil) != c.agrees {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlotIsAPicture(t *testing.T) {
	level := func(n int, rate float64) Level { return Level{Connections: n, PerSecond: rate, P99MS: 1000 / rate} }
	for name, r := range map[string]Result{
		"two":     {Subjects: []Measured{{Subject: "a<b", Levels: []Level{level(1, 10), level(8, 5000)}}, {Subject: "c", Levels: []Level{level(8, 70)}}}},
		"one":     {Subjects: []Measured{{Subject: "a", Levels: []Level{level(1, 100)}}}},
		"nothing": {Subjects: []Measured{{Subject: "a", Levels: []Level{{Connections: 1}}}}},
	} {
		text := plot(r)
		for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
		}
		if strings.Contains(text, "%!") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestOwnProcessIsSeen(t *testing.T) {
	begun, err := cpuOf(os.Getpid(), true)
	if err != nil {
		return // without /proc a process's CPU time cannot be seen, and nothing is measured
	}
	for spent := begun; spent == begun; {
		if spent, err = cpuOf(os.Getpid(), false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQuantile(t *testing.T) {
	sorted := []time.Duration{1, 2, 3, 4}
	if quantile(sorted, 0.5) != 3 || quantile(sorted, 0.99) != 4 || quantile(nil, 0.5) != 0 {
		t.Error(quantile(sorted, 0.5), quantile(sorted, 0.99))
	}
}
