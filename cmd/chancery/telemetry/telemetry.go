// Package telemetry makes traces of requests with OpenTelemetry and sends them to
// one collector (OTLP over HTTP, protobuf). It is the home of OpenTelemetry: what
// is traced says so through broker/trace.
//
// What leaves is listed here and nowhere else: names of routes and steps, status,
// codes of the catalogue, counts, and our own trace id. No client, user, tenant,
// token, address, query, header or body.
//
// A collector that is slow or gone costs spans, never a request: they wait in a
// queue of fixed length and are dropped when it is full. Requests to the collector
// go through the transport that is handed in, which is federation/fetch's.
package telemetry

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/chancery-dev/chancery/broker/trace"
)

// Bounds of what waits for the collector.
const (
	queueLength  = 4096
	batchLength  = 512
	batchEvery   = 5 * time.Second
	sendTimeout  = 10 * time.Second
	flushTimeout = 2 * time.Second // at the end of the process
)

// Config says where traces go. Every member but Header is required.
type Config struct {
	Endpoint  string // URL of the collector; /v1/traces is added where it has no path
	Header    http.Header
	Ratio     float64 // of requests that are traced, above 0 and at most 1
	Version   string  // of this binary
	Transport http.RoundTripper
	Log       *slog.Logger
	Now       func() time.Time
	// Every is how often what waits is sent; 0 means 5 s.
	Every time.Duration
}

// Telemetry traces. It implements trace.Requests and trace.Tracer.
type Telemetry struct {
	config   Config
	exporter *exporter
	provider *sdktrace.TracerProvider
	tracer   oteltrace.Tracer
	below    uint64 // of 2^64 numbers, those that are traced
}

// New begins to send.
func New(c Config) (*Telemetry, error) {
	if c.Transport == nil || c.Log == nil || c.Now == nil {
		return nil, errors.New("telemetry: Transport, Log and Now are required")
	}
	if !(c.Ratio > 0 && c.Ratio <= 1) {
		return nil, errors.New("telemetry: the ratio is above 0 and at most 1")
	}
	if c.Every == 0 {
		c.Every = batchEvery
	}
	e, err := newExporter(c)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{config: c, exporter: e, below: math.MaxUint64}
	if c.Ratio < 1 {
		t.below = uint64(c.Ratio * (1 << 64)) // below 2^64: the ratio is below 1
	}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // who comes here was chosen
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeValueLengthLimit: 256, AttributeCountLimit: 16, EventCountLimit: 0, LinkCountLimit: 1, AttributePerEventCountLimit: 0, AttributePerLinkCountLimit: 0,
		}),
		sdktrace.WithBatcher(e, sdktrace.WithMaxQueueSize(queueLength), sdktrace.WithMaxExportBatchSize(batchLength),
			sdktrace.WithBatchTimeout(c.Every), sdktrace.WithExportTimeout(sendTimeout)),
	)
	t.tracer = t.provider.Tracer("github.com/chancery-dev/chancery")
	return t, nil
}

// Close sends what waits, for a while.
func (t *Telemetry) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil { // what a collector did not take is no failure of ours
		t.config.Log.Warn("traces that waited were not sent", "error", err)
	}
	return nil
}

// Sent is how many spans the collector took, and Lost how many it did not.
func (t *Telemetry) Sent() uint64 { return t.exporter.sent.Load() }

// Lost does not count what did not fit into the queue.
func (t *Telemetry) Lost() uint64 { return t.exporter.lost.Load() }

// chosen draws. What a caller sends has no part in it: neither a flag nor a trace
// id of his choice may decide what we record.
func (t *Telemetry) chosen() bool {
	if t.below == math.MaxUint64 {
		return true
	}
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint64(b[:]) < t.below
}

// Request implements trace.Requests.
//
// Of a proxy of ours the trace is continued, and its flag may say that the request
// is not to be traced; it cannot say that it is. From anybody else the ids become a
// link: whoever holds the other trace finds ours.
func (t *Telemetry) Request(ctx context.Context, r trace.Request) (context.Context, trace.Answered) {
	if !t.chosen() {
		return ctx, nil
	}
	options := []oteltrace.SpanStartOption{oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithNewRoot()}
	if parent, ok := parseParent(r.Parent); ok {
		switch {
		case !r.Trusted:
			options = append(options, oteltrace.WithLinks(oteltrace.Link{SpanContext: parent}))
		case !parent.IsSampled():
			return ctx, nil
		default:
			ctx = oteltrace.ContextWithRemoteSpanContext(ctx, parent)
			options = options[:1]
		}
	}
	method, route := known(r.Method), r.Route
	if route == "" {
		route = "none"
	}
	ctx, span := t.tracer.Start(ctx, method+" "+route, options...)
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.String("chancery.trace", r.Trace))
	return trace.With(ctx, t), func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// known: a method is what a caller sends.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return method
	}
	return "_OTHER" // the semantic conventions' word
}

// Begin implements trace.Tracer.
func (t *Telemetry) Begin(ctx context.Context, name string) (context.Context, trace.Span) {
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, step{span}
}

type step struct{ span oteltrace.Span }

// End implements trace.Span. A refusal is no error of ours: its code says what it is.
func (s step) End(code string) {
	if code != "" {
		s.span.SetAttributes(attribute.String("chancery.code", code))
	}
	s.span.End()
}

// Batch tells of one transaction of the ledger, which belongs to many requests and
// so is a trace of its own, as often as requests are.
func (t *Telemetry) Batch(began, ended time.Time, entries int, failed bool) {
	t.past("ledger.batch", began, ended, failed, attribute.Int("chancery.entries", entries))
}

// Fetched tells of one attempt to get a key set, which requests may wait for.
func (t *Telemetry) Fetched(began, ended time.Time, keys int, failed bool) {
	t.past("jwks.fetch", began, ended, failed, attribute.Int("chancery.keys", keys))
}

func (t *Telemetry) past(name string, began, ended time.Time, failed bool, attributes ...attribute.KeyValue) {
	if !t.chosen() {
		return
	}
	_, span := t.tracer.Start(context.Background(), name, oteltrace.WithTimestamp(began), oteltrace.WithAttributes(attributes...)) //nolint:contextcheck // it belongs to no request
	if failed {
		span.SetStatus(codes.Error, "")
	}
	span.End(oteltrace.WithTimestamp(ended))
}

// once says something at most once a minute.
type once struct{ at atomic.Int64 }

func (o *once) may(now time.Time) bool {
	last := o.at.Load()
	return now.Unix()-last >= 60 && o.at.CompareAndSwap(last, now.Unix())
}
