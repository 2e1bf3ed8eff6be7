package admin

import (
	"encoding/base64"
	"strings"

	"github.com/chancery-dev/chancery/broker/object"
)

// A cursor is a name in another spelling. It holds nothing secret and cannot widen
// a reading: the tenant and the kind are the path's, made anew for each page.
const cursorPrefix = "n."

func cursorAfter(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + name))
}

func parseCursor(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return "", ErrCursor
	}
	name, ours := strings.CutPrefix(string(b), cursorPrefix)
	if !ours || !object.IsName(name) {
		return "", ErrCursor
	}
	return name, nil
}

// headerText makes text fit for a header (RFC 9110 §5.5).
func headerText(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
