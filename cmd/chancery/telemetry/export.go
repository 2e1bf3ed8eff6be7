package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// exporter sends spans as OTLP says (§OTLP/HTTP): one POST of protobuf a batch. What
// is not taken is not sent again, so that what waits stays bounded.
type exporter struct {
	config   Config
	endpoint string
	resource *resourcepb.Resource
	complain once
	sent     atomic.Uint64
	lost     atomic.Uint64
}

func newExporter(c Config) (*exporter, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("telemetry: the endpoint is no http or https URL") // not quoted: it may hold a credential
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return &exporter{
		config: c, endpoint: u.String(),
		resource: &resourcepb.Resource{Attributes: attributesOf([]attribute.KeyValue{
			attribute.String("service.name", "chancery"), attribute.String("service.version", c.Version),
		})},
	}, nil
}

// ExportSpans implements sdktrace.SpanExporter. It fails for nobody: the library's
// own error handler is global.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.send(ctx, spans); err != nil {
		e.lost.Add(uint64(len(spans)))
		if e.complain.may(e.config.Now()) {
			e.config.Log.Warn("traces are not taken by the collector", "error", err, "lost_so_far", e.lost.Load())
		}
		return nil
	}
	e.sent.Add(uint64(len(spans)))
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error { return nil }

const maxAnswer = 64 << 10

func (e *exporter) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := proto.Marshal(e.message(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(body))
	if err != nil {
		return errors.New("the endpoint is no URL")
	}
	maps.Copy(request.Header, e.config.Header)
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("User-Agent", "chancery/"+e.config.Version)
	response, err := e.config.Transport.RoundTrip(request) // follows no redirect: the header goes nowhere else
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection can be used again
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %d", response.StatusCode)
	}
	return nil
}

// message is an ExportTraceServiceRequest, whose one field TracesData has too.
func (e *exporter) message(spans []sdktrace.ReadOnlySpan) *tracepb.TracesData {
	out := make([]*tracepb.Span, len(spans))
	for i, s := range spans {
		out[i] = spanOf(s)
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: e.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: "github.com/chancery-dev/chancery", Version: e.config.Version}, Spans: out,
		}},
	}}}
}

func spanOf(s sdktrace.ReadOnlySpan) *tracepb.Span {
	id, span := s.SpanContext().TraceID(), s.SpanContext().SpanID()
	out := &tracepb.Span{
		TraceId: id[:], SpanId: span[:], Name: s.Name(), Kind: kindOf(s.SpanKind()), Flags: uint32(s.SpanContext().TraceFlags()),
		StartTimeUnixNano: uint64(s.StartTime().UnixNano()), EndTimeUnixNano: uint64(s.EndTime().UnixNano()),
		Attributes: attributesOf(s.Attributes()), Status: &tracepb.Status{},
	}
	if parent := s.Parent().SpanID(); parent.IsValid() {
		out.ParentSpanId = parent[:]
	}
	if s.Status().Code == codes.Error {
		out.Status.Code = tracepb.Status_STATUS_CODE_ERROR
	}
	for _, l := range s.Links() {
		id, span := l.SpanContext.TraceID(), l.SpanContext.SpanID()
		out.Links = append(out.Links, &tracepb.Span_Link{TraceId: id[:], SpanId: span[:]})
	}
	return out
}

// kindOf knows the two kinds that this package makes.
func kindOf(k oteltrace.SpanKind) tracepb.Span_SpanKind {
	if k == oteltrace.SpanKindServer {
		return tracepb.Span_SPAN_KIND_SERVER
	}
	return tracepb.Span_SPAN_KIND_INTERNAL
}

// attributesOf knows the two kinds that this package sets; there are no others.
func attributesOf(attributes []attribute.KeyValue) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, 0, len(attributes))
	for _, a := range attributes {
		value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: a.Value.String()}}
		if a.Value.Type() == attribute.INT64 {
			value.Value = &commonpb.AnyValue_IntValue{IntValue: a.Value.AsInt64()}
		}
		out = append(out, &commonpb.KeyValue{Key: string(a.Key), Value: value})
	}
	return out
}
