package main

import (
	"encoding/json"
	"testing"
)

// What is applied is said to programs as it is to people.
func TestMigrateStatusAsJSON(t *testing.T) {
	s := shell{t: t}
	settings := []string{"--set", "database.url=sqlite:///" + t.TempDir() + "/chancery.db"}
	states := func() map[string]string {
		var said []migration
		got := s.run(exitDone, append([]string{"migrate", "status", "--output", "json"}, settings...)...)
		if err := json.Unmarshal([]byte(got.stdout), &said); err != nil {
			t.Fatalf("%v: %s", err, got.stdout)
		}
		byName := map[string]string{}
		for _, one := range said {
			byName[one.Name] = one.State
		}
		return byName
	}
	if before := states(); before["initial"] != "pending" || len(before) < 4 {
		t.Errorf("before: %v", before)
	}
	s.run(exitDone, append([]string{"migrate", "up"}, settings...)...)
	for name, state := range states() {
		if state != "applied" {
			t.Errorf("after: %s is %s", name, state)
		}
	}
	has(t, s.run(exitFailed, append([]string{"migrate", "status", "-o", "xml"}, settings...)...).stderr, "--output")
}
