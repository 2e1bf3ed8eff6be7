package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Policies is what policy takes of a whole grant, by the server's own clocks: the time
// of its decisions in that of its answers. One connection asks, so that nothing waits.
type Policies struct {
	What     string  `json:"what"`
	Path     string  `json:"path"`
	Entries  int     `json:"entries"`
	Grants   int     `json:"grants"`
	Decision float64 `json:"decision_us"`
	Answer   float64 `json:"answer_us"`
	Share    float64 `json:"share"`
}

// What tenants write: a few grants, the template that does most, and a large table.
var policyKinds = []struct {
	what     string
	template string
	entries  int
}{
	{"the default policy", templateGroups, 10},
	{"the largest template", templateLargest, 10},
	{"100,000 entries", templateGroups, 100_000},
}

// The templates that are measured. Of those that grant, break-glass has the most to do for a request.
const (
	templateGroups  = "group-scopes"
	templateLargest = "break-glass"
)

func measurePolicies(ctx context.Context, o options, folder string, result *Result) error {
	o.users = 10
	for _, kind := range policyKinds {
		o.entries, o.template = kind.entries, kind.template
		one, err := measurePolicy(ctx, o, folder)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.what, err)
		}
		one.What, one.Entries = kind.what, kind.entries
		result.Policies = append(result.Policies, one)
	}
	return nil
}

func measurePolicy(ctx context.Context, o options, folder string) (v Policies, err error) {
	t, err := begin(ctx, o, folder, subjectSQLite)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, t.stop(ctx)) }()
	p := pathOf(pathIDJAG)
	if warm, err := t.level(ctx, p, 1, o.warmup, 0); err != nil || warm.failures.err() != nil {
		return v, errors.Join(err, warm.failures.err())
	}
	before, err := t.scene.clocks(ctx)
	if err != nil {
		return v, err
	}
	measured, err := t.level(ctx, p, 1, o.duration, 0)
	if err := errors.Join(err, measured.failures.err()); err != nil {
		return v, err
	}
	after, err := t.scene.clocks(ctx)
	if err != nil {
		return v, err
	}
	grants := after.decisions - before.decisions
	if grants < 1 || grants != after.answers-before.answers {
		return v, fmt.Errorf("%.0f decisions were made for %.0f answers", grants, after.answers-before.answers)
	}
	decision, answer := after.deciding-before.deciding, after.answering-before.answering
	return Policies{Path: p.name, Grants: int(grants), Decision: 1e6 * decision / grants, Answer: 1e6 * answer / grants, Share: decision / answer}, nil
}

// clocks are what the server's metrics say of its decisions and answers until now, in seconds.
type clocks struct{ decisions, deciding, answers, answering float64 }

func (s *scene) clocks(ctx context.Context) (clocks, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	token, err := os.ReadFile(s.adminToken())
	if err != nil {
		return clocks{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/metrics", http.NoBody)
	if err != nil {
		return clocks{}, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return clocks{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return clocks{}, fmt.Errorf("/metrics answers %s", response.Status)
	}
	var c clocks
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		c.read(lines.Text())
	}
	return c, lines.Err()
}

// read adds one line of the text format.
func (c *clocks) read(line string) {
	series, value, _ := strings.Cut(line, "} ")
	name, labels, _ := strings.Cut(series, "{")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return
	}
	ofToken := strings.Contains(labels, `route="/token"`)
	switch {
	case name == "chancery_policy_eval_seconds_count":
		c.decisions += n
	case name == "chancery_policy_eval_seconds_sum":
		c.deciding += n
	case name == "chancery_http_request_seconds_count" && ofToken:
		c.answers += n
	case name == "chancery_http_request_seconds_sum" && ofToken:
		c.answering += n
	}
}
