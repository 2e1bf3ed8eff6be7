package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// Policy is what may leave, as the outbound door takes it.
func (e Egress) Policy() fetch.Policy { return fetch.Policy{Mode: e.Mode, Allow: e.Allow} }

// Network is how the collector is reached: who writes the configuration names its address, in one's own networks too.
func (t Telemetry) Network() fetch.Network {
	return fetch.Network{CABundle: t.OTLPCABundle, AllowPrivateAddresses: true}
}

// validate holds the collector to the rules of egress, so that traces that could never leave are known of at start.
func (t Telemetry) validate(e Egress) error {
	if t.OTLPEndpoint == "" {
		if !t.OTLPHeaders.IsZero() || t.OTLPCABundle != "" {
			return errors.New("telemetry.otlp_endpoint: required where otlp_headers or otlp_ca_bundle is set")
		}
		return nil
	}
	var err error
	if !(t.SampleRatio > 0 && t.SampleRatio <= 1) {
		err = fmt.Errorf("telemetry.sample_ratio: %g: above 0 and at most 1 is expected; for no traces, remove telemetry.otlp_endpoint", t.SampleRatio)
	}
	u, parseErr := url.Parse(t.OTLPEndpoint)
	if parseErr != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" { // not quoted: it may hold a credential
		return errors.Join(err, errors.New("telemetry.otlp_endpoint: an https URL without user, query and fragment is expected; credentials belong into telemetry.otlp_headers"))
	}
	if networkErr := t.Network().Validate(); networkErr != nil {
		err = errors.Join(err, fmt.Errorf("telemetry.otlp_ca_bundle: %w", networkErr))
	}
	if egressErr := fetch.New(e.Policy()).Judge(t.OTLPEndpoint, t.Network()); egressErr != nil {
		err = errors.Join(err, fmt.Errorf("telemetry.otlp_endpoint: %w", egressErr))
	}
	return err
}

// TelemetryHeader reads what otlp_headers refers to. Its errors quote nothing of it.
func (l *Loaded) TelemetryHeader() (http.Header, error) {
	header := http.Header{}
	if l.Telemetry.OTLPHeaders.IsZero() {
		return header, nil
	}
	text, err := l.Secret(l.Telemetry.OTLPHeaders)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp_headers: %w", err)
	}
	for line := range strings.Lines(text.Reveal()) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !found || name == "" || value == "" || strings.ContainsFunc(name, notToken) || strings.ContainsFunc(value, notVisible) {
			return nil, errors.New("telemetry.otlp_headers: a line is not Name: value")
		}
		header.Add(name, value)
	}
	if len(header) == 0 {
		return nil, errors.New("telemetry.otlp_headers: it holds no header")
	}
	return header, nil
}

// notToken: RFC 9110 §5.6.2, of which names of headers in use need these.
func notToken(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func notVisible(r rune) bool { return r < 0x20 || r > 0x7e }
