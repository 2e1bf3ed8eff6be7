package obtain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Profile is a file of identities, for people with real IdPs. Secrets are in it by reference only.
type Profile struct {
	IdPs map[string]Entry `yaml:"idps"`
}

// Entry is one of them.
type Entry struct {
	Issuer            string       `yaml:"issuer"` // of Chancery
	Client            EntryClient  `yaml:"client"`
	IdP               EntryIdP     `yaml:"idp"`
	SubjectToken      EntrySubject `yaml:"subject_token"`
	AssertionFile     string       `yaml:"assertion_file"`
	ClientCredentials bool         `yaml:"client_credentials"`
}

// EntryClient is the agent at Chancery.
type EntryClient struct {
	ID         string `yaml:"id"`
	Auth       string `yaml:"auth"`
	SecretFile string `yaml:"secret_file"`
	KeyFile    string `yaml:"key_file"`
	KeyID      string `yaml:"key_id"`
}

// EntryIdP is where people sign in, and who the agent is there.
type EntryIdP struct {
	Issuer     string `yaml:"issuer"`
	ClientID   string `yaml:"client_id"`
	SecretFile string `yaml:"client_secret_file"`
}

// EntrySubject is the sign-in.
type EntrySubject struct {
	File string `yaml:"file"`
	Type string `yaml:"type"`
}

// ParseProfile is strict: what it does not know is an error.
func ParseProfile(text []byte) (Profile, error) {
	var p Profile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return Profile{}, plain(err)
	}
	if len(p.IdPs) == 0 {
		return Profile{}, errors.New("it names no IdP (idps: {NAME: …})")
	}
	return p, nil
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// plain says what is wrong with the file; names of Go types are nobody's business.
func plain(err error) error {
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	return errors.New(unknownField.ReplaceAllString(strings.Join(wrong.Errors, "; "), `unknown field "$1"`))
}

// Entry finds one by name; without a name, the only one.
func (p Profile) Entry(name string) (Entry, error) {
	names := slices.Sorted(maps.Keys(p.IdPs))
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	entry, known := p.IdPs[name]
	switch {
	case known:
		return entry, nil
	case name == "":
		return Entry{}, fmt.Errorf("say --idp: %s", strings.Join(names, ", "))
	}
	return Entry{}, fmt.Errorf("there is no IdP %q: %s", name, strings.Join(names, ", "))
}
