package telemetry_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/cmd/chancery/telemetry"
)

// collector is a transport at whose end somebody decodes.
type collector struct {
	mu     sync.Mutex
	status int
	err    error
	gate   chan struct{} // while it is open nobody is answered
	spans  []*tracepb.Span
	sent   []*http.Request
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, r)
	if c.err != nil {
		return nil, c.err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var got tracepb.TracesData
	if err := proto.Unmarshal(body, &got); err != nil {
		return nil, err
	}
	if c.status == http.StatusOK {
		for _, resource := range got.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}
	return &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

func attributes(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.GetAttributes() {
		all[a.GetKey()] = a.GetValue().GetStringValue()
		if v := a.GetValue().GetIntValue(); v != 0 {
			all[a.GetKey()] = time.Duration(v).String()
		}
	}
	return all
}

func start(t *testing.T, c *collector, change func(*telemetry.Config)) (*telemetry.Telemetry, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	config := telemetry.Config{
		Endpoint: "https://otlp.example:4318", Header: http.Header{"Authorization": {"Bearer x"}}, Ratio: 1, Version: "1.2.3",
		Transport: c, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now, Every: time.Hour,
	}
	if change != nil {
		change(&config)
	}
	made, err := telemetry.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return made, &log
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// ask makes one request with one step.
func ask(t *testing.T, made *telemetry.Telemetry, r trace.Request, status int, code string) bool {
	t.Helper()
	ctx, answered := made.Request(t.Context(), r)
	if answered == nil {
		if ctx != t.Context() {
			t.Error("what is not traced has another context")
		}
		return false
	}
	_, step := trace.Begin(ctx, trace.StepPolicy)
	step.End(code)
	answered(status)
	return true
}

func TestSpans(t *testing.T) {
	c := &collector{status: http.StatusOK}
	made, _ := start(t, c, nil)
	ask(t, made, trace.Request{Trace: "trc_1", Method: http.MethodPost, Route: "/t/:tenant/token"}, http.StatusBadRequest, "policy_denied")
	ask(t, made, trace.Request{Trace: "trc_2", Method: "SECRET", Route: ""}, http.StatusServiceUnavailable, "")
	began := time.Now()
	made.Batch(began, began.Add(time.Millisecond), 7, true)
	made.Fetched(began, began.Add(time.Millisecond), 3, false)
	if err := made.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.sent) != 1 || c.sent[0].URL.String() != "https://otlp.example:4318/v1/traces" || c.sent[0].Header.Get("Authorization") != "Bearer x" || c.sent[0].Header.Get("Content-Type") != "application/x-protobuf" {
		t.Fatalf("%+v", c.sent)
	}
	byName := map[string][]*tracepb.Span{}
	for _, s := range c.spans {
		byName[s.GetName()] = append(byName[s.GetName()], s)
	}
	if len(c.spans) != 6 || len(byName[trace.StepPolicy]) != 2 {
		t.Fatalf("%v", c.spans)
	}
	request := byName["POST /t/:tenant/token"][0]
	got := attributes(request)
	if got["chancery.trace"] != "trc_1" || got["http.route"] != "/t/:tenant/token" || got["http.request.method"] != "POST" || got["http.response.status_code"] != "400ns" {
		t.Errorf("%v", got)
	}
	if request.GetKind() != tracepb.Span_SPAN_KIND_SERVER || request.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET || len(request.GetParentSpanId()) != 0 {
		t.Errorf("%v", request)
	}
	step := byName[trace.StepPolicy][0]
	if !bytes.Equal(step.GetParentSpanId(), request.GetSpanId()) || attributes(step)["chancery.code"] != "policy_denied" {
		t.Errorf("%v", step)
	}
	other := byName["_OTHER none"][0]
	if other.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || strings.Contains(other.String(), "SECRET") {
		t.Errorf("%v", other)
	}
	batch := byName["ledger.batch"][0]
	if batch.GetEndTimeUnixNano()-batch.GetStartTimeUnixNano() != uint64(time.Millisecond) || attributes(batch)["chancery.entries"] != "7ns" || batch.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", batch)
	}
	if attributes(byName["jwks.fetch"][0])["chancery.keys"] != "3ns" || made.Sent() != 6 || made.Lost() != 0 {
		t.Errorf("%v, %d sent", byName["jwks.fetch"], made.Sent())
	}
}

