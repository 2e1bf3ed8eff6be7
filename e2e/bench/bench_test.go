package main

import (
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
	s, err := newScene(t.TempDir(), options{users: 3, entries: 5})
	if err != nil {
		t.Fatal(err)
	}
	s.idps, s.clients = 0, 2
	return s
}

func bodyOf(t *testing.T, request []byte) url.Values {
	t.Helper()
	_, body, found := strings.Cut(string(request), "\r\n\r\n")
	form, err := url.ParseQuery(body)
	if !found || err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return form
}

func TestRequestsAreUniqueAndVerify(t *testing.T) {
	for name, prepare := range map[string]func(*scene, int) ([]byte, error){
		"id-jag": (*scene).idjag, "RS256": (*scene).idjagRS256, "EdDSA": (*scene).idjagEdDSA, "bound": (*scene).bound,
		"plain": (*scene).plain, "workload": (*scene).workload,
	} {
		t.Run(name, func(t *testing.T) {
			s := testScene(t)
			requests, err := each(prepare)(t.Context(), s, 50)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			work := &verifyAndSign{idp: &s.key.PublicKey, own: s.key}
			for _, r := range requests {
				claims, ok := work.verify(bodyOf(t, r).Get("assertion"))
				if !ok {
					t.Fatal("an assertion does not verify")
				}
				seen[fmt.Sprint(claims["jti"])] = true
			}
			if len(seen) != len(requests) {
				t.Errorf("%d different assertions in %d requests", len(seen), len(requests))
			}
		})
	}
}

