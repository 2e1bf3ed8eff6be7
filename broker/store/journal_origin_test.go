package store_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
)

// A grant that was refreshed for months has many tokens, of which few are alive: to end it costs what those cost.
func TestEndOfAnOldGrant(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		l, e := openLedger(t, s, s.Journal()), begin("a")
		commit(t, l, e)
		many := `with recursive n (i) as (select 1 union all select i + 1 from n where i < 300000) insert into issued_tokens
(tenant_uid, jti, issued_at, expires_at, kid, grant_type, client_uid, subject, idp_uid, resource_uid, audience, scope, jkt, decision_id, trace, version, origin)
select $1, 'tok_' || i, 0, i, 'k', 'refresh_token', 'cli_1', 'usr_1', 'idp_1', 'res_1', 'https://mcp.acme.com/notes', 'notes:read', '', '', '', 1, 'a' from n`
		if _, err := s.SQL().Exec(many, acme.String()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		commit(t, l, end(e.Family))
		t.Logf("ended in %s", time.Since(begun))
		if f := familyOf(t, s, e.Family); f.End == nil || f.End.Why != ledger.EndedByReuse || !revoked(t, s, e) {
			t.Errorf("%+v", f)
		}
	})
}
