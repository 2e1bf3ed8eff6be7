package assembly

import (
	"context"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/cmd/chancery/telemetry"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// collectorTimeout bounds one request to the collector, for which nobody waits.
const collectorTimeout = 10 * time.Second

// openTraces begins to send traces, if the configuration says where to. The way there is the outbound door, with slots of
// its own: a collector that hangs must not use up those of key sets.
func (s *Server) openTraces(context.Context) error {
	t := s.Config.Telemetry
	if t.OTLPEndpoint == "" {
		return nil
	}
	header, err := s.Config.TelemetryHeader()
	if err != nil {
		return err
	}
	transport, err := fetch.New(s.Config.Egress.Policy()).RoundTripper(t.Network(), fetch.Limit{Timeout: collectorTimeout})
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	s.traces, err = telemetry.New(telemetry.Config{
		Endpoint: t.OTLPEndpoint, Header: header, Ratio: t.SampleRatio, Version: s.Version, Transport: transport, Log: s.Log, Now: s.Now,
	})
	if err != nil {
		return err
	}
	s.onClose(s.traces.Close)
	return nil
}

// requests is nil where nothing is traced, and not a nil in an interface.
func (s *Server) requests() trace.Requests {
	if s.traces == nil {
		return nil
	}
	return s.traces
}

// fetched is told of each attempt to get a key set.
func (s *Server) fetched(e jwks.Event) {
	if s.traces != nil {
		now := s.Now()
		s.traces.Fetched(now.Add(-e.Took), now, e.Keys, e.Err != nil)
	}
}

// waitsForKeys makes a step of each wait for a fetch of keys.
func waitsForKeys(ctx context.Context) func(error) {
	_, step := trace.Begin(ctx, trace.StepKeys)
	return func(err error) {
		code := ""
		if err != nil {
			code = string(oauth.CodeKeysUnavailable)
		}
		step.End(code)
	}
}
