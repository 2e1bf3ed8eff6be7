package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Leaf is one setting.
type Leaf struct {
	Key    string // dotted path
	Doc    string
	Type   string // string, number, bool, duration, list, secret
	Secret bool   // its value is not printed
}

// Env is the environment variable that sets the leaf.
func (l Leaf) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(l.Key, ".", "__"))
}

// Leaves lists every setting, in the order of the file.
func Leaves() []Leaf { return leavesOf(reflect.TypeFor[Config](), "") }

func leavesOf(t reflect.Type, prefix string) []Leaf {
	var leaves []Leaf
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("key")
		doc := field.Tag.Get("doc")
		switch field.Type {
		case reflect.TypeFor[Ref]():
			leaves = append(leaves, refLeaves(key, doc)...)
		case reflect.TypeFor[Text]():
			leaves = append(leaves, Leaf{Key: key, Doc: doc, Type: "string", Secret: true})
			leaves = append(leaves, refLeaves(key, doc)...)
		default:
			if field.Type.Kind() == reflect.Struct {
				leaves = append(leaves, leavesOf(field.Type, key+".")...)
				continue
			}
			leaves = append(leaves, Leaf{Key: key, Doc: doc, Type: typeName(field.Type)})
		}
	}
	return leaves
}

func refLeaves(key, doc string) []Leaf {
	return []Leaf{
		{Key: key + ".env", Doc: doc + " (name of an environment variable)", Type: "string"},
		{Key: key + ".file", Doc: doc + " (path of a file)", Type: "string"},
	}
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Slice:
		return "list"
	default:
		return "string"
	}
}

func findLeaf(key string) (Leaf, bool) {
	leaves := Leaves()
	i := slices.IndexFunc(leaves, func(l Leaf) bool { return l.Key == key })
	if i < 0 {
		return Leaf{}, false
	}
	return leaves[i], true
}

// nearest is the known key that the unknown one most likely meant; empty if none comes close.
func nearest(unknown string) string {
	best, distance := "", len(unknown)/2+1
	for _, l := range Leaves() {
		for key := l.Key; ; {
			if d := edits(unknown, key); d < distance {
				best, distance = key, d
			}
			i := strings.LastIndexByte(key, '.')
			if i < 0 {
				break
			}
			key = key[:i] // sections too
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
