package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is what a run found.
type Report struct {
	Target   string    `json:"target"`
	Profile  Profile   `json:"profile"`
	Version  string    `json:"version,omitempty"` // of the suite
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Proved   bool      `json:"proved"` // every positive control was accepted
	Counts   Counts    `json:"counts"`
	Controls []Result  `json:"controls"`
	Results  []Result  `json:"results"`
}

// Counts are of the results; controls are apart.
type Counts struct {
	Executed      int `json:"executed"` // everything but what does not apply
	Passed        int `json:"passed"`
	Failed        int `json:"failed"`
	Noted         int `json:"noted"`
	Undecided     int `json:"undecided"`
	NotApplicable int `json:"not_applicable"`
}

func (r *Report) finish(now time.Time) {
	r.Seconds = now.Sub(r.Started).Round(time.Millisecond).Seconds()
	r.Proved = len(r.Controls) > 0
	for _, c := range r.Controls {
		r.Proved = r.Proved && c.Outcome == Passed
	}
	r.Counts = Counts{}
	for _, result := range r.Results {
		switch result.Outcome {
		case Passed:
			r.Counts.Passed++
		case Failed:
			r.Counts.Failed++
		case Noted:
			r.Counts.Noted++
		case NotApplicable:
			r.Counts.NotApplicable++
			continue
		default:
			r.Counts.Undecided++
		}
		r.Counts.Executed++
	}
}

// AllPassed tells whether everything that was sent was answered as it must be.
func (r *Report) AllPassed() bool {
	return r.Proved && r.Counts.Executed > 0 && r.Counts.Failed == 0 && r.Counts.Undecided == 0
}

// String is the last line of a report.
func (r *Report) String() string {
	c := r.Counts
	text := fmt.Sprintf("%d passed, %d failed, %d noted, %d undecided, %d not applicable", c.Passed, c.Failed, c.Noted, c.Undecided, c.NotApplicable)
	if !r.Proved {
		text += "; nothing is proved: a valid assertion was refused"
	}
	return text
}

// The form that CI servers read.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML: undecided cases are errors, those that
// do not apply are skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: "chancery conformance " + string(r.Profile) + " " + r.Target, Time: seconds(r.Seconds), Stamp: r.Started.Format("2006-01-02T15:04:05"),
	}
	for _, result := range append(append([]Result{}, r.Controls...), r.Results...) {
		suite.Tests++
		group, name, _ := strings.Cut(result.ID, ".")
		c := junitCase{Class: "conformance." + group, Name: name + " (" + result.Section + ")", Time: seconds(result.took.Seconds())}
		text := fmt.Sprintf("%s\nsent: %s\nexpected: %s\ngot: %s\n", result.Title, result.Sent, result.Expected, result.Got)
		switch result.Outcome {
		case Failed:
			suite.Failures++
			c.Failure = &junitMessage{Type: string(result.Severity), Message: string(result.Fault), Text: text}
		case Undecided:
			suite.Errors++
			c.Error = &junitMessage{Message: "undecided", Text: text}
		case NotApplicable:
			suite.Skipped++
			c.Skipped = &junitMessage{Message: result.Got}
		case Noted:
			c.Output = text
		default:
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
