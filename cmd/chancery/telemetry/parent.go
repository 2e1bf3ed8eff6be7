package telemetry

import (
	"encoding/hex"
	"strings"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// parseParent reads traceparent as W3C Trace Context §3.2 writes version 00, and
// nothing else: one header, lower case, no zeros. What does not fit is not there.
// tracestate is not read: it is text of somebody's choice.
func parseParent(values []string) (oteltrace.SpanContext, bool) {
	if len(values) != 1 || len(values[0]) != 55 || strings.ToLower(values[0]) != values[0] {
		return oteltrace.SpanContext{}, false
	}
	parts := strings.Split(values[0], "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return oteltrace.SpanContext{}, false
	}
	var id oteltrace.TraceID
	var span oteltrace.SpanID
	var flags [1]byte
	for _, part := range []struct {
		into []byte
		text string
	}{{id[:], parts[1]}, {span[:], parts[2]}, {flags[:], parts[3]}} {
		if _, err := hex.Decode(part.into, []byte(part.text)); err != nil {
			return oteltrace.SpanContext{}, false
		}
	}
	parent := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: oteltrace.TraceFlags(flags[0]) & oteltrace.FlagsSampled, Remote: true,
	})
	return parent, parent.IsValid()
}
