package storetest_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/migrations"
)

// TestNoMethodWithoutTenant calls every method of every store that takes a tenant,
// or a change that names one, without one.
func TestNoMethodWithoutTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		signing, err := d.Store.SigningKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		provider, err := d.Store.ServiceProviderKeys(d.Ledger(t, d.Store))
		if err != nil {
			t.Fatal(err)
		}
		called := 0
		for _, s := range []any{d.Objects(t), signing, provider, d.Store.SAMLMetadata(d.Ledger(t, d.Store)), d.Store, d.Store.Tokens(d.Ledger(t, d.Store)), d.Store.Families(d.Ledger(t, d.Store))} {
			v := reflect.ValueOf(s)
			for i := range v.NumMethod() {
				name, method := v.Type().Method(i).Name, v.Method(i)
				if !namesTenant(method.Type()) {
					continue
				}
				called++
				if err := call(t.Context(), method); !errors.Is(err, tenant.ErrNoTenant) {
					t.Errorf("%T.%s without a tenant: got %v, want ErrNoTenant", s, name, err)
				}
			}
		}
		if called < 19 {
			t.Fatalf("only %d methods were found: the test looks past them", called)
		}
	})
}

func namesTenant(method reflect.Type) bool {
	for in := range method.Ins() {
		if in == reflect.TypeFor[tenant.UID]() || in == reflect.TypeFor[keys.Change]() || in == reflect.TypeFor[object.Write]() ||
			in == reflect.TypeFor[keys.ServiceProviderChange]() || in == reflect.TypeFor[samlmetadata.Change]() {
			return true
		}
	}
	return false
}

// call fills every other argument with something valid enough that only the tenant is missing.
func call(ctx context.Context, method reflect.Value) error {
	var args []reflect.Value
	for in := range method.Type().Ins() {
		switch in {
		case reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(ctx))
		case reflect.TypeFor[time.Time]():
			args = append(args, reflect.ValueOf(time.Now()))
		case reflect.TypeFor[object.Secret]():
			args = append(args, reflect.ValueOf(object.Secret{ID: "sec_1", ClientUID: "cli_1", Scheme: "sha256", Digest: []byte("d"), CreatedAt: time.Now()}))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	out := method.Call(args)
	err, _ := reflect.TypeAssert[error](out[len(out)-1])
	return err
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		other := d.Tenant(t, "other")
		key := object.Key{Space: "client_id", Value: "claude", Exclusive: true}
		mine := storetest.New(d.Default, object.KindClient, "claude", spec, key)
		storetest.Apply(t, objects, mine)
		secret := object.Secret{ID: "sec_1", ClientUID: mine.UID, Scheme: "sha256", Digest: []byte("d"), CreatedAt: time.Now()}
		if _, err := objects.AddSecret(t.Context(), d.Default, secret, storetest.Event(d.Default)); err != nil {
			t.Fatal(err)
		}

		if s, err := objects.Get(t.Context(), other, object.KindClient, "claude"); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("get: %v, %v", s, err)
		}
		if s, err := objects.ByUID(t.Context(), other, object.KindClient, mine.UID); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("by uid: %v, %v", s, err)
		}
		if s, err := objects.FindByKey(t.Context(), other, "client_id", "claude"); err != nil || len(s) != 0 {
			t.Errorf("by key: %v, %v", s, err)
		}
		if s, err := objects.List(t.Context(), other, object.KindClient, "", 0); err != nil || len(s) != 0 {
			t.Errorf("list: %v, %v", s, err)
		}
		if s, err := objects.Secrets(t.Context(), other, mine.UID); err != nil || len(s) != 0 {
			t.Errorf("secrets: %v, %v", s, err)
		}
		if _, err := objects.RevokeSecret(t.Context(), other, mine.UID, "sec_1", time.Now(), storetest.Event(other)); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("revoke a secret: %v", err)
		}
		secret.ID = "sec_2"
		if _, err := objects.AddSecret(t.Context(), other, secret, storetest.Event(other)); !errors.Is(err, object.ErrNotFound) {
			t.Errorf("add a secret: %v", err)
		}
		stolen := storetest.Delete(mine.Stored)
		stolen.Tenant = other
		if _, err := objects.Apply(t.Context(), object.Write{Tenant: other, Changes: []object.Change{stolen}, Events: events(other)}); !errors.Is(err, object.ErrConflict) {
			t.Errorf("delete: %v", err)
		}
		if _, err := objects.Get(t.Context(), d.Default, object.KindClient, "claude"); err != nil {
			t.Errorf("the owner lost it: %v", err)
		}
	})
}

