package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

const (
	envPrefix   = "CHANCERY_"
	maxFile     = 1 << 20
	defaultFile = "chancery.yaml"
)

// Sources are where settings come from, weakest first: defaults, file, environment, flags.
type Sources struct {
	// File is the path; empty is ./chancery.yaml if that exists.
	File string
	// Environ is os.Environ's form.
	Environ []string
	// Flags are dotted keys set on the command line.
	Flags map[string]any
}

// Loaded is a configuration and where each of its settings came from.
type Loaded struct {
	Config
	Path    string // of the file; empty: none was read
	origin  map[string]string
	values  map[string]any
	environ map[string]string
	kv      KV // nil: nobody reads references into Vault
}

// OriginDefault is the origin of what nobody wrote.
const OriginDefault = "default"

// Origin says where a setting came from, empty if it is not set.
func (l *Loaded) Origin(key string) string { return l.origin[key] }

// Lookup reads an environment variable as it was when the configuration was loaded.
func (l *Loaded) Lookup(name string) (string, bool) {
	value, ok := l.environ[name]
	return value, ok
}

// Load merges and checks the sources.
func Load(s Sources) (*Loaded, error) {
	l := &Loaded{origin: map[string]string{}, environ: map[string]string{}}
	for _, pair := range s.Environ {
		name, value, _ := strings.Cut(pair, "=")
		l.environ[name] = value
	}
	file, err := l.readFile(s.File)
	if err != nil {
		return nil, err
	}
	env, err := fromEnvironment(l.environ)
	if err != nil {
		return nil, err
	}
	profile, err := profileOf(file, env, s.Flags)
	if err != nil {
		return nil, err
	}
	base := defaults(profile)
	if profile != Regulated {
		base["admin.token.env"] = "CHANCERY_ADMIN_TOKEN"
	}
	k := koanf.New(".")
	for _, layer := range []struct {
		name   string
		values map[string]any
	}{{OriginDefault, base}, {"file " + l.Path, file}, {"environment", env}, {"flag", s.Flags}} {
		if err := l.merge(k, layer.name, layer.values); err != nil {
			return nil, err
		}
	}
	l.values = k.All()
	if err := l.decode(k); err != nil {
		return nil, err
	}
	return l, l.Validate()
}

func (l *Loaded) readFile(path string) (map[string]any, error) {
	explicit := path != ""
	if !explicit {
		path = defaultFile
	}
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrNotExist) && !explicit {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", path, len(raw), maxFile)
	}
	l.Path = path
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil && !errors.Is(err, io.EOF) { // duplicate keys are errors in yaml.v3
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var more any
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is expected, more follow", path)
	}
	flat := map[string]any{}
	if err := flatten("", tree, flat); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return flat, nil
}

// flatten turns the tree into leaves and refuses what is no leaf.
func flatten(prefix string, tree, flat map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		key := prefix + name
		if section, ok := tree[name].(map[string]any); ok {
			if err := flatten(key+".", section, flat); err != nil {
				return err
			}
			continue
		}
		if tree[name] == nil && isSection(key) {
			continue
		}
		leaf, known := findLeaf(key)
		if !known {
			return unknownKey(key)
		}
		if tree[name] == nil {
			return fmt.Errorf("%s: it has no value: leave it out, or give one", key)
		}
		if err := leaf.check(tree[name]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		flat[key] = tree[name]
	}
	return nil
}

func unknownKey(key string) error {
	if near := nearest(key); near != "" {
		return fmt.Errorf("unknown key %q: did you mean %q?", key, near)
	}
	return fmt.Errorf("unknown key %q", key)
}

