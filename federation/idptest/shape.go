package idptest

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

//go:embed shapes/*.json
var shapeFiles embed.FS

// Shape is the form of one product's tokens: the claims that it sends, with made-up
// values, and the page of the product's documentation that says so.
type Shape struct {
	Name     string
	Source   string
	Profile  federation.Profile
	Lifetime time.Duration
	header   map[string]any
	claims   map[string]any
}

// Shapes returns every shape, by name.
func Shapes() []Shape {
	files, err := shapeFiles.ReadDir("shapes")
	if err != nil {
		panic("idptest: " + err.Error()) // they are in the binary
	}
	shapes := make([]Shape, len(files))
	for i, file := range files {
		shapes[i] = readShape(strings.TrimSuffix(file.Name(), ".json"))
	}
	return shapes
}

// ShapeNamed finds a shape.
func ShapeNamed(name string) (Shape, bool) {
	shapes := Shapes()
	i := slices.IndexFunc(shapes, func(s Shape) bool { return s.Name == name })
	if i < 0 {
		return Shape{}, false
	}
	return shapes[i], true
}

func readShape(name string) Shape {
	encoded, err := shapeFiles.ReadFile(path.Join("shapes", name+".json"))
	if err != nil {
		panic("idptest: " + err.Error()) // it was listed
	}
	var file struct {
		Source, Lifetime string
		Profile          federation.Profile
		Header, Claims   map[string]any
	}
	decoder := json.NewDecoder(strings.NewReader(string(encoded)))
	decoder.DisallowUnknownFields()
	decoder.UseNumber() // a number is sent as it stands there
	if err := decoder.Decode(&file); err != nil {
		panic("idptest: shape " + name + ": " + err.Error())
	}
	lifetime, err := time.ParseDuration(file.Lifetime)
	if err != nil {
		panic("idptest: shape " + name + ": " + err.Error())
	}
	return Shape{Name: name, Source: file.Source, Profile: file.Profile, Lifetime: lifetime, header: file.Header, claims: file.Claims}
}

// ShapeDraft makes a token of a product's form that is not signed yet: for the first
// audience, from now on, and, where the product names a client, for the first one.
func (p *IdP) ShapeDraft(name string, options ...Option) (*Draft, error) {
	shape, found := ShapeNamed(name)
	if !found {
		return nil, fmt.Errorf("idptest: unknown shape %q", name)
	}
	audience, client := p.defaults()
	key, now := p.SigningKey(), p.Now()
	values := map[string]any{
		"@iss": p.options.Issuer, "@aud": audience.Issuer, "@client": client.idAt(audience.Issuer), "@jti": random(),
		"@now": now.Unix(), "@exp": now.Add(shape.Lifetime).Unix(),
	}
	header := map[string]any{"alg": key.Algorithm, "kid": key.ID}
	maps.Copy(header, shape.header)
	draft := &Draft{Header: header, Claims: make(map[string]any, len(shape.claims)), Key: key}
	for claim, value := range shape.claims {
		draft.Claims[claim] = filled(value, values)
	}
	for _, option := range options {
		option(draft)
	}
	return draft, nil
}

// filled puts values in the place of their names, in a list too.
func filled(value any, values map[string]any) any {
	switch value := value.(type) {
	case string:
		if known, found := values[value]; found {
			return known
		}
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = filled(element, values)
		}
		return list
	}
	return value
}

// Shaped is ShapeDraft, signed.
func (p *IdP) Shaped(name string, options ...Option) (string, error) {
	draft, err := p.ShapeDraft(name, options...)
	if err != nil {
		return "", err
	}
	return draft.Sign()
}

// Shaped is IdP.Shaped; it ends the test instead of failing.
func (r *Running) Shaped(name string, options ...Option) string {
	r.tb.Helper()
	token, err := r.IdP.Shaped(name, options...)
	if err != nil {
		r.tb.Fatalf("make a token of shape %s: %v", name, err)
	}
	return token
}