func TestCopiesTakeTurns(t *testing.T) {
	s := testScene(t)
	requests, err := byCopies.prepare(t.Context(), s, 4)
	if err != nil {
		t.Fatal(err)
	}
	more, err := byCopies.prepare(t.Context(), s, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range append(requests, more...) {
		if got, want := bodyOf(t, r).Get("client_id"), copyClient(i%2); got != want {
			t.Errorf("request %d is %s's, not %s's", i, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Setenv(postgresURL, "")
	alone := []string{"-subjects", "sqlite", "-overload=false", "-scale", ""}
	for name, c := range map[string]struct {
		change []string
		valid  bool
	}{
		"as it comes":         {nil, true},
		"a path":              {[]string{"-paths", "id-jag,jwks"}, true},
		"no path":             {[]string{"-paths", ""}, true},
		"another path":        {[]string{"-paths", "vending"}, false},
		"no connections":      {[]string{"-connections", "0"}, false},
		"a proof too old":     {[]string{"-duration", "31s"}, false},
		"no cluster":          {[]string{"-overload"}, false},
		"another subject":     {[]string{"-subjects", "hydra"}, false},
		"another dimension":   {[]string{"-scale", "tenants=5"}, false},
		"no number":           {[]string{"-scale", "idps"}, false},
		"nobody in the scene": {[]string{"-users", "0"}, false},
	} {
		if _, err := parse(append(alone, c.change...)); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefusesAnother(t *testing.T) {
	s, other := testScene(t), testScene(t)
	compact, err := s.assertion(0, resourceURI)
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
	requests, err := each((*scene).idjag)(t.Context(), s, 5)
	if err != nil {
		t.Fatal(err)
	}
	// The server closes after the fourth answer, so the fifth request fails and a new connection is made.
	l, err := send(t.Context(), s.public, round{requests: requests, connections: 1, within: time.Minute, good: carriesToken})
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

// Who is told to come back later comes back, with the same request; who is told so without a time has failed.
func TestLoopComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		retryAfter   string
		stay         time.Duration
		answers, bad int
	}{
		"told when":    {"1", time.Millisecond, 3, 0},
		"not told":     {"", time.Millisecond, 0, 3},
		"not expected": {"1", 0, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				form := r.FormValue("assertion")
				if !seen[form] {
					seen[form] = true
					if c.retryAfter != "" {
						w.Header().Set("Retry-After", c.retryAfter)
					}
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				_, _ = io.WriteString(w, `{"access_token":"a"}`)
			}))
			defer server.Close()
			s := testScene(t)
			s.public = server.Listener.Addr().String()
			requests, err := each((*scene).idjag)(t.Context(), s, 3)
			if err != nil {
				t.Fatal(err)
			}
			l, err := send(t.Context(), s.public, round{requests: requests, connections: 1, within: time.Minute, good: carriesToken, impatience: c.stay})
			if err != nil || l.answers != c.answers || l.shed != c.answers || total(l.failures) != c.bad {
				t.Errorf("%d answers, %d told to come back, failures %v, %v", l.answers, l.shed, l.failures, err)
			}
		})
	}
}

func TestAgree(t *testing.T) {
	whole := map[string]int{"issued_tokens": 3, "'assertion'": 2, "'dpop'": 1, "'revoked_token'": 1, "'code'": 1, "audit_events": 4, "decisions": 5}
	for name, c := range map[string]struct {
		changed string
		by      int
		agrees  bool
	}{
		"all there":                {"", 0, true},
		"more events":              {"audit_events", 9, true},
		"a token without row":      {"issued_tokens", -1, false},
		"a row without token":      {"issued_tokens", 1, false},
		"one not decided":          {"decisions", -1, false},
		"one not redeemed":         {"'assertion'", -1, false},
		"one redeemed for nothing": {"'assertion'", 1, false},
		"a proof not used":         {"'dpop'", -1, false},
		"a code not redeemed":      {"'code'", -1, false},
		"one not revoked":          {"'revoked_token'", -1, false},
		"one without its event":    {"audit_events", -1, false},
	} {
		err := agree(rows{tokens: 3, assertions: 2, proofs: 1, revoked: 1, considered: 2, codes: 1}, func(query string) (int, error) {
			what := query[strings.LastIndexByte(query, ' ')+1:]
			n, known := whole[what]
			if !known {
				t.Fatalf("%s: %s", name, query)
			}
			if what == c.changed {
				n += c.by
			}
			return n, nil
		})
		if (err == nil) != c.agrees {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRelate(t *testing.T) {
	database := 10.0
	r := Result{Rows: []Row{
		{Path: pathSign, Subject: subjectSign, Connections: 8, PerSecond: 200},
		{Path: "jwt-bearer", Subject: subjectPostgres, Connections: 8, PerSecond: 100, ServerCPU: 40, DatabaseCPU: &database, P99MS: 1},
		{Path: "jwt-bearer", Subject: subjectKeycloak, Connections: 8, PerSecond: 50, ServerCPU: 100, P99MS: 4},
		{Path: "jwt-bearer", Subject: subjectPostgres, Connections: 32, PerSecond: 100},
	}}
	r.relate()
	if want := (Comparison{"jwt-bearer", 8, 2, 0.5, 0.25}); len(r.Comparisons) != 1 || r.Comparisons[0] != want {
		t.Errorf("%+v", r.Comparisons)
	}
	if r.Rows[1].OfYardstick != 0.5 || r.Rows[3].OfYardstick != 0 {
		t.Errorf("%+v", r.Rows)
	}
}

func TestMedian(t *testing.T) {
	of := func(answers int) load { return load{answers: answers, elapsed: time.Second} }
	if m := median([]load{of(9), of(1), of(5)}); m.answers != 5 {
		t.Errorf("%+v", m)
	}
}

func TestPlotIsAPicture(t *testing.T) {
	row := func(subject string, n int, rate float64) Row {
		return Row{Path: "p", Subject: subject, Connections: n, PerSecond: rate, P99MS: 1000 / rate}
	}
	for name, rows := range map[string][]Row{
		"two":     {row("a<b", 1, 10), row("a<b", 8, 5000), row("c", 8, 70)},
		"one":     {row("a", 1, 100)},
		"nothing": {{Path: "a&b", Subject: "a", Connections: 1}},
		"none":    nil,
	} {
		text := plot(rows)
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
