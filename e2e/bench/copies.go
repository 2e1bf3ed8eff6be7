package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What is copied, as objects.go has it: names end in -copy, those of copies in -copy-N.
const copySubject = "00ucopy"

func copyIssuer(i int) string { return "https://idp-copy-" + strconv.Itoa(i+1) + ".bench.example" }
func copyClient(i int) string { return "client-copy-" + strconv.Itoa(i+1) }

// enlarge copies rows that the server wrote, past it, and starts it again: a million objects through the API would take
// longer than all that is measured. docs/performance.md shows these statements. An event is there to be copied because
// a token was asked for first.
func (t *target) enlarge(ctx context.Context, o options, copies map[string]int) error {
	if _, err := t.scene.tokens(ctx, 1); err != nil {
		return err
	}
	if copies[dimConnected] > 0 {
		if err := t.scene.connect(ctx); err != nil {
			return err
		}
	}
	if err := t.process.stop(); err != nil {
		return err
	}
	c, err := t.db.superuser(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	begun := time.Now()
	for _, dimension := range []string{dimIdPs, dimClients, dimAudit, dimConnected} {
		n := copies[dimension]
		if n == 0 {
			continue
		}
		for _, statement := range copying[dimension] {
			if _, err := c.Exec(ctx, strings.ReplaceAll(statement, "$N", strconv.Itoa(n))); err != nil {
				return fmt.Errorf("%w: %s", err, statement)
			}
		}
	}
	if _, err := c.Exec(ctx, "vacuum analyze"); err != nil {
		return err
	}
	t.started.FilesReadyMS = milliseconds(time.Since(begun)) // how long the copying took
	return t.start(ctx, o)
}

// copyObject copies an object $N times. uids keep their form: the last eight of their letters count.
func copyObject(name, replaced string) string {
	return `insert into objects (tenant_uid, uid, kind, name, revision, managed_by, labels, spec, created_at, updated_at)
select tenant_uid, left(uid, -8) || lpad(n::text, 8, '0'), kind, name || '-' || n, 1, managed_by, labels, ` + replaced + `, created_at, updated_at
from objects, generate_series(1, $N) n where name = '` + name + `'`
}

func copyKey(name, space, value string, exclusive bool) string {
	return fmt.Sprintf(`insert into object_keys (tenant_uid, space, key, object_uid, exclusive)
select tenant_uid, '%s', %s, left(uid, -8) || lpad(n::text, 8, '0'), %t from objects, generate_series(1, $N) n where name = '%s'`,
		space, value, exclusive, name)
}

// copying are the statements for each dimension; $N is how many.
var copying = map[string][]string{
	dimIdPs: {
		copyObject("idp-copy", `replace(spec, 'idp-copy', 'idp-copy-' || n)`),
		copyKey("idp-copy", "issuer", `'https://idp-copy-' || n || '.bench.example'`, true),
		copyObject("user-copy", `replace(replace(spec, 'idp-copy', 'idp-copy-' || n), 'user-copy', 'user-copy-' || n)`),
		copyKey("user-copy", "email", `'user-copy-' || n || '@bench.example'`, false),
		// A link holds an IdP's uid and a digest of its issuer.
		copyKey("user-copy", "identity", `'["' || (select left(uid, -8) from objects where name = 'idp-copy') || lpad(n::text, 8, '0') || '@' ||
  rtrim(translate(encode(sha256(('https://idp-copy-' || n || '.bench.example')::bytea), 'base64'), '+/', '-_'), '=') || '","","`+copySubject+`"]'`, true),
	},
	dimClients: {
		copyObject("client-copy", `replace(spec, 'client-copy', 'client-copy-' || n)`),
		copyKey("client-copy", "client_id", `'client-copy-' || n`, true),
		`insert into client_secrets (tenant_uid, id, client_uid, scheme, digest, created_at)
select s.tenant_uid, left(s.id, -8) || lpad(n::text, 8, '0'), left(o.uid, -8) || lpad(n::text, 8, '0'), s.scheme, s.digest, s.created_at
from client_secrets s join objects o on o.uid = s.client_uid, generate_series(1, $N) n where o.name = 'client-copy'`,
	},
	// Other people's, ten each, of the same provider: they do not open, and are here to be in the way. Their owners are there:
	// what nobody holds would be ended while it is measured.
	dimConnected: {
		strings.ReplaceAll(copyObject("user-0", "spec"), "$N", "$N / 10 + 1"),
		`insert into connections (tenant_uid, id, owner_kind, owner_uid, provider_uid, account_id, account_label, scopes, status, reason, version, credential, key_id, sealed_at,
refresh_state, created_at, updated_at)
select tenant_uid, left(id, -8) || lpad(n::text, 8, '0'), 'user', (select left(uid, -8) from objects where name = 'user-0') || lpad((1 + n / 10)::text, 8, '0'),
provider_uid, account_id || '-' || n, account_label, scopes, status, reason, version, credential, key_id,
sealed_at, refresh_state, created_at, updated_at from connections, generate_series(1, $N) n where owner_kind = 'client'`,
	},
	// Events of one day, of a writer that nobody asks about: they are here to be in the way, not to be verified.
	dimAudit: {
		`insert into audit_events (writer, seq, at, tenant_uid, id, trace, type, outcome, code, body, leaf, link)
select 'wri_copy', n, e.at - (n::bigint * 86400000000) / $N, e.tenant_uid, left(e.id, -8) || lpad(n::text, 8, '0'), e.trace, e.type, e.outcome, e.code, e.body, e.leaf, e.link
from (select * from audit_events where type = 'token.issued' limit 1) e, generate_series(1, $N) n`,
	},
}
