package regocheck

import "github.com/chancery-dev/chancery/broker/object"

// Hash is the hash of a policy's content (policy.Source.Hash), which names, uids and revisions are not part of.
func Hash(s *object.PolicySpec) string { return Source("", "", 0, s).Hash() }
