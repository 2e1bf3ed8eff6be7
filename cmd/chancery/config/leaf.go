package config

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/strict"
)

// Leaf is one setting.
type Leaf struct {
	Key    string // dotted path
	Doc    string
	Type   string // string, number, ratio, bool, duration, list, secret
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
		{Key: key + ".vault", Doc: doc + " (MOUNT/PATH#KEY of a KV v2 engine in Vault)", Type: "string"},
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
	case t.Kind() == reflect.Float64:
		return "ratio"
	case t.Kind() == reflect.Slice:
		return "list"
	default:
		return "string"
	}
}

// parse reads a value that came as text, from the environment or the command line.
func (l Leaf) parse(text string) (any, error) {
	switch l.Type {
	case "list":
		return textList(text)
	case "number":
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errNumber
		}
		return n, nil
	case "ratio":
		ratio, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errRatio
		}
		return ratio, nil
	case "bool":
		if text != "true" && text != "false" {
			return nil, errBool
		}
		return text == "true", nil
	}
	return text, l.check(text)
}

var (
	errNumber   = errors.New("a whole number is expected")
	errRatio    = errors.New("a number is expected, such as 0.1")
	errBool     = errors.New("true or false is expected")
	errDuration = errors.New("a duration with its unit is expected, such as 30s or 720h")
	errList     = errors.New("a list of texts is expected")
	errText     = errors.New("text is expected")
)

// check refuses a value of another type; nothing is converted, and a value that
// may be a secret is not quoted.
func (l Leaf) check(value any) error {
	switch l.Type {
	case "number":
		if _, ok := value.(int); !ok {
			return errNumber
		}
	case "ratio":
		switch value.(type) {
		case float64, int:
		default:
			return errRatio
		}
	case "bool":
		if _, ok := value.(bool); !ok {
			return errBool
		}
	case "list":
		return checkList(value)
	case "duration":
		text, ok := value.(string)
		if !ok {
			return errDuration
		}
		if _, err := time.ParseDuration(text); err != nil {
			return errDuration
		}
	default:
		if _, ok := value.(string); !ok {
			return errText
		}
	}
	return nil
}

func checkList(value any) error {
	switch list := value.(type) {
	case []string:
		return nil
	case []any:
		for _, item := range list {
			if _, ok := item.(string); !ok {
				return errList
			}
		}
		return nil
	}
	return errList
}

func findLeaf(key string) (Leaf, bool) {
	leaves := Leaves()
	i := slices.IndexFunc(leaves, func(l Leaf) bool { return l.Key == key })
	if i < 0 {
		return Leaf{}, false
	}
	return leaves[i], true
}

// isSection tells that a key has settings below it, and is none itself.
func isSection(key string) bool {
	_, leaf := findLeaf(key)
	return !leaf && slices.ContainsFunc(Leaves(), func(l Leaf) bool { return strings.HasPrefix(l.Key, key+".") })
}

// nearest is the known key, or section, that the unknown one most likely meant; empty if none comes close.
func nearest(unknown string) string {
	var known []string
	for _, l := range Leaves() {
		for key := l.Key; key != ""; key = key[:max(0, strings.LastIndexByte(key, '.'))] {
			known = append(known, key)
		}
	}
	slices.Sort(known)
	return strict.Nearest(unknown, slices.Compact(known))
}
