package saml

import (
	"bytes"
	"errors"
	"regexp"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Bounds of a document, held before and after it is parsed (T25).
const (
	MaxBytes    = 512 << 10
	maxDepth    = 64
	maxNodes    = 10_000 // elements, attributes and texts
	maxPrefixes = 32     // in scope at once: canonicalization copies them for each element
)

// What is wrong with a document before anything in it is believed.
var (
	errTooLarge = errors.New("larger than 512 KiB")
	errEncoding = errors.New("not UTF-8, or with a byte order mark")
	errMarkup   = errors.New("a DOCTYPE, comment, CDATA section or processing instruction")
	errDepth    = errors.New("deeper than 64 elements")
	errNodes    = errors.New("more than 10000 elements, attributes and texts")
	errParse    = errors.New("not well-formed XML")
	errRoots    = errors.New("not exactly one element at the top")
	errName     = errors.New("a name that is not plain")
	errPrefix   = errors.New("a namespace prefix that is undeclared, reserved or one too many")
	errTwice    = errors.New("an attribute that is there twice")
	errID       = errors.New("an ID that is malformed, or there twice")
)

// Only this declaration may come first, since a second encoding is a second reading.
var declaration = regexp.MustCompile(`^<\?xml[ \t\r\n]+version=["']1\.0["']([ \t\r\n]+encoding=["'](?i:utf-8)["'])?([ \t\r\n]+standalone=["'](yes|no)["'])?[ \t\r\n]*\?>`)

// parse lets a document through the gate and reads it once. What it refuses is
// refused for what two readers could understand differently (T23, T24) or for
// what it would cost (T25): the bytes first, without any XML library; then the
// tree.
func parse(raw []byte) (*etree.Element, error) {
	body, err := gate(raw)
	if err != nil {
		return nil, err
	}
	document := etree.NewDocument()
	document.ReadSettings = etree.ReadSettings{MaxDepth: maxDepth, PreserveDuplicateAttrs: true}
	if err := document.ReadFromBytes(body); err != nil {
		return nil, errParse // whose text may quote what came in
	}
	var root *etree.Element
	for _, token := range document.Child {
		switch token := token.(type) {
		case *etree.Element:
			if root != nil {
				return nil, errRoots
			}
			root = token
		case *etree.CharData:
			if !token.IsWhitespace() {
				return nil, errRoots
			}
		default:
			return nil, errMarkup
		}
	}
	if root == nil {
		return nil, errRoots
	}
	document.RemoveChild(root) // nothing looks above it
	s := survey{ids: map[string]bool{}}
	if err := s.look(root, map[string]string{"xml": nsXML}); err != nil {
		return nil, err
	}
	return root, nil
}

// gate looks at the bytes alone.
func gate(raw []byte) ([]byte, error) {
	switch {
	case len(raw) > MaxBytes:
		return nil, errTooLarge
	case !utf8.Valid(raw), bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return nil, errEncoding
	}
	body := raw[len(declaration.Find(raw)):]
	if bytes.Contains(body, []byte("<!")) || bytes.Contains(body, []byte("<?")) {
		return nil, errMarkup
	}
	depth, nodes := 0, 0
	for i := 0; i < len(body); i++ {
		if body[i] != '<' {
			continue
		}
		end, attributes := tag(body[i:])
		if end < 0 {
			return nil, errParse
		}
		nodes += 1 + attributes
		switch {
		case body[i+1] == '/':
			depth--
			nodes--
		case body[i+end-1] != '/':
			depth++
		}
		if depth > maxDepth {
			return nil, errDepth
		}
		if nodes > maxNodes {
			return nil, errNodes
		}
		i += end
	}
	return body, nil
}

// tag returns where a tag ends, and how many attributes it has.
func tag(b []byte) (end, attributes int) {
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		case c == '=':
			attributes++
		case c == '>':
			return i, attributes
		}
	}
	return -1, 0
}
