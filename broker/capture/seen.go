package capture

import (
	"encoding/base64"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
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
		Header: header, Claims: claims, Rows: rowsOf(s.Checks, s.Code),
	}
	for _, check := range s.Checks {
		seen.Verified = seen.Verified || check.OK && check.Name == "signature"
	}
	return seen
}

func rowsOf(checks []audit.Check, code oauth.Code) []diagnose.Row {
	rows := make([]diagnose.Row, 0, len(checks))
	for _, check := range checks {
		row := diagnose.Row{Check: check.Name, Status: diagnose.Pass, Seen: check.Received, Expected: check.Expected}
		if !check.OK {
			row.Status, row.Code = diagnose.Fail, federation.Code(code)
			if known, ok := oauth.Lookup(code); ok {
				row.Change = known.Fix
			}
		}
		rows = append(rows, row)
	}
	return rows
}