// walled are the tables behind row-level security.
var walled = []string{"approvals", "approval_words", "replays", "access_matrices", "policy_revisions", "proposals", "shadow_counts", "replica_reports", "connections", "connect_links", "connect_trips", "objects", "object_revisions", "object_keys", "client_secrets", "signing_keys", "revocations", "idp_captures", "service_provider_keys", "saml_metadata", "registered_clients", "registered_counts", "registration_tokens", "pending_requests", "pushed_requests", "consents", "interactions", "passkeys", "passkey_challenges", "sessions", "departures", "profiles", "refresh_families", "device_authorizations", "webhook_messages"}

func TestRowLevelSecurity(t *testing.T) {
	d := postgres(t)
	objects := d.Objects(t)
	other := d.Tenant(t, "other")
	made := storetest.New(d.Default, object.KindClient, "claude", spec, object.Key{Space: "client_id", Value: "claude", Exclusive: true})
	storetest.Apply(t, objects, made)
	secret := object.Secret{ID: "sec_1", ClientUID: made.UID, Scheme: "sha256", Digest: []byte("d"), CreatedAt: time.Now()}
	if _, err := objects.AddSecret(t.Context(), d.Default, secret, storetest.Event(d.Default)); err != nil {
		t.Fatal(err)
	}
	addSigningKey(t, d, d.Default, "kid")
	newShelf(t, d).mark(d.Default, lifecycle.Client, made.UID)
	keepCapture(t, d, d.Default)
	keepSignIn(t, d, d.Default)
	addServiceProviderKey(t, d, d.Default)
	keepMetadata(t, d, d.Default)
	keepConnection(t, d, d.Default)
	keepConnects(t, d, d.Default)
	keepWebhook(t, d, d.Default)
	keepRegistrations(t, d, d.Default)
	keepRequests(t, d, d.Default)
	keepInteractions(t, d, d.Default)
	keepApprovals(t, d, d.Default)
	keepRevisions(t, d, d.Default)
	keepReplays(t, d, d.Default)
	begin(t, d, family(t, d, d.Default, "walled", "usr_1", "cli_1"))
	must(t, d.Store.Devices(d.Ledger(t, d.Store)).Begin(t.Context(), d.Default, waitingDevice(time.Now()), 10))
	raw := d.Raw(t)
	for _, table := range walled {
		for who, uid := range map[string]string{"nobody": "", "another tenant": other.String(), "its tenant": d.Default.String()} {
			tx, err := raw.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if uid != "" {
				if _, err := tx.ExecContext(t.Context(), "select set_config('chancery.tenant', $1, true)", uid); err != nil {
					t.Fatal(err)
				}
			}
			var n int
			if err := tx.QueryRowContext(t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if want := who == "its tenant"; n > 0 != want {
				t.Errorf("%s shows %d rows to %s", table, n, who)
			}
			_ = tx.Rollback()
		}
	}
	// The name of a tenant does not outlive its transaction on a pooled connection.
	raw.SetMaxOpenConns(1)
	var n int
	if err := raw.QueryRowContext(t.Context(), "select count(*) from objects").Scan(&n); err != nil || n != 0 {
		t.Errorf("after the transaction %d rows are seen, %v", n, err)
	}
	_, err := raw.ExecContext(t.Context(), `insert into objects (tenant_uid, uid, kind, name, revision, managed_by, labels, spec, created_at, updated_at)
		values ($1, 'cli_x', 'Client', 'x', 1, '', '{}', '{}', 0, 0)`, d.Default.String())
	if code(err) != "42501" {
		t.Errorf("a row was written past the wall: %v", err)
	}
	var owners int
	if err := d.Owner.QueryRowContext(t.Context(), "select count(*) from objects").Scan(&owners); err != nil || owners != 0 {
		t.Errorf("the owner, too, is behind the wall: saw %d, %v", owners, err)
	}
}

func TestRuntimeRole(t *testing.T) {
	d := postgres(t)
	storetest.Apply(t, d.Objects(t), storetest.New(d.Default, object.KindClient, "claude", spec))
	raw := d.Raw(t)
	var month string
	if err := raw.QueryRowContext(t.Context(), "select to_char(now() at time zone 'UTC', 'YYYYMM')").Scan(&month); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMicro()
	for _, may := range []string{
		"select chancery_prepare_partitions(" + micros(now) + ")",
		"select chancery_drop_expired('decisions', 0)",
		"select count(*) from chancery_migrations",
		"delete from redemptions",
		"update audit_writers set seen_at = seen_at, sealed_at = sealed_at",
		// A rewrap seals the private half anew. What was signed is proved by the public one, which nobody changes.
		"update checkpoint_keys set sealed = sealed",
	} {
		if _, err := raw.ExecContext(t.Context(), may); err != nil {
			t.Errorf("%s: %v", may, err)
		}
	}
	refused := []string{
		"update audit_events set code = ''", "delete from audit_events", "truncate audit_events",
		"update audit_events_default set code = ''", "delete from audit_events_default", "insert into audit_events_" + month + " select * from audit_events",
		"drop table audit_events_" + month, "update audit_checkpoints set body = ''", "delete from audit_checkpoints",
		"update audit_writers set anchor = ''", "update audit_writers set id = id", "delete from audit_writers",
		"update issued_tokens set scope = ''", "delete from issued_tokens", "update decisions set result = ''", "delete from decisions",
		"update redemptions set entry = ''", "update revocations set version = 0", "truncate revocations", "delete from objects", "delete from tenants", "delete from object_revisions", "update object_revisions set spec = ''",
		"update client_secrets set digest = ''", "delete from client_secrets", "delete from checkpoint_keys", "update checkpoint_keys set public_jwk = ''", "update checkpoint_keys set kid = kid",
		"insert into chancery_migrations (version_id, is_applied) values (9, true)", "delete from chancery_migrations",
		"create table mine (a int)", "alter table objects disable row level security", "alter table objects add column a int",
		"drop table objects", "create function f() returns int language sql as 'select 1'", "drop policy tenant on objects",
		"create index mine on audit_events (at)", "create trigger t before insert on audit_events execute function chancery_prepare_partitions()",
	}
	for _, statement := range refused {
		_, err := raw.ExecContext(t.Context(), statement)
		if c := code(err); c != "42501" && (c != "42883" || !strings.Contains(statement, "trigger")) {
			t.Errorf("%s: got %v, want insufficient_privilege", statement, err)
		}
	}
	for _, statement := range []string{
		"select chancery_drop_expired('audit_events', 0)", "select chancery_drop_expired('objects', 0)",
		"select chancery_drop_expired('decisions', " + micros(now) + ")",
	} {
		if _, err := raw.ExecContext(t.Context(), statement); code(err) != "P0001" {
			t.Errorf("%s: got %v, want a refusal", statement, err)
		}
	}
}

func TestTemporaryTablesDoNotStandIn(t *testing.T) {
	d := postgres(t)
	raw := d.Raw(t)
	raw.SetMaxOpenConns(1)
	for _, statement := range []string{"create temp table decisions (at bigint)", "select chancery_prepare_partitions(" + micros(time.Now().UnixMicro()) + ")"} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	var n int
	err := d.Owner.QueryRowContext(t.Context(), "select count(*) from pg_inherits where inhparent = 'public.decisions'::regclass").Scan(&n)
	if err != nil || n != 3 { // default, this month and the next
		t.Fatalf("%d partitions, %v", n, err)
	}
}

// TestLatePartition: what came before its month's partition is in it afterwards.
func TestLatePartition(t *testing.T) {
	d := postgres(t)
	raw := d.Raw(t)
	later := time.Now().UTC().AddDate(0, 5, 0)
	for _, at := range []time.Time{later, later.AddDate(0, 6, 0)} {
		_, err := raw.ExecContext(t.Context(), `insert into audit_events (writer, seq, at, tenant_uid, id, trace, type, outcome, code, body, leaf, link)
			values ('wri_late', $1, $1, '', '', '', '', '', '', '', '', '')`, at.UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := raw.ExecContext(t.Context(), "select chancery_prepare_partitions($1)", later.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"audit_events": 2, "audit_events_default": 1, "audit_events_" + later.Format("200601"): 1} {
		var n int
		if err := d.Owner.QueryRowContext(t.Context(), "select count(*) from "+table+" where writer = 'wri_late'").Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d of the rows, %v; want %d", table, n, err, want)
		}
	}
}

func TestDropExpired(t *testing.T) {
	d := postgres(t)
	raw := d.Raw(t)
	now := time.Now().UTC()
	old := time.Date(now.Year()-1, 3, 15, 0, 0, 0, 0, time.UTC)
	// A month that has a partition, one that fell into the default partition, and today.
	if _, err := raw.ExecContext(t.Context(), "select chancery_prepare_partitions($1)", old.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{old, old.AddDate(0, 3, 0), now} {
		_, err := raw.ExecContext(t.Context(), `insert into decisions (tenant_uid, id, at, trace, action, allow, code, policies, input_hash, result)
			values ($1, 'dec_1', $2, '', 'issue', true, '', '[]', '', '{}')`, d.Default.String(), at.UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
	}
	var gone, left int
	if err := raw.QueryRowContext(t.Context(), "select chancery_drop_expired('decisions', $1)", now.AddDate(0, -1, 0).UnixMicro()).Scan(&gone); err != nil {
		t.Fatal(err)
	}
	if err := raw.QueryRowContext(t.Context(), "select count(*) from decisions").Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 1 || gone == 0 {
		t.Fatalf("%d decisions are left, %d things went; want 1, some", left, gone)
	}
}

func TestGrantRefusesRoles(t *testing.T) {
	d := postgres(t)
	var owner string
	if err := d.Owner.QueryRowContext(t.Context(), "select current_user").Scan(&owner); err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{"unknown": "nobody_at_all", "the owner": owner, "a superuser": "postgres"} {
		if err := migrations.Grant(t.Context(), d.Owner, role); !errors.Is(err, migrations.ErrRole) {
			t.Errorf("%s: got %v, want ErrRole", name, err)
		}
	}
	if _, err := d.Owner.ExecContext(t.Context(), "grant delete on audit_events to "+d.Role); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Grant(t.Context(), d.Owner, d.Role); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Raw(t).ExecContext(t.Context(), "delete from audit_events"); code(err) != "42501" {
		t.Errorf("a right from before stayed: %v", err)
	}
}

func TestSchemaOnPostgres(t *testing.T) {
	d := postgres(t)
	if err := migrations.Check(t.Context(), d.Raw(t), migrations.Postgres); err != nil {
		t.Fatalf("the runtime role cannot check: %v", err)
	}
	var walls []string
	rows, err := d.Owner.QueryContext(t.Context(), "select relname from pg_class where relrowsecurity and relforcerowsecurity order by relname")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		walls = append(walls, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(slices.Values(walled)); !slices.Equal(walls, want) {
		t.Errorf("row-level security on %v, want %v", walls, want)
	}
	if err := d.Store.Close(); err != nil {
		t.Fatal(err)
	}
	steps, err := migrations.Steps(migrations.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		if _, err := migrations.Down(t.Context(), d.Owner, migrations.Postgres); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Check(t.Context(), d.Owner, migrations.Postgres); !errors.Is(err, migrations.ErrBehind) {
		t.Errorf("after down: %v, want ErrBehind", err)
	}
	if _, err := migrations.Up(t.Context(), d.Owner, migrations.Postgres); err != nil {
		t.Fatalf("up after down: %v", err)
	}
}

func postgres(t *testing.T) *storetest.Database {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		if d := e.New(t); d.Role != "" {
			return d
		}
	}
	t.Fatal("no PostgreSQL")
	return nil
}

func code(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}
