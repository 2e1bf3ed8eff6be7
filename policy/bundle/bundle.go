package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/rego"
)

// Folders of the files that Write writes. Elsewhere a name that ends in _test.rego makes a test.
const (
	modulesFolder = "modules"
	testsFolder   = "tests"
)

// Files are the files of a policy's bundle by path, without a signature. They are the same for the same source.
func Files(src policy.Source) (map[string][]byte, error) {
	rest := &policyMetadata{
		Version: version, Name: src.Name, Role: src.Role, Binds: string(src.Binds), Resources: src.Resources, Actions: src.Actions,
		Revision: src.Revision, Hash: src.Hash(),
	}
	if rest.Hash == "" {
		return nil, because(ErrContent, "the policy cannot be written as JSON")
	}
	var err error
	if rest.DataSchema, err = schemaText(src.DataSchema); err != nil {
		return nil, err
	}
	modules, tests := src.Modules, src.Tests
	if src.Template != "" {
		t, ok := rego.Lookup(src.Template)
		if !ok {
			return nil, because(ErrContent, "template %q is unknown", src.Template)
		}
		rest.Template = &templateMetadata{Name: t.Name}
		modules = t.Modules
		tests, rest.Template.Tests = withTests(src.Tests, t)
		if rest.Template.DataSchema, err = schemaText(t.DataSchema); err != nil {
			return nil, err
		}
	}
	files := map[string][]byte{}
	for folder, texts := range map[string]map[string]string{modulesFolder: modules, testsFolder: tests} {
		for name, text := range texts {
			if strings.ContainsAny(name, `/\:`) || !strings.HasSuffix(name, ".rego") {
				return nil, because(ErrPath, "%q is no file name ending in .rego", name)
			}
			files[folder+"/"+name] = []byte(text)
		}
	}
	data := src.Data
	if data == nil {
		data = map[string]any{}
	}
	if files[dataFile], err = indented(map[string]any{"policy": data}); err != nil {
		return nil, because(ErrContent, "data: %s", err)
	}
	regoVersion := 1
	m := manifest{Revision: strconv.FormatInt(src.Revision, 10) + " " + rest.Hash, Roots: roots(), RegoVersion: &regoVersion, rest: rest}
	files[manifestFile], err = m.write()
	return files, err
}

func schemaText(schema map[string]any) ([]byte, error) {
	if schema == nil {
		return nil, nil
	}
	text, err := indented(schema)
	if err != nil {
		return nil, because(ErrContent, "data_schema: %s", err)
	}
	return text, nil
}

// withTests adds a template's own tests, so that its bundle can be tested. A test of the policy with such a name stays.
func withTests(own map[string]string, t rego.Template) (all map[string]string, added []string) {
	all = maps.Clone(own)
	if all == nil {
		all = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Tests)) {
		if _, taken := all[name]; !taken {
			all[name] = t.Tests[name]
			added = append(added, name)
		}
	}
	return all, added
}

// Write writes a policy as a signed bundle.
func Write(w io.Writer, src policy.Source, key SigningKey) error {
	files, err := Files(src)
	if err != nil {
		return err
	}
	if files[signaturesFile], err = sign(files, key); err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := pack(&archive, files); err != nil {
		return err
	}
	// What is not read back is not written.
	if _, err := Open(archive.Bytes(), []TrustedKey{key.trusted}); err != nil {
		return err
	}
	_, err = w.Write(archive.Bytes())
	return err
}

// Bundle is one that a trusted key signed.
type Bundle struct {
	// Source is the policy. Of a bundle that was not written here it has neither name nor role.
	Source policy.Source
	// Template is the one that it was written of and whose text this version's is not: Source has its modules.
	Template  string
	KeyID     string
	Algorithm string
	SHA256    string   // of the archive, in hexadecimal
	Files     []string // by path, in order
}

// Open checks a bundle and reads it. It compiles nothing: that is the matter of whoever takes the policy.
func Open(archive []byte, trusted []TrustedKey) (Bundle, error) {
	// 1. What is in it.
	files, err := unpack(archive)
	if err != nil {
		return Bundle{}, err
	}
	// 2. Who signed it.
	key, err := verify(files, trusted)
	if err != nil {
		return Bundle{}, err
	}
	sum := sha256.Sum256(archive)
	b := Bundle{KeyID: key.ID, Algorithm: key.Algorithm, SHA256: hex.EncodeToString(sum[:]), Files: slices.Sorted(maps.Keys(files))}
	// 3. What it says.
	m, err := parseManifest(files[manifestFile])
	if err != nil {
		return Bundle{}, err
	}
	if err := b.fill(files, m.rest); err != nil {
		return Bundle{}, err
	}
	if m.rest != nil {
		err = b.describe(m.rest)
	}
	return b, err
}

