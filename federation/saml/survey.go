package saml

import (
	"maps"
	"strings"

	"github.com/beevik/etree"
)

// survey goes through a tree once and refuses what readers disagree about: names
// outside ASCII or with a second colon, prefixes that mean nothing or too much,
// attributes that are there twice under two prefixes, relative namespaces (whose
// canonical form is an error that some take for an empty text), IDs with a prefix.
type survey struct {
	nodes int
	ids   map[string]bool
}

func (s *survey) look(el *etree.Element, outer map[string]string) error {
	if s.nodes += 1 + len(el.Attr); s.nodes > maxNodes {
		return errNodes
	}
	scope, err := declare(el, outer)
	if err != nil {
		return err
	}
	if !isName(el.Tag) || el.Space != "" && !isName(el.Space) {
		return errName
	}
	if el.Space != "" && (scope[el.Space] == "" || el.Space == "xml") {
		return errPrefix
	}
	if err := s.attributes(el, scope); err != nil {
		return err
	}
	for _, token := range el.Child {
		switch token := token.(type) {
		case *etree.Element:
			if err := s.look(token, scope); err != nil {
				return err
			}
		case *etree.CharData:
			if s.nodes++; s.nodes > maxNodes {
				return errNodes
			}
		default:
			return errMarkup
		}
	}
	return nil
}

// declare returns the prefixes in scope at an element.
func declare(el *etree.Element, outer map[string]string) (map[string]string, error) {
	scope, own := outer, false
	for _, a := range el.Attr {
		prefix, declares := declared(a)
		if !declares {
			continue
		}
		switch {
		case prefix == "xml", prefix == "xmlns", a.Value == nsXML, a.Value == nsXMLNS,
			!strings.Contains(a.Value, ":"), strings.ContainsAny(a.Value, " \t\r\n"):
			return nil, errPrefix // Namespaces in XML §3; relative ones and xmlns="" too
		}
		if !own {
			scope, own = maps.Clone(outer), true
		}
		scope[prefix] = a.Value
		if len(scope) > maxPrefixes {
			return nil, errPrefix
		}
	}
	return scope, nil
}

// declared returns the prefix that an attribute declares, "" for the default.
func declared(a etree.Attr) (prefix string, declares bool) {
	switch {
	case a.Space == "xmlns":
		return a.Key, true
	case a.Space == "" && a.Key == "xmlns":
		return "", true
	default:
		return "", false
	}
}

func (s *survey) attributes(el *etree.Element, scope map[string]string) error {
	seen := make(map[string]bool, len(el.Attr))
	for _, a := range el.Attr {
		if !isName(a.Key) || a.Space != "" && !isName(a.Space) {
			return errName
		}
		space := a.Space
		if space != "" && space != "xmlns" {
			if space = scope[space]; space == "" {
				return errPrefix
			}
		}
		if name := space + " " + a.Key; seen[name] {
			return errTwice
		} else {
			seen[name] = true
		}
		if a.Space == "xmlns" || !strings.EqualFold(a.Key, "id") {
			continue
		}
		// Whatever spelling a verifier takes for an ID, and under whatever prefix:
		// it names one element (SAML core §5.4.2).
		if a.Space != "" || !isName(a.Value) || s.ids[a.Value] {
			return errID
		}
		s.ids[a.Value] = true
	}
	return nil
}

// isName: an NCName of ASCII. SAML, XML Signature and XML Encryption use no other,
// nor do IDs that products make.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}
