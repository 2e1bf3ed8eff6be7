//go:build !failpoints

package assembly

import "github.com/chancery-dev/chancery/vault/connection"

// failpoints are none: what is shipped cannot be told to die.
func (s *Server) failpoints() connection.Failpoints { return nil }
