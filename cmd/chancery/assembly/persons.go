package assembly

import (
	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/person"
)

// lookUp says who people are now.
func (s *Server) lookUp() person.People {
	return person.People{Directories: s.source.Users(), Profiles: s.people.sessions, Bindings: s.objects}
}

// persons lets people in at the admin API by access tokens for the Resource whose uri is admin.public_url; where that is not
// said, programs alone come in.
func (s *Server) persons() (admin.People, error) {
	if s.Config.Admin.PublicURL == "" {
		return nil, nil //nolint:nilnil // nobody comes in by it
	}
	door := person.Door{
		People: s.lookUp(), Tokens: s.introspection, Records: s.tokens, Pictures: s.source,
		PublicURL: s.Config.Server.PublicURL, Audience: s.Config.Admin.PublicURL,
	}
	return door, door.Validate()
}
