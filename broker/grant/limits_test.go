package grant

import (
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// TestCeilings: every list must hold it; one that is absent holds nothing, and no lists hold nothing.
func TestCeilings(t *testing.T) {
	r := &snapshot.Resource{
		Name: "notes", ScopeNames: []string{"notes:admin", "notes:read", "notes:write"}, Implies: map[string][]string{"notes:write": {"notes:read"}},
	}
	for name, c := range map[string]struct {
		lists  ceilings
		holds  bool
		scopes ceilings
		left   []string
	}{
		"no lists":      {},
		"an empty list": {lists: ceilings{{}}, scopes: ceilings{{}}},
		"an absent one": {lists: ceilings{{"notes"}, nil}, scopes: ceilings{{"notes:read"}, nil}},
		"one":           {lists: ceilings{{"wiki", "notes"}}, holds: true, scopes: ceilings{{"notes:read", "other"}}, left: []string{"notes:read"}},
		"all":           {lists: ceilings{{"notes"}, {"notes", "wiki"}}, holds: true, scopes: ceilings{{"notes:read", "notes:admin"}, {"notes:admin"}}, left: []string{"notes:admin"}},
		"all but one":   {lists: ceilings{{"notes"}, {"wiki"}}, scopes: ceilings{{"notes:read"}, {"notes:admin"}}},
		"implied":       {lists: ceilings{{"NOTES"}}, scopes: ceilings{{"notes:write"}, {"notes:read"}}, left: []string{"notes:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.lists.hold(r.Name); got != c.holds {
				t.Errorf("holds: %t", got)
			}
			if got := c.scopes.scopesOf(r); !slices.Equal(got, c.left) {
				t.Errorf("left %v", got)
			}
		})
	}
}

// TestLimitsGrowTighter: a party that is added takes nothing of the others away.
func TestLimitsGrowTighter(t *testing.T) {
	of := limitsOf(&client.Client{Resources: []string{"notes"}, Scopes: []string{"notes:read"}})
	first, second := of.and([]string{"notes"}, []string{"notes:read"}), of.and(nil, nil)
	if !of.resources.hold("notes") || !first.resources.hold("notes") || second.resources.hold("notes") || len(of.scopes) != 1 || len(first.scopes) != 2 {
		t.Errorf("%v %v %v", of, first, second)
	}
}
