package object

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

// Action is what an apply does to one object.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Delete    Action = "delete"
	Unchanged Action = "unchanged"
)

// FieldChange is one member that differs; From and To are for people and cut short.
type FieldChange struct {
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

const (
	maxShown   = 160
	maxChanges = 200
)

// diffSpecs compares two specs as they are stored. References to secrets are
// places and shown; there are no secrets in a spec.
func diffSpecs(from, to []byte) ([]FieldChange, error) {
	before, err := specValue(from)
	if err != nil {
		return nil, err
	}
	after, err := specValue(to)
	if err != nil {
		return nil, err
	}
	var changes []FieldChange
	walkDiff("spec", before, after, &changes)
	return changes, nil
}

func specValue(spec []byte) (any, error) {
	if len(spec) == 0 {
		return map[string]any{}, nil
	}
	v, err := strict.Value(spec)
	if err != nil {
		return nil, fmt.Errorf("stored spec: %w", err)
	}
	return v, nil
}

func walkDiff(path string, from, to any, changes *[]FieldChange) {
	if len(*changes) >= maxChanges || reflect.DeepEqual(from, to) {
		return
	}
	before, wasObject := from.(map[string]any)
	after, isObject := to.(map[string]any)
	if !wasObject || !isObject {
		*changes = append(*changes, FieldChange{Path: path, From: brief(from), To: brief(to)})
		return
	}
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		walkDiff(path+"."+name, before[name], after[name], changes)
	}
}

func brief(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "…"
	}
	if len(b) > maxShown {
		return strings.ToValidUTF8(string(b[:maxShown]), "") + "…"
	}
	return string(b)
}

func diffLabels(from, to map[string]string) []FieldChange {
	if maps.Equal(from, to) {
		return nil
	}
	return []FieldChange{{Path: "metadata.labels", From: brief(from), To: brief(to)}}
}

// paths are the names of what changed, for the audit log.
func paths(changes []FieldChange) string {
	const most = 32
	names := make([]string, 0, min(len(changes), most))
	for _, c := range changes {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, c.Path)
	}
	return strings.Join(names, " ")
}
