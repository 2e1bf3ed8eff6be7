package conformance_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
)

var (
	idForm      = regexp.MustCompile(`^[a-z]+\.[a-z0-9_-]+$`)
	sectionForm = regexp.MustCompile(`^(RFC \d{4}|ID-JAG-04|EMA)( §|,)`)
)

// Every case names itself, where it comes from and what is expected, once.
func TestCases(t *testing.T) {
	for _, profile := range []conformance.Profile{conformance.IDJAG, conformance.JWTBearer} {
		cases := conformance.Cases(profile)
		if len(cases) < 60 {
			t.Errorf("%s: %d cases", profile, len(cases))
		}
		seen := map[string]bool{}
		for _, c := range cases {
			if !idForm.MatchString(c.ID) || seen[c.ID] {
				t.Errorf("%s: id %q", profile, c.ID)
			}
			seen[c.ID] = true
			if c.Title == "" || c.Expect == "" || c.Sends == "" || !sectionForm.MatchString(c.Section) {
				t.Errorf("%s: %+v", profile, c)
			}
			switch c.Severity {
			case conformance.Must, conformance.Should, conformance.May:
			default:
				t.Errorf("%s: severity %q", c.ID, c.Severity)
			}
		}
	}
}

func TestPlanSendsNothing(t *testing.T) {
	s := settings("https://auth.example")
	if all, some := conformance.Plan(s, nil), conformance.Plan(s, []string{"assertion.aud", "once.replayed"}); len(some) == 0 || len(some) >= len(all) {
		t.Errorf("%d of %d", len(some), len(all))
	} else {
		for _, r := range some {
			if !strings.HasPrefix(r.ID, "assertion.aud_") && !strings.HasPrefix(r.ID, "once.replayed") {
				t.Errorf("%s", r.ID)
			}
			if r.Outcome != "" {
				t.Errorf("%s has an outcome", r.ID)
			}
		}
	}
	if _, err := conformance.Run(t.Context(), s, conformance.Options{Now: time.Now, Only: []string{"nothing"}}); err == nil {
		t.Error("it ran no case")
	}
}

func TestReportForms(t *testing.T) {
	report, err := ask(t, hole{replays: true}, "once", "assertion.aud")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := report.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Type string `xml:"type,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != len(report.Results)+len(report.Controls) || suite.Failures != report.Counts.Failed || suite.Failures == 0 || suite.Cases[0].Name == "" {
		t.Errorf("%+v", suite)
	}
	encoded, err := json.Marshal(report)
	if err != nil || strings.Contains(string(encoded)+b.String(), "eyJ") || strings.Contains(string(encoded), "secret-of") {
		t.Errorf("the report has a token or a secret in it: %v", err)
	}
}

// A server that answers with errors of its own, or not at all, has not passed.
func TestAnswersThatSayNothing(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   conformance.Outcome
		fault  conformance.Fault
	}{
		"busy":            {http.StatusTooManyRequests, `{"error":"slow_down"}`, conformance.Undecided, ""},
		"unavailable":     {http.StatusServiceUnavailable, ``, conformance.Undecided, ""},
		"broken":          {http.StatusInternalServerError, `{"error":"server_error"}`, conformance.Failed, conformance.ServerError},
		"a page":          {http.StatusBadRequest, `<html>`, conformance.Failed, conformance.NoOAuthError},
		"another error":   {http.StatusBadRequest, `{"error":"invalid_token"}`, conformance.Failed, conformance.WrongError},
		"another status":  {http.StatusUnauthorized, `{"error":"invalid_grant"}`, conformance.Failed, conformance.WrongError},
		"refused rightly": {http.StatusBadRequest, `{"error":"invalid_grant"}`, conformance.Passed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, hole{})
			sound := s.Config.Handler
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				kept := &kept{ResponseWriter: w}
				sound.ServeHTTP(kept, r)
				if kept.status != http.StatusOK {
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.body))
					return
				}
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write(kept.body.Bytes())
			})
			report, err := conformance.Run(t.Context(), settings(s.URL), conformance.Options{Now: time.Now, Only: []string{"assertion.aud_other"}, Wait: s.trust})
			if err != nil || len(report.Results) != 1 {
				t.Fatalf("%v: %+v", err, report)
			}
			if got := report.Results[0]; got.Outcome != c.want || got.Fault != c.fault {
				t.Errorf("got %s %s: %s", got.Outcome, got.Fault, got.Got)
			}
			if report.AllPassed() != (c.want == conformance.Passed) {
				t.Errorf("%s", report)
			}
		})
	}
}

// One token and seven turned away for the rate of requests are no proof.
func TestParallelThatIsTurnedAway(t *testing.T) {
	s := start(t, hole{})
	sound := s.Config.Handler
	var mu sync.Mutex
	served := 0
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if r.URL.Path == "/token" {
			served++
		}
		turn := served
		mu.Unlock()
		if turn > 2 && turn < 10 { // the control, one of eight, then none
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		sound.ServeHTTP(w, r)
	})
	report, err := conformance.Run(t.Context(), settings(s.URL), conformance.Options{Now: time.Now, Only: []string{"once.parallel"}, Wait: s.trust})
	if err != nil || len(report.Results) != 1 || report.Results[0].Outcome != conformance.Undecided || report.AllPassed() {
		t.Errorf("%v: %+v", err, report)
	}
}

// A server that begins to refuse everything half-way has not passed the rest.
func TestControlsInBetween(t *testing.T) {
	s := start(t, hole{})
	sound := s.Config.Handler
	var served atomic.Int64
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && served.Add(1) > 40 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		sound.ServeHTTP(w, r)
	})
	report, err := conformance.Run(t.Context(), settings(s.URL), conformance.Options{Now: time.Now, Wait: s.trust})
	if !errors.Is(err, conformance.ErrNothingProved) || report.Proved || report.AllPassed() || len(report.Results) == 0 {
		t.Errorf("%v: %s", err, report)
	}
}

// Metadata of another issuer sends nothing anywhere.
func TestMetadataOfAnotherIssuer(t *testing.T) {
	s := start(t, hole{})
	var asked atomic.Int64
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		write(w, http.StatusOK, map[string]any{"issuer": "https://other.example", "token_endpoint": s.URL + "/token"})
	})
	report, err := conformance.Run(t.Context(), settings(s.URL), conformance.Options{Now: time.Now, Wait: s.trust})
	if err == nil || report != nil || asked.Load() > 0 || !strings.Contains(err.Error(), "https://other.example") {
		t.Errorf("%v, %d requests", err, asked.Load())
	}
}

// kept holds an answer back.
type kept struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }
