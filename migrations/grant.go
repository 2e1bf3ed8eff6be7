package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrRole says that a role cannot be the runtime role.
var ErrRole = errors.New("not a runtime role")

// rights says what the runtime role may do to each table, and nothing else: no
// DDL, no change to what is in the audit log. A table that is not named here is
// out of its reach. What has to go from decisions and issued_tokens goes a month
// at a time through chancery_drop_expired, which belongs to the owner.
var rights = []struct{ table, may string }{
	{"tenants", "select, insert, update"},
	{"tenant_versions", "select, insert, update"},
	{"tenant_changes", "select, insert, delete"},
	{"objects", "select, insert, update"}, // a deleted row is a tombstone
	{"object_revisions", "select, insert"},
	{"object_keys", "select, insert, delete"},
	{"client_secrets", "select, insert, update (revoked_at)"},
	{"signing_keys", "select, insert, update, delete"},
	{"redemptions", "select, insert, delete"}, // a loser's others, and what has expired
	{"decisions", "select, insert"},           // what has to go goes through chancery_purge_decisions too
	{"replays", "select, insert, update, delete"},
	{"access_matrices", "select, insert, update, delete"},
	{"issued_tokens", "select, insert"},
	{"refresh_families", "select, insert, update (generation, rotated_at, idle_until, ended_at, ended_why)"}, // what is over goes through chancery_sweep_families
	{"revocations", "select, insert, delete"},                                                                // what has expired; a policy keeps the rest
	{"idp_captures", "select, insert, update, delete"},                                                       // of its tenant; what has ended goes through chancery_sweep_captures
	{"service_provider_keys", "select, insert, update, delete"},
	{"saml_metadata", "select, insert, update, delete"},
	{"pending_requests", "select, insert, update, delete"}, // of its tenant; what has ended goes through chancery_sweep_requests
	{"pushed_requests", "select, insert, delete"},
	{"consents", "select, insert, update, delete"},
	{"registered_clients", "select, insert, update, delete"},
	{"registered_counts", "select, insert, update"},
	{"registration_tokens", "select, insert, update, delete"},
	{"device_authorizations", "select, insert, update, delete"}, // what has ended goes through chancery_sweep_devices
	{"approvals", "select, insert, update, delete"},             // what has ended goes through chancery_sweep_approvals
	{"approval_words", "select, insert"},                        // go with what they were said to
	{"interactions", "select, insert, update, delete"},          // what has ended goes through chancery_sweep_interactions
	{"passkeys", "select, insert, update (sign_count, used_at), delete"},
	{"passkey_challenges", "select, insert, delete"},
	{"policy_revisions", "select, insert"},
	{"proposals", "select, insert, update"}, // what was decided stays
	{"shadow_runs", "select, insert, update, delete"},
	{"shadow_counts", "select, insert, update, delete"},
	{"replicas", "select, insert, update, delete"},
	{"replica_reports", "select, insert, update, delete"},
	{"connections", "select, insert, update, delete"},
	{"webhook_reading", "select, insert, update"},
	{"webhook_messages", "select, insert, update, delete"},
	{"connect_links", "select, insert, delete"}, // what has ended goes through chancery_sweep_connect
	{"connect_trips", "select, insert, update (ends_at), delete"},
	{"sessions", "select, insert, update (seen_at, keep_until, ended_at, end_reason)"}, // what has ended goes through chancery_sweep_sign_in
	{"departures", "select, insert, delete"},
	{"profiles", "select, insert, update, delete"}, // with its user
	{"audit_writers", "select, insert, update (%heads%)"},
	{"audit_events", "select, insert"},
	{"audit_checkpoints", "select, insert"},
	{"checkpoint_keys", "select, insert, update (retired_at, sealed)"},
	{"installation_secrets", "select, insert, update (sealed)"},
	{table, "select"},
}

var functions = []string{"chancery_prepare_partitions(bigint)", "chancery_drop_expired(text, bigint)", "chancery_sweep_captures()", "chancery_sweep_sign_in(integer)", "chancery_sweep_devices(integer)", "chancery_sweep_families(integer)", "chancery_sweep_interactions(integer)", "chancery_sweep_approvals(integer)", "chancery_sweep_connect(integer)", "chancery_sweep_requests(integer)", "chancery_purge_decisions(text, bigint, text, integer)"}

// Grant gives the runtime role of a PostgreSQL database its rights, and takes
// every other right on the schema's tables. It runs as the owner, after Up, as
// often as one likes.
func Grant(ctx context.Context, owner *sql.DB, role string) error {
	tx, err := owner.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := checkRole(ctx, tx, role); err != nil {
		return err
	}
	statements, err := grants(ctx, tx, role)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("grant: %s: %w", statement, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	return nil
}

// checkRole refuses a role to which grants and row-level security mean nothing.
func checkRole(ctx context.Context, tx *sql.Tx, role string) error {
	var free, owns bool
	err := tx.QueryRowContext(ctx,
		`select exists (select 1 from pg_roles r where pg_has_role(me.oid, r.oid, 'member') and (r.rolsuper or r.rolbypassrls
		or r.rolcreaterole or r.rolname in ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'))),
		pg_has_role(me.oid, current_user, 'member') from pg_roles me where me.rolname = $1`,
		role).Scan(&free, &owns)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: there is no role %q", ErrRole, role)
	case err != nil:
		return fmt.Errorf("grant: %w", err)
	case free:
		return fmt.Errorf("%w: %q, or a role that it is a member of, goes past row-level security or any table's rights", ErrRole, role)
	case owns:
		return fmt.Errorf("%w: %q is the owner or a member of it", ErrRole, role)
	}
	return nil
}

func grants(ctx context.Context, tx *sql.Tx, role string) ([]string, error) {
	var schema, heads string
	if err := tx.QueryRowContext(ctx, "select current_schema()").Scan(&schema); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	// A writer's beginning is fixed; where it is now moves.
	err := tx.QueryRowContext(ctx, `select string_agg(quote_ident(column_name), ', ') from information_schema.columns
		where table_schema = $1 and table_name = 'audit_writers' and column_name not in ('id', 'anchor', 'started_at')`, schema).Scan(&heads)
	if err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	to, in := quote(role), quote(schema)
	statements := []string{
		"revoke create on schema " + in + " from public, " + to,
		"grant usage on schema " + in + " to " + to,
		"revoke all on all tables in schema " + in + " from public, " + to,
	}
	for _, r := range rights {
		may := strings.Replace(r.may, "%heads%", heads, 1)
		statements = append(statements, "grant "+may+" on "+in+"."+quote(r.table)+" to "+to)
	}
	for _, f := range functions {
		statements = append(statements, "revoke all on function "+in+"."+f+" from public", "grant execute on function "+in+"."+f+" to "+to)
	}
	return statements, nil
}

func quote(identifier string) string { return `"` + strings.ReplaceAll(identifier, `"`, `""`) + `"` }
