package main

import (
	"bytes"
	"context"
	"slices"
)

// path is something that a server is asked again and again.
type path struct {
	name     string
	subjects []string // who can be asked
	// yardstick is what its rate is held against.
	yardstick string
	// nonces is true where the server must demand nonces for proofs.
	nonces bool
	// fixed requests may be sent any number of times.
	fixed bool
	// prepare makes n requests as the bytes that go on the wire. Nothing of this is left to do while a server is measured.
	prepare func(ctx context.Context, s *scene, n int) ([][]byte, error)
	good    func(body []byte) bool
	leaves  rows // what each good answer leaves in the database
}

// rows counts what a server must have written.
type rows struct{ tokens, assertions, proofs, revoked, considered, codes int }

func (r *rows) add(n int, each rows) {
	r.tokens += n * each.tokens
	r.assertions += n * each.assertions
	r.proofs += n * each.proofs
	r.revoked += n * each.revoked
	r.considered += n * each.considered
	r.codes += n * each.codes
}

var (
	engines = []string{subjectSQLite, subjectPostgres}
	// Keycloak has these in a form that is the same for both.
	everybody = []string{subjectSQLite, subjectPostgres, subjectKeycloak}

	// What seals shows where something stored is opened.
	lenders = append(slices.Clone(engines), subjectTransit, subjectTransitSlow)

	byAssertion = rows{tokens: 1, assertions: 1}
	byProof     = rows{tokens: 1, assertions: 1, proofs: 1}
)

const (
	pathPing   = "ping"
	pathEcho   = "echo"
	pathSign   = "verify+sign"
	pathIDJAG  = "id-jag"
	pathClient = "client_credentials"
	pathVend   = "vend"
)

// paths are all that can be measured, the yardsticks first.
func paths() []path {
	return []path{
		{name: pathEcho, subjects: []string{subjectEcho}, prepare: each((*scene).idjag), good: carriesToken},
		{name: pathSign, subjects: []string{subjectSign}, prepare: each((*scene).idjag), good: carriesToken},
		{name: pathPing, subjects: []string{subjectPing}, fixed: true, prepare: get("/ping"), good: something},

		{name: pathIDJAG, subjects: engines, yardstick: pathSign, prepare: each((*scene).idjag), good: carriesToken, leaves: byAssertion},
		{name: "jwt-bearer", subjects: everybody, yardstick: pathSign, prepare: each((*scene).plain), good: carriesToken, leaves: byAssertion},
		{name: "workload", subjects: engines, yardstick: pathSign, prepare: each((*scene).workload), good: carriesToken, leaves: byAssertion},
		{name: pathClient, subjects: everybody, yardstick: pathSign, fixed: true, prepare: once((*scene).clientCredentials), good: carriesToken, leaves: rows{tokens: 1}},
		{name: "id-jag RS256", subjects: engines, yardstick: pathSign, prepare: each((*scene).idjagRS256), good: carriesToken, leaves: byAssertion},
		{name: "id-jag EdDSA", subjects: engines, yardstick: pathSign, prepare: each((*scene).idjagEdDSA), good: carriesToken, leaves: byAssertion},
		{name: "id-jag DPoP", subjects: engines, yardstick: pathSign, prepare: each((*scene).bound), good: carriesToken, leaves: byProof},
		{name: "introspection", subjects: everybody, fixed: true, prepare: introspections, good: saysActive},
		{name: "revocation", subjects: engines, prepare: revocations, good: anything, leaves: rows{revoked: 1}},
		{name: "code exchange", subjects: engines, yardstick: pathSign, prepare: exchanges, good: carriesToken, leaves: rows{tokens: 1, codes: 1}},
		{name: "refresh", subjects: engines, yardstick: pathSign, prepare: rotations, good: carriesRefreshToken, leaves: rows{tokens: 1}},
		{name: pathVend, subjects: lenders, fixed: true, prepare: vends, good: carriesToken, leaves: byLease},
		{name: "par", subjects: engines, fixed: true, prepare: once((*scene).pushed), good: carriesRequestURI},
		{name: "sign-in page", subjects: engines, yardstick: pathPing, fixed: true, prepare: get("/signin?then=/account"), good: isPage},
		{name: "jwks", subjects: everybody, yardstick: pathPing, fixed: true, prepare: document((*scene).jwksPath), good: something},
		{name: "metadata", subjects: everybody, yardstick: pathPing, fixed: true, prepare: document((*scene).metadataPath), good: something},

		{name: "id-jag DPoP nonce", subjects: engines, yardstick: pathSign, nonces: true, prepare: withNonce, good: carriesToken, leaves: byProof},
	}
}

func pathNames() []string {
	var names []string
	for _, p := range paths() {
		names = append(names, p.name)
	}
	return names
}

func pathOf(name string) path {
	all := paths()
	return all[slices.IndexFunc(all, func(p path) bool { return p.name == name })]
}

// carriesToken reports whether there is an access token that is not empty.
func carriesToken(body []byte) bool {
	_, after, found := bytes.Cut(body, []byte(`"access_token":"`))
	return found && len(after) > 0 && after[0] != '"'
}

func carriesRefreshToken(body []byte) bool {
	return carriesToken(body) && bytes.Contains(body, []byte(`"refresh_token":"rft_`))
}

func carriesRequestURI(body []byte) bool { return bytes.Contains(body, []byte(`"request_uri":"urn:`)) }

// isPage: the chooser, with a form in it.
func isPage(body []byte) bool { return bytes.Contains(body, []byte("<form")) }

// saysActive: the answer to one who may ask about a token that lives.
func saysActive(body []byte) bool { return bytes.Contains(body, []byte(`"active":true`)) }

func something(body []byte) bool { return len(body) > 0 }

func anything([]byte) bool { return true }