// TestParents: a proxy of ours continues a trace and may leave one out; a stranger does neither, nor can he make us record.
func TestParents(t *testing.T) {
	const unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	tests := []struct {
		name              string
		values            []string
		trusted           bool
		ratio             float64
		traced, continued bool
		linked            bool
	}{
		{"nobody", nil, false, 1, true, false, false},
		{"a proxy", []string{parent}, true, 1, true, true, false},
		{"a proxy that leaves it out", []string{unsampled}, true, 1, false, false, false},
		{"a proxy that wants it, and the draw does not", []string{parent}, true, 1e-18, false, false, false},
		{"a stranger", []string{parent}, false, 1, true, false, true},
		{"a stranger who leaves it out", []string{unsampled}, false, 1, true, false, true},
		{"a stranger who wants it, and the draw does not", []string{parent}, false, 1e-18, false, false, false},
		{"two parents", []string{parent, parent}, true, 1, true, false, false},
		{"capitals", []string{strings.ToUpper(parent)}, true, 1, true, false, false},
		{"another version", []string{"01" + parent[2:]}, true, 1, true, false, false},
		{"no trace", []string{"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, true, 1, true, false, false},
		{"no span", []string{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, true, 1, true, false, false},
		{"no number", []string{"00-0af7651916cd43dd8448eb211c80319z-b7ad6b7169203331-01"}, true, 1, true, false, false},
		{"more", []string{parent + "-x"}, true, 1, true, false, false},
		{"moved dashes", []string{"00-0af7651916cd43dd8448eb211c80319c0-7ad6b7169203331-01"}, true, 1, true, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &collector{status: http.StatusOK}
			made, _ := start(t, c, func(c *telemetry.Config) { c.Ratio = test.ratio })
			traced := ask(t, made, trace.Request{Trace: "trc_1", Method: http.MethodGet, Route: "/x", Parent: test.values, Trusted: test.trusted}, http.StatusOK, "")
			_ = made.Close(t.Context())
			if traced != test.traced || (len(c.spans) > 0) != test.traced {
				t.Fatalf("traced: %v, %d spans", traced, len(c.spans))
			}
			if !traced {
				return
			}
			request := c.spans[1]
			if continued := hex.EncodeToString(request.GetTraceId()) == parent[3:35]; continued != test.continued || continued && hex.EncodeToString(request.GetParentSpanId()) != parent[36:52] {
				t.Errorf("%v", request)
			}
			if linked := len(request.GetLinks()) == 1 && hex.EncodeToString(request.GetLinks()[0].GetTraceId()) == parent[3:35]; linked != test.linked {
				t.Errorf("links: %v", request.GetLinks())
			}
		})
	}
}

// TestRatio: about so many, whatever the callers send.
func TestRatio(t *testing.T) {
	made, _ := start(t, &collector{status: http.StatusOK}, func(c *telemetry.Config) { c.Ratio = 0.25 })
	traced := 0
	for range 4000 {
		if _, answered := made.Request(t.Context(), trace.Request{Parent: []string{parent}}); answered != nil {
			traced++
		}
	}
	if traced < 800 || traced > 1200 {
		t.Errorf("%d of 4000", traced)
	}
}

// TestCollectorGone: what is not taken is counted, said once, and nobody waits for it.
func TestCollectorGone(t *testing.T) {
	for name, c := range map[string]*collector{
		"refuses":     {status: http.StatusUnauthorized},
		"redirects":   {status: http.StatusTemporaryRedirect},
		"unreachable": {err: errors.New("connection refused")},
	} {
		t.Run(name, func(t *testing.T) {
			made, log := start(t, c, func(c *telemetry.Config) { c.Every = time.Millisecond })
			for range 20 {
				ask(t, made, trace.Request{}, http.StatusOK, "")
			}
			_ = made.Close(t.Context())
			if made.Sent() != 0 || made.Lost() != 40 {
				t.Errorf("%d sent, %d lost", made.Sent(), made.Lost())
			}
			if n := strings.Count(log.String(), "not taken by the collector"); n != 1 {
				t.Errorf("said %d times", n)
			}
			if strings.Contains(log.String(), "Bearer") {
				t.Error("the header is in the log")
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		c := &collector{status: http.StatusOK, gate: make(chan struct{})}
		made, _ := start(t, c, func(c *telemetry.Config) { c.Every = time.Millisecond })
		began := time.Now()
		for range 20_000 { // far more than the queue holds
			ask(t, made, trace.Request{}, http.StatusOK, "")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("requests waited: %s", took)
		}
		close(c.gate)
		_ = made.Close(t.Context())
		if made.Sent() > 10_000 {
			t.Errorf("%d spans waited", made.Sent())
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*telemetry.Config){
		"no ratio":     func(c *telemetry.Config) { c.Ratio = 0 },
		"too much":     func(c *telemetry.Config) { c.Ratio = 1.1 },
		"no transport": func(c *telemetry.Config) { c.Transport = nil },
		"no clock":     func(c *telemetry.Config) { c.Now = nil },
		"a password":   func(c *telemetry.Config) { c.Endpoint = "https://a:hunter2@x" },
		"no URL":       func(c *telemetry.Config) { c.Endpoint = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			config := telemetry.Config{Endpoint: "https://x", Ratio: 1, Transport: &collector{}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
			change(&config)
			if _, err := telemetry.New(config); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Error(err)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, ratio := range map[string]float64{"all": 1, "a tenth": 0.1} {
		b.Run(name, func(b *testing.B) {
			made, err := telemetry.New(telemetry.Config{Endpoint: "https://x", Ratio: ratio, Transport: &collector{status: 200}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				ctx, answered := made.Request(b.Context(), trace.Request{Trace: "trc_1", Method: "POST", Route: "/token"})
				for _, name := range []string{trace.StepClient, trace.StepAssertion, trace.StepPolicy, trace.StepMint, trace.StepCommit} {
					_, step := trace.Begin(ctx, name)
					step.End("")
				}
				if answered != nil {
					answered(200)
				}
			}
		})
	}
}