// fromEnvironment takes the names with a double underscore, and no others: a name that a secret refers to may well begin with CHANCERY_.
func fromEnvironment(environ map[string]string) (map[string]any, error) {
	flat := map[string]any{}
	for name, value := range environ {
		rest, ok := strings.CutPrefix(name, envPrefix)
		if !ok || (!strings.Contains(rest, "__") && rest != "PROFILE" && rest != "OBJECTS") {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		leaf, known := findLeaf(key)
		if !known {
			return nil, fmt.Errorf("environment variable %s: %w", name, unknownKey(key))
		}
		parsed, err := leaf.parse(value)
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
		flat[key] = parsed
	}
	return flat, nil
}

// ParseSettings reads KEY=VALUE pairs of the command line.
func ParseSettings(pairs []string) (map[string]any, error) {
	flat := map[string]any{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, errors.New("--set: KEY=VALUE is expected") // not quoted: it may be a secret
		}
		leaf, known := findLeaf(key)
		if !known {
			return nil, fmt.Errorf("--set: %w", unknownKey(key))
		}
		if _, twice := flat[key]; twice {
			return nil, fmt.Errorf("--set %s: given twice", key)
		}
		if leaf.Secret && !strings.HasPrefix(value, "sqlite:") && strings.Contains(hideSecret(value), redacted) {
			// Arguments of a process are everybody's to read.
			return nil, fmt.Errorf("--set %s: it may hold a password: refer to it, {env: NAME} or {file: PATH} (%s.env, %s.file)", key, key, key)
		}
		parsed, err := leaf.parse(value)
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", key, err)
		}
		flat[key] = parsed
	}
	return flat, nil
}

// textList reads a,b or [a, b].
func textList(value string) ([]string, error) {
	value = strings.TrimSpace(value)
	if !strings.HasPrefix(value, "[") {
		if value == "" {
			return []string{}, nil
		}
		list := strings.Split(value, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		return list, nil
	}
	var list []string
	if err := yaml.Unmarshal([]byte(value), &list); err != nil {
		return nil, errors.New("a list is expected: a,b or [a, b]")
	}
	return list, nil
}

func profileOf(layers ...map[string]any) (Profile, error) {
	profile := Dev
	for _, layer := range layers {
		if value, ok := layer["profile"]; ok {
			name, isText := value.(string)
			if !isText {
				return "", fmt.Errorf("profile: %v: dev, production or regulated is expected", value)
			}
			profile = Profile(name)
		}
	}
	switch profile {
	case Dev, Production, Regulated:
		return profile, nil
	}
	return "", fmt.Errorf("profile: %q: dev, production or regulated is expected", profile)
}

// merge lays a stronger source over the weaker ones. A secret's reference replaces the whole of the weaker one.
func (l *Loaded) merge(k *koanf.Koanf, origin string, layer map[string]any) error {
	for key, value := range layer {
		leaf, known := findLeaf(key)
		if !known {
			return unknownKey(key)
		}
		if err := leaf.check(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for _, sibling := range siblings(key) {
			if _, both := layer[sibling]; both {
				return fmt.Errorf("%s and %s: one of them is expected", min(key, sibling), max(key, sibling))
			}
			k.Delete(sibling)
			delete(l.origin, sibling)
		}
	}
	for key := range layer {
		l.origin[key] = origin
	}
	return k.Load(confmap.Provider(layer, "."), nil)
}

// siblings are the other ways of saying the same setting: x, x.env, x.file, x.vault.
func siblings(key string) []string {
	base := settingOf(key)
	if _, ok := findLeaf(base + ".env"); !ok {
		return nil
	}
	return slices.DeleteFunc([]string{base, base + ".env", base + ".file", base + ".vault"}, func(s string) bool { return s == key })
}

// settingOf is the setting that a reference is a way of saying.
func settingOf(key string) string {
	for _, kind := range []string{".env", ".file", ".vault"} {
		if base, ok := strings.CutSuffix(key, kind); ok {
			return base
		}
	}
	return key
}

func (l *Loaded) decode(k *koanf.Koanf) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           &l.Config,
		TagName:          "key",
		ErrorUnused:      true,
		WeaklyTypedInput: false,
		DecodeHook:       mapstructure.ComposeDecodeHookFunc(textHook, mapstructure.StringToTimeDurationHookFunc()),
	})
	if err != nil {
		return err
	}
	if err := decoder.Decode(k.Raw()); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}

// textHook reads a Text: a plain value, or a reference.
func textHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[Text]() {
		return value, nil
	}
	switch v := value.(type) {
	case string:
		return Text{Plain: v}, nil
	case map[string]any:
		var ref Ref
		ref.Env, _ = v["env"].(string)
		ref.File, _ = v["file"].(string)
		ref.Vault, _ = v["vault"].(string)
		return Text{Ref: ref}, nil
	}
	return nil, fmt.Errorf("%s: text or a reference is expected", from)
}
