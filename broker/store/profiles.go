package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	sessions "github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Profile implements session.Store.
func (k *Sessions) Profile(ctx context.Context, t tenant.UID, userUID, idpUID string) (sessions.Profile, bool, error) {
	p := sessions.Profile{Tenant: t, UserUID: userUID, IdPUID: idpUID}
	var groups string
	var seen int64
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `select name, email, email_verified, groups, groups_state, guest, subject, seen_at from profiles
where tenant_uid = $1 and user_uid = $2 and idp_uid = $3`, t.String(), userUID, idpUID).
			Scan(&p.Name, &p.Email, &p.EmailVerified, &groups, &p.GroupsState, &p.Guest, &p.Subject, &seen)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return sessions.Profile{}, false, nil
	}
	if err != nil {
		return sessions.Profile{}, false, err
	}
	if err := json.Unmarshal([]byte(groups), &p.Groups); err != nil {
		return sessions.Profile{}, false, fmt.Errorf("profiles: groups: %w", err)
	}
	p.SeenAt = fromMicros(seen)
	return p, true, nil
}

// saveProfile replaces what was said before, whole.
func saveProfile(ctx context.Context, tx *sql.Tx, p sessions.Profile) error {
	if err := p.Tenant.Check(); err != nil {
		return err
	}
	if p.UserUID == "" || p.IdPUID == "" || p.GroupsState == "" || p.SeenAt.IsZero() {
		return fmt.Errorf("%w: a profile needs a user, an IdP, what is known of groups, and a time", errIncomplete)
	}
	groups, err := json.Marshal(p.Groups)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `insert into profiles (tenant_uid, user_uid, idp_uid, name, email, email_verified, groups, groups_state, guest, subject, seen_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (tenant_uid, user_uid, idp_uid) do update set name = excluded.name, email = excluded.email, email_verified = excluded.email_verified,
groups = excluded.groups, groups_state = excluded.groups_state, guest = excluded.guest, subject = excluded.subject, seen_at = excluded.seen_at`,
		p.Tenant.String(), p.UserUID, p.IdPUID, p.Name, p.Email, p.EmailVerified, string(groups), p.GroupsState, p.Guest, p.Subject, p.SeenAt.UnixMicro())
	return err
}
