package capture

import (
	"encoding/base64"
	"strings"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/jws"
	"github.com/chancery-dev/chancery/federation/strict"
)

// decode reads the first two parts of an assertion, verified or not. The third, and
// the whole, go nowhere.
func decode(compact string) (header, claims map[string]any) {
	parts := strings.Split(compact, ".")
	if len(compact) > jws.MaxBytes || len(parts) != 3 {
		return nil, nil
	}
	return object(parts[0]), object(parts[1])
}

func object(part string) map[string]any {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	members, err := strict.Object(text, strict.Limits{Bytes: jws.MaxBytes})
	if err != nil {
		return nil
	}
	return members
}

func newSeen(s grant.Sighting, header, claims map[string]any) Seen {
	seen := Seen{
		At: s.At.UTC(), Trace: s.Trace, Client: s.Client, Granted: s.Code == "", Code: string(s.Code),
		Header: header, Claims: claims, Rows: make([]diagnose.Row, 0, len(s.Checks)),
	}
	for _, check := range s.Checks {
		row := diagnose.Row{Check: check.Name, Status: diagnose.Pass, Seen: check.Received, Expected: check.Expected}
		if check.OK && check.Name == "signature" {
			seen.Verified = true
		}
		if !check.OK {
			row.Status, row.Code = diagnose.Fail, federation.Code(s.Code)
			if known, ok := oauth.Lookup(s.Code); ok {
				row.Change = known.Fix
			}
		}
		seen.Rows = append(seen.Rows, row)
	}
	return seen
}
