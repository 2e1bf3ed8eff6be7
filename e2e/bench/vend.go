package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to put a connection where there are many

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// What is lent: an API key that each person entered, so that no provider is asked and nothing but Chancery is measured.
// The agent has one of its own, which others are copied from.
const (
	lentProvider = "tracker"
	lentAccount  = "bench"
)

const exchangeType = "urn:ietf:params:oauth:grant-type:token-exchange"

// byLease leaves a decision and an event, and no token of ours.
var byLease = rows{considered: 1}

// vends exchanges access tokens of people for the provider's; each comes several times, as an agent's does.
func vends(ctx context.Context, s *scene, _ int) ([][]byte, error) {
	if err := s.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	asked, err := each((*scene).idjag)(ctx, s, introspected)
	if err != nil {
		return nil, err
	}
	tokens, err := s.keep(ctx, asked, byAssertion)
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = s.post(s.tokenPath(), "", url.Values{
			"grant_type": {exchangeType}, "subject_token": {token}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			"audience": {lentProvider}, "scope": {"notes:read"},
		}.Encode()+s.credentials(clientID))
	}
	return requests, err
}

// connect puts a connection of the agent's and one of each person's into the database, sealed as the server would seal it.
func (s *scene) connect(ctx context.Context) (err error) {
	if s.connected {
		return nil
	}
	db, err := s.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ref := connection.Ref{Owner: connection.Owner{Kind: connection.Client}}
	for _, one := range []struct {
		kind, name string
		uid        *string
	}{{"Client", clientID, &ref.Owner.UID}, {"Provider", lentProvider, &ref.Provider}} {
		if err := db.QueryRowContext(ctx, "select tenant_uid, uid from objects where kind = $1 and name = $2", one.kind, one.name).Scan(&ref.Tenant, one.uid); err != nil {
			return fmt.Errorf("%s %s: %w", one.kind, one.name, err)
		}
	}
	sealer, done, err := s.sealer()
	if err != nil {
		return err
	}
	defer done()
	if err := insert(ctx, db, sealer, ref); err != nil {
		return err
	}
	for i := range s.users {
		ref.Owner.Kind = connection.User
		if err := db.QueryRowContext(ctx, "select uid from objects where kind = 'User' and name = $1", fmt.Sprintf("user-%d", i)).Scan(&ref.Owner.UID); err != nil {
			return fmt.Errorf("user-%d: %w", i, err)
		}
		if err := insert(ctx, db, sealer, ref); err != nil {
			return err
		}
	}
	s.connected = true
	return nil
}

func insert(ctx context.Context, db *sql.DB, sealer vault.Sealer, ref connection.Ref) error {
	now := time.Now().UTC()
	ref.ID = connection.NewID(now)
	sealed, err := connection.Seal(ctx, sealer, ref, 1, provider.Credential{Origin: provider.FromHand, Access: provider.NewSecret("bench-api-key"), IssuedAt: now}, now)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `insert into connections (tenant_uid, id, owner_kind, owner_uid, provider_uid, account_id, account_label, scopes, status, reason, version,
credential, key_id, sealed_at, refresh_state, created_at, updated_at) values ($1, $2, $9, $3, $4, $5, $5, '[]', 'connected', '', 1, $6, $7, $8, 'idle', $8, $8)`,
		ref.Tenant, ref.ID, ref.Owner.UID, ref.Provider, lentAccount, sealed.Blob, sealed.KeyID, now.UnixMicro(), string(ref.Owner.Kind))
	return err
}

// open opens the database beside the server, as its owner's superuser where there is one.
func (s *scene) open() (*sql.DB, error) {
	if s.superuser != "" {
		return sql.Open("pgx", s.superuser)
	}
	file := strings.TrimPrefix(s.settings["Database"].(string), "sqlite://") //nolint:forcetypeassert,errcheck // configure says it
	return sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
}
