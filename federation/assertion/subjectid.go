package assertion

import (
	"errors"

	"github.com/chancery-dev/chancery/federation"
)

// readSubjectID reads sub_id (RFC 9493, ID-JAG-04). A format that is not served
// is left out and named, since another identifier may find the subject; one that
// is served and malformed is refused.
func (c *claimSet) readSubjectID() {
	const name = "sub_id"
	members := c.object(name)
	if c.refusal != nil || members == nil {
		return
	}
	id, err := federation.ParseSubjectID(members)
	switch {
	case errors.Is(err, federation.ErrSubjectIDFormat):
		format, _ := members["format"].(string)
		c.subjectIDFormat = federation.Clip(format)
	case err != nil:
		c.refuse(federation.CodeClaimMalformed, name, "", "a subject identifier (RFC 9493)", err)
	default:
		c.subjectID = id
	}
}
