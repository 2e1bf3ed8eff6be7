package object

import (
	"errors"
	"fmt"
)

// Person is what a user's attributes say that the product itself asks about. Other attributes are for policies alone.
type Person struct {
	Guest      bool
	Kind       string // "" is a person
	HomeTenant string
	Roles      []string
}

var errAttribute = errors.New("an attribute that the product reads has the wrong form")

// Person reads the attributes guest, kind, home_tenant and roles. One of the wrong type is an error, never absent: a guest
// written as "yes" must not read as no guest.
func (s *UserSpec) Person() (Person, error) {
	var p Person
	for name, value := range s.Attributes {
		ok := true
		switch name {
		case "guest":
			p.Guest, ok = value.(bool)
		case "kind":
			p.Kind, ok = value.(string)
		case "home_tenant":
			p.HomeTenant, ok = value.(string)
		case "roles":
			p.Roles, ok = texts(value)
		}
		if !ok {
			return Person{}, fmt.Errorf("%w: guest is true or false, kind and home_tenant are text, roles a list of texts; %s is none of those", errAttribute, name)
		}
	}
	return p, nil
}

func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, member := range list {
		text, ok := member.(string)
		if !ok {
			return nil, false
		}
		out = append(out, text)
	}
	return out, true
}
