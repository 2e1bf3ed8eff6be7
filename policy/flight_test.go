package policy

import (
	"testing"
	"time"
)

// The budget is that of an evaluation, not of the wait for a slot: a decision that waited
// longer than its budget is decided, and one whose turn never comes is denied.
func TestWaitingIsNotEvaluating(t *testing.T) {
	c, err := Compile(t.Context(), Source{
		UID: "pol_1", Name: "notes", Role: RoleGrant,
		Modules: map[string]string{"notes.rego": "package chancery.authz\n\ndecision := {\"allow\": true}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewSet([]*Compiled{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := &Input{Action: ActionIssue, Resource: &Resource{Name: "notes"}}

	for range cap(c.flight.slots) {
		c.flight.slots <- struct{}{}
	}
	hasty := NewInProcess(5 * time.Millisecond)
	defer hasty.Close()
	if d := hasty.Decide(t.Context(), set, in); d.Allow || d.Code != CodeTimeout {
		t.Errorf("without a slot: %+v", d)
	}

	const budget = 500 * time.Millisecond
	e := NewInProcess(budget)
	defer e.Close()
	decided := make(chan Decision, 1)
	go func() { decided <- e.Decide(t.Context(), set, in) }()
	select {
	case d := <-decided:
		t.Fatalf("decided without a slot: %+v", d)
	case <-time.After(budget + budget/5):
	}
	<-c.flight.slots
	if d := <-decided; !d.Allow {
		t.Errorf("after its turn came: %+v", d)
	}
}

// An evaluation that got nowhere for want of a core has more than one budget; one that worked, or was cancelled, has not.
func TestMeter(t *testing.T) {
	m := &meter{}
	if !m.starved() || m.Cancelled() {
		t.Error("nothing was done yet")
	}
	for range fewSteps {
		m.Cancelled()
	}
	if m.starved() {
		t.Error("it worked")
	}
	if m.Cancel(); !m.Cancelled() {
		t.Error("it was cancelled")
	}
}
