package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

var noResource = idptest.WithoutClaim("resource")

// TestResource is the table of docs/grants.md, and what goes wrong beside it.
func TestResource(t *testing.T) {
	onlyNotes := change{"clients: [agent], resources: [notes, wiki, old]", "clients: [agent], resources: [notes, old]"}
	scopes := idptest.WithScope("notes:read wiki:read")
	for name, c := range map[string]struct {
		changes []change
		claim   idptest.Option
		request []string
		want    string // audience, or
		code    oauth.Code
	}{
		"one claimed, none requested":            {claim: idptest.WithResource(notesURI), want: notesURI},
		"one claimed, the same requested":        {claim: idptest.WithResource(notesURI), request: []string{notesURI}, want: notesURI},
		"spelled otherwise, as registered":       {claim: idptest.WithResource("HTTPS://MCP.acme.com:443/notes"), request: []string{"https://MCP.ACME.com/notes"}, want: notesURI},
		"requested twice, the same":              {claim: idptest.WithResource(notesURI), request: []string{notesURI, "https://mcp.acme.com:443/notes"}, want: notesURI},
		"several claimed, one requested":         {claim: idptest.WithResource(notesURI, wikiURI), request: []string{wikiURI}, want: wikiURI},
		"several claimed that are one":           {claim: idptest.WithResource(notesURI, "https://MCP.acme.com/notes"), want: notesURI},
		"several claimed, none requested":        {claim: idptest.WithResource(notesURI, wikiURI), code: oauth.CodeResourceUnsettled},
		"several requested":                      {claim: idptest.WithResource(notesURI, wikiURI), request: []string{notesURI, wikiURI}, code: oauth.CodeResourceUnsettled},
		"outside the claim":                      {claim: idptest.WithResource(notesURI), request: []string{wikiURI}, code: oauth.CodeResourceOutsideClaim},
		"outside the claim, unknown":             {claim: idptest.WithResource(notesURI), request: []string{"https://evil.example/"}, code: oauth.CodeResourceOutsideClaim},
		"trailing slash":                         {claim: idptest.WithResource(notesURI), request: []string{notesURI + "/"}, code: oauth.CodeResourceOutsideClaim},
		"path in capitals":                       {claim: idptest.WithResource(notesURI), request: []string{"https://mcp.acme.com/NOTES"}, code: oauth.CodeResourceOutsideClaim},
		"another port":                           {claim: idptest.WithResource(notesURI), request: []string{"https://mcp.acme.com:8443/notes"}, code: oauth.CodeResourceOutsideClaim},
		"with a fragment":                        {claim: idptest.WithResource(notesURI), request: []string{notesURI + "#x"}, code: oauth.CodeResourceNotAllowed},
		"relative":                               {claim: idptest.WithResource(notesURI), request: []string{"/notes"}, code: oauth.CodeResourceNotAllowed},
		"a name":                                 {claim: noResource, request: []string{"notes"}, code: oauth.CodeResourceNotAllowed},
		"claimed unknown":                        {claim: idptest.WithResource("https://mcp.acme.com/other"), code: oauth.CodeResourceUnknown},
		"claimed disabled":                       {claim: idptest.WithResource("https://mcp.acme.com/old"), code: oauth.CodeResourceUnknown},
		"claimed, not the client's or IdP's":     {claim: idptest.WithResource("https://mcp.acme.com/payroll"), code: oauth.CodeResourceUnknown},
		"one of the claimed unknown":             {claim: idptest.WithResource(notesURI, "https://evil.example/"), request: []string{notesURI}, code: oauth.CodeResourceUnknown},
		"claimed, not the IdP's":                 {changes: []change{onlyNotes}, claim: idptest.WithResource(wikiURI), code: oauth.CodeResourceUnknown},
		"absent, one requested":                  {claim: noResource, request: []string{wikiURI}, want: wikiURI},
		"absent, requested outside":              {claim: noResource, request: []string{"https://mcp.acme.com/payroll"}, code: oauth.CodeResourceNotAllowed},
		"absent, requested disabled":             {claim: noResource, request: []string{"https://mcp.acme.com/old"}, code: oauth.CodeResourceNotAllowed},
		"absent, none requested, two reachable":  {claim: noResource, code: oauth.CodeResourceUnsettled},
		"absent, none requested, one reachable":  {changes: []change{onlyNotes}, claim: noResource, want: notesURI},
		"absent, none requested, none reachable": {changes: []change{{"resources: [notes, wiki, old], scopes", "scopes"}}, claim: noResource, code: oauth.CodeResourceUnsettled},
		"the client lists none":                  {changes: []change{{"  resources: [notes, wiki, old]\n", ""}}, claim: idptest.WithResource(notesURI), code: oauth.CodeResourceUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			a := w.ask(t, c.claim, scopes)
			if c.request != nil {
				a = a.with("resource", c.request...)
			}
			if c.code != "" {
				w.refused(t, a, c.code)
				return
			}
			if response, minted := w.granted(t, a); response.Resource != c.want || minted.Claims().Audience != c.want {
				t.Errorf("for %s, want %s", response.Resource, c.want)
			}
		})
	}
}
