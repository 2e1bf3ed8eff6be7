package grant_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestStepUp: the product compares (RFC 9470): acr exactly, auth_time no older than max_age and not in the future.
func TestStepUp(t *testing.T) {
	acr := func(v any) idptest.Option { return idptest.WithClaim("acr", v) }
	ago := func(seconds int64) idptest.Option { return idptest.WithClaim("auth_time", now.Unix()-seconds) }
	both := `"step_up": {"acr_values": ["phr", "phrh"], "max_age": 300}`
	for name, c := range map[string]struct {
		demand  string
		options []idptest.Option
		met     bool
	}{
		"met":                  {both, []idptest.Option{acr("phr"), ago(10)}, true},
		"met by another value": {both, []idptest.Option{acr("phrh"), ago(10)}, true},
		"at the limit":         {both, []idptest.Option{acr("phr"), ago(299)}, true},
		"too old":              {both, []idptest.Option{acr("phr"), ago(301)}, false},
		"in the future":        {both, []idptest.Option{acr("phr"), ago(-20)}, false},
		"no auth_time":         {both, []idptest.Option{acr("phr")}, false},
		"auth_time zero":       {both, []idptest.Option{acr("phr"), idptest.WithClaim("auth_time", 0)}, false},
		"no acr":               {both, []idptest.Option{ago(10)}, false},
		"nothing":              {both, nil, false},
		"acr with a prefix":    {both, []idptest.Option{acr("phrx"), ago(10)}, false},
		"acr in capitals":      {both, []idptest.Option{acr("PHR"), ago(10)}, false},
		"acr is both":          {both, []idptest.Option{acr("phr phrh"), ago(10)}, false},
		"acr alone":            {`"step_up": {"acr_values": ["phr"]}`, []idptest.Option{acr("phr")}, true},
		"acr alone, missing":   {`"step_up": {"acr_values": ["phr"]}`, []idptest.Option{ago(1)}, false},
		"acr alone, future":    {`"step_up": {"acr_values": ["phr"]}`, []idptest.Option{acr("phr"), ago(-20)}, false},
		"age alone":            {`"step_up": {"max_age": 60}`, []idptest.Option{ago(59)}, true},
		"age alone, too old":   {`"step_up": {"max_age": 60}`, []idptest.Option{ago(61)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policyOf(`{"allow": true, "scopes": input.resource.scopes, `+c.demand+`}`))
			a := w.ask(t, c.options...)
			if c.met {
				w.granted(t, a)
				return
			}
			refusal := w.refused(t, a, oauth.CodeStepUpRequired)
			wire := refusal.wire
			if wire.Status != 400 || wire.Error != "insufficient_user_authentication" {
				t.Errorf("wire %+v", wire)
			}
			values, hasValues := wire.Members["acr_values"].(string) // RFC 9470: a string, separated by spaces
			age, hasAge := wire.Members["max_age"].(int64)
			if hasValues != strings.Contains(c.demand, "acr_values") || hasAge != strings.Contains(c.demand, "max_age") || hasAge && age < 60 || hasValues && !strings.HasPrefix(values, "phr") {
				t.Errorf("members %v", wire.Members)
			}
			e := w.journal.last(t)
			if e.Event.Outcome != audit.Challenged || e.Decision == nil || len(e.Redemptions) != 0 {
				t.Errorf("event %+v, used up %v", e.Event, spaces(e))
			}
		})
	}
}

// TestStepUpLeavesTheAssertion: what was challenged can still be redeemed once policy is satisfied otherwise.
func TestStepUpLeavesTheAssertion(t *testing.T) {
	w := newWorld(t, policyOf(`{"allow": true, "scopes": ["notes:read"], "step_up": {"max_age": 60}}`))
	a := w.ask(t, idptest.WithClaim("auth_time", now.Unix()-61))
	w.refused(t, a, oauth.CodeStepUpRequired)
	w.now = w.now.Add(-2e9) // the clock was wrong
	w.granted(t, a)
	w.refused(t, a, oauth.CodeJTIReplayed)
}

// TestDenyBeatsStepUp (contract section 8).
func TestDenyBeatsStepUp(t *testing.T) {
	w := newWorld(t, policyOf(`{"allow": true, "scopes": ["notes:read"], "deny": ["no"], "step_up": {"max_age": 60}}`))
	if refusal := w.refused(t, w.ask(t), oauth.CodePolicyDenied); refusal.wire.Members != nil {
		t.Errorf("members %v", refusal.wire.Members)
	}
}
