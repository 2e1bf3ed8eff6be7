package provider

import (
	"embed"
	"io/fs"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

//go:embed manifests/*.yaml
var embedded embed.FS

//go:embed manifest.schema.json
var schema []byte

// Schema is the JSON Schema of a manifest (draft 2020-12).
func Schema() []byte { return slices.Clone(schema) }

// Catalogue is the manifests by name: those that come with the product, and a company's own.
type Catalogue struct{ texts map[string]*yaml.Node }

// NewCatalogue reads the embedded manifests, and own ones over them: a name that is there already is replaced.
func NewCatalogue(own ...[]byte) (*Catalogue, error) {
	c := &Catalogue{texts: map[string]*yaml.Node{}}
	files, err := fs.Glob(embedded, "manifests/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := embedded.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := c.add(text); err != nil {
			return nil, err
		}
	}
	for _, text := range own {
		if err := c.add(text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Catalogue) add(text []byte) error {
	node, err := parse(text)
	if err != nil {
		return err
	}
	if err := known(node, reflect.TypeFor[Manifest](), ""); err != nil {
		return err
	}
	at := indexOf(node, "name")
	if at < 0 || !isName(node.Content[at+1].Value) {
		return invalid("name: a manifest has a name of lower-case letters, digits and hyphens")
	}
	c.texts[node.Content[at+1].Value] = node
	return nil
}

// Names lists the manifests.
func (c *Catalogue) Names() []string { return slices.Sorted(maps.Keys(c.texts)) }

// Manifest returns one, complete and valid. The generic kinds have no addresses of their own and are refused: extend them.
func (c *Catalogue) Manifest(name string) (Manifest, error) {
	node, ok := c.texts[name]
	if !ok {
		if near := nearest(name, c.Names()); near != "" {
			return Manifest{}, invalid("there is no %q; did you mean %q?", name, near)
		}
		return Manifest{}, invalid("there is no %q", name)
	}
	return c.read(node)
}

// Decode reads a manifest that stands alone or extends one of the catalogue.
func (c *Catalogue) Decode(text []byte) (Manifest, error) {
	node, err := parse(text)
	if err != nil {
		return Manifest{}, err
	}
	return c.read(node)
}

const maxExtends = 3

func (c *Catalogue) read(node *yaml.Node) (Manifest, error) {
	if err := known(node, reflect.TypeFor[Manifest](), ""); err != nil {
		return Manifest{}, err
	}
	for own, depth := node, 0; ; depth++ {
		at := indexOf(own, "extends")
		if at < 0 {
			break
		}
		under, ok := c.texts[own.Content[at+1].Value]
		if !ok || depth == maxExtends {
			return Manifest{}, invalid("extends: there is no %q, or too many stand on each other", own.Content[at+1].Value)
		}
		node, own = overlay(under, node), under
	}
	var m Manifest
	if err := node.Decode(&m); err != nil {
		return Manifest{}, invalid("%w", err)
	}
	m.Extends = ""
	m.defaults()
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

func (m *Manifest) defaults() {
	set(&m.ScopeSeparator, " ")
	set(&m.ScopeParameter, "scope")
	set(&m.TokenRequestAuthMethod, AuthBasic)
	set(&m.BodyFormat, "form")
	set(&m.Accept, "application/json")
	set(&m.RefreshURL, m.TokenURL)
	set(&m.Present.Header, "Authorization")
	set(&m.Present.Scheme, "Bearer")
	set(&m.Refresh.Rotation, SingleUse) // the careful one, where nothing is said
	set(&m.Expiry.Source, ExpiresIn)
	m.Tokens.Paths.defaults()
	if m.Tokens.RefreshPaths == nil {
		same := m.Tokens.Paths
		m.Tokens.RefreshPaths = &same
	}
	m.Tokens.RefreshPaths.defaults()
	if m.Tokens.Types == nil {
		m.Tokens.Types = []string{"bearer"}
	}
	if m.Errors.Paths == nil {
		m.Errors.Paths = []string{"error"}
	}
	if r := m.Revoke; r != nil {
		set(&r.Method, "POST")
		set(&r.Token, "refresh")
		set(&r.Parameter, "token")
		set(&r.Auth, m.TokenRequestAuthMethod)
	}
	if d := m.Downscope; d != nil {
		set(&d.URL, m.TokenURL)
	}
	if a := m.Assertion; a != nil {
		set(&a.Audience, m.TokenURL)
		set(&a.Algorithm, "RS256")
		set(&a.ScopeIn, "parameter")
		if a.Lifetime == 0 {
			a.Lifetime = Duration(defaultAssertion)
		}
	}
}

func (p *TokenPaths) defaults() {
	set(&p.AccessToken, "access_token")
	set(&p.RefreshToken, "refresh_token")
	set(&p.TokenType, "token_type")
	set(&p.Scope, "scope")
	set(&p.ExpiresIn, "expires_in")
	set(&p.ExpiresAt, "expires_at")
	set(&p.IssuedAt, "issued_at")
	set(&p.RefreshExpiresIn, "refresh_token_expires_in")
}

func set[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}
