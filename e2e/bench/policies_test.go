package main

import "testing"

func TestClocks(t *testing.T) {
	var c clocks
	for _, line := range []string{
		`# HELP chancery_policy_eval_seconds time of a policy decision`,
		`chancery_policy_eval_seconds_bucket{code="",le="0.001"} 7`,
		`chancery_policy_eval_seconds_sum{code=""} 0.5`,
		`chancery_policy_eval_seconds_sum{code="policy_denied"} 0.25`,
		`chancery_policy_eval_seconds_count{code=""} 3`,
		`chancery_http_request_seconds_sum{route="/token"} 4.5`,
		`chancery_http_request_seconds_sum{route="/introspect"} 100`,
		`chancery_http_request_seconds_count{route="/token"} 1e+01`,
		`chancery_http_request_seconds_count`,
		``,
	} {
		c.read(line)
	}
	if want := (clocks{decisions: 3, deciding: 0.75, answers: 10, answering: 4.5}); c != want {
		t.Errorf("%+v", c)
	}
}