// fill sorts the files into modules, tests and data. One of no known kind is refused: what is not understood is not dropped.
func (b *Bundle) fill(files map[string][]byte, rest *policyMetadata) error {
	b.Source.Modules, b.Source.Tests = map[string]string{}, map[string]string{}
	for _, name := range b.Files {
		into := b.Source.Modules
		folder, base := path.Dir(name), path.Base(name)
		kind := path.Base(folder) // "opa build DIR" puts all of it into a folder DIR
		switch {
		case name == manifestFile || name == signaturesFile:
			continue
		case base == dataFile:
			if err := b.addData(folder, name, files[name]); err != nil {
				return err
			}
			continue
		case !strings.HasSuffix(base, ".rego"):
			return because(ErrContent, "%q is neither Rego nor %s", name, dataFile)
		case rest != nil && kind == testsFolder, rest == nil && strings.HasSuffix(base, "_test.rego"):
			into = b.Source.Tests
		case rest != nil && kind != modulesFolder:
			return because(ErrContent, "%q is neither in %s nor in %s", name, modulesFolder, testsFolder)
		}
		if len(files[name]) > policy.MaxModuleSize {
			return because(ErrTooLarge, "%q has more than %d bytes", name, policy.MaxModuleSize)
		}
		if _, taken := into[base]; taken { // a policy's modules are in no folders
			return because(ErrDuplicate, "two files are named %q, in different folders", base)
		}
		into[base] = string(files[name])
	}
	if len(b.Source.Modules) == 0 {
		return because(ErrContent, "there is no module")
	}
	return nil
}

// addData takes data.json, in a folder or not, which is where its members are in data. A policy sees data.policy alone.
func (b *Bundle) addData(folder, name string, text []byte) error {
	members, err := document(name, text)
	if err != nil {
		return err
	}
	switch {
	case folder == "policy":
	case folder != ".":
		return because(ErrContent, "%q: a policy sees data.policy and no other data", name)
	case len(members) == 0:
		return nil
	default:
		of, ok := members["policy"].(map[string]any)
		if !ok || len(members) > 1 {
			return because(ErrContent, "%q: a policy sees data.policy, an object, and no other data", name)
		}
		members = of
	}
	if b.Source.Data != nil {
		return because(ErrDuplicate, "data.policy is in two files")
	}
	b.Source.Data = members
	return nil
}

// describe takes what the metadata says, and makes a policy of a template one again if the template is still so.
func (b *Bundle) describe(rest *policyMetadata) error {
	src := &b.Source
	src.Name, src.Role, src.Binds, src.Revision = rest.Name, rest.Role, policy.Binds(rest.Binds), rest.Revision
	src.Resources, src.Actions = rest.Resources, rest.Actions
	var err error
	if src.DataSchema, err = schemaOf(rest.DataSchema); err != nil {
		return err
	}
	if rest.Template != nil && !b.asTemplate(rest.Template) {
		b.Template = rest.Template.Name
		if src.DataSchema == nil {
			src.DataSchema, err = schemaOf(rest.Template.DataSchema)
		}
		return err // its modules are its own now, and with them its hash is another
	}
	if is := src.Hash(); is != rest.Hash {
		return because(ErrContent, "its content has the hash %s, and its manifest says %s: another program may have laid it out anew", is, rest.Hash)
	}
	return nil
}

func schemaOf(text []byte) (map[string]any, error) {
	if text == nil {
		return nil, nil
	}
	return document("data_schema", text)
}

// asTemplate puts the template's name in place of the text that it brings, if that is this version's, byte for byte.
func (b *Bundle) asTemplate(of *templateMetadata) bool {
	src := &b.Source
	t, ok := rego.Lookup(of.Name)
	if !ok || !maps.Equal(t.Modules, src.Modules) {
		return false
	}
	for _, name := range of.Tests {
		if text, there := t.Tests[name]; !there || src.Tests[name] != text {
			return false
		}
	}
	src.Template, src.Modules = of.Name, nil
	for _, name := range of.Tests {
		delete(src.Tests, name)
	}
	return true
}
