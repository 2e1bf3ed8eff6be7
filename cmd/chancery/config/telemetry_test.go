package config_test

import (
	"strings"
	"testing"
)

func TestTelemetry(t *testing.T) {
	const text = "egress: {mode: deny, allow: [otlp.acme.com]}\ntelemetry: {otlp_endpoint: 'https://otlp.acme.com:4318', otlp_headers: {env: OTLP}, sample_ratio: 1}"
	l := must(t, text, []string{"OTLP=Authorization: Bearer hunter2\nX-Scope: acme\n", "CHANCERY_TELEMETRY__SAMPLE_RATIO=0.25"}, nil)
	header, err := l.TelemetryHeader()
	if err != nil || header.Get("Authorization") != "Bearer hunter2" || header.Get("X-Scope") != "acme" || l.Telemetry.SampleRatio != 0.25 {
		t.Errorf("%v %v %v", header, err, l.Telemetry)
	}
	if l = must(t, "telemetry: {otlp_endpoint: 'http://127.0.0.1:4318'}", nil, nil); l.Telemetry.SampleRatio != 0.1 {
		t.Errorf("%+v", l.Telemetry)
	}
	if header, err = l.TelemetryHeader(); err != nil || len(header) != 0 {
		t.Errorf("%v %v", header, err)
	}
	for name, value := range map[string]string{"no colon": "hunter2", "no value": "A:", "no name": ": hunter2", "a control": "A: hunter2\x01", "spaces": "A B: hunter2", "nothing": "\n \n"} {
		t.Run(name, func(t *testing.T) {
			l := must(t, text, []string{"OTLP=" + value}, nil)
			if _, err := l.TelemetryHeader(); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Error(err)
			}
		})
	}
	l = must(t, text, nil, nil)
	if _, err := l.TelemetryHeader(); err == nil || !strings.Contains(err.Error(), "telemetry.otlp_headers") {
		t.Error(err)
	}
}
