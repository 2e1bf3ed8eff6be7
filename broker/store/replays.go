package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Replays keeps replays of decisions, and the access matrices of published revisions.
type Replays struct{ store *Store }

var _ decision.Jobs = (*Replays)(nil)

// Replays opens them.
func (s *Store) Replays() *Replays { return &Replays{store: s} }

// keptReplays and keptMatrices bound what is kept of a tenant and of a policy: the newest.
const (
	keptReplays  = 50
	keptMatrices = 50
)

// Begin implements decision.Jobs.
func (r *Replays) Begin(ctx context.Context, t tenant.UID, id string, asked []byte) error {
	return r.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "delete from replays where tenant_uid = $1 and id in (select id from replays where tenant_uid = $1 order by began_at desc, id desc limit $2 offset $3)",
			t.String(), keptReplays, keptReplays-1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, r.store.withClock("insert into replays (tenant_uid, id, state, asked, began_at, seen_at) values ($1, $2, 'running', $3, @now, @now)"),
			t.String(), id, string(asked))
		return err
	})
}

// Progress implements decision.Jobs.
func (r *Replays) Progress(ctx context.Context, t tenant.UID, id string, read, flips int) (stop bool, err error) {
	err = r.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, r.store.withClock("update replays set seen_at = @now, read_count = $3, flips = $4 where tenant_uid = $1 and id = $2 and state = 'running' returning stop"),
			t.String(), id, read, flips).Scan(&stop)
	})
	return stop, err
}

// End implements decision.Jobs.
func (r *Replays) End(ctx context.Context, t tenant.UID, id string, o decision.Outcome) error {
	report, err := json.Marshal(struct {
		Report  any              `json:"report"`
		Verdict decision.Verdict `json:"verdict"`
	}{o.Report, o.Verdict})
	if err != nil {
		return err
	}
	return r.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, r.store.withClock("update replays set state = $3, seen_at = @now, ended_at = @now, read_count = $4, flips = $5, report = $6, problem = $7 "+
			"where tenant_uid = $1 and id = $2 and state = 'running'"), t.String(), id, string(o.State), o.Read, o.Flips, string(report), o.Message)
		return err
	})
}

// Stop implements decision.Jobs.
func (r *Replays) Stop(ctx context.Context, t tenant.UID, id string) error {
	return r.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "update replays set stop = $3 where tenant_uid = $1 and id = $2", t.String(), id, true)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, decision.ErrReplayUnknown)
		}
		return nil
	})
}

// Job implements decision.Jobs.
func (r *Replays) Job(ctx context.Context, t tenant.UID, id string) (decision.Job, error) {
	job := decision.Job{ID: id}
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		var state, asked string
		var began, seen, now int64
		var ended sql.NullInt64
		var report sql.NullString
		err := tx.QueryRowContext(ctx, r.store.withClock("select state, asked, began_at, seen_at, ended_at, read_count, flips, report, problem, @now from replays where tenant_uid = $1 and id = $2"),
			t.String(), id).Scan(&state, &asked, &began, &seen, &ended, &job.Read, &job.Flips, &report, &job.Message, &now)
		if err != nil {
			return err
		}
		job.State, job.Asked, job.BeganAt = decision.State(state), []byte(asked), fromMicros(began)
		if ended.Valid {
			job.EndedAt = fromMicros(ended.Int64)
		}
		if job.State == decision.Running && now-seen > decision.LostAfter.Microseconds() {
			job.State = decision.Lost
		}
		if !report.Valid {
			return nil
		}
		kept := struct {
			Report  any               `json:"report"`
			Verdict *decision.Verdict `json:"verdict"`
		}{&job.Report, &job.Verdict}
		if err := json.Unmarshal([]byte(report.String), &kept); err != nil {
			return fmt.Errorf("replay %s: %w", id, err)
		}
		return nil
	})
	if errors.Is(err, sql.ErrNoRows) {
		return job, decision.ErrReplayUnknown
	}
	return job, err
}

// KeepMatrix keeps the access matrix of a published revision, as JSON, or why there is none.
func (r *Replays) KeepMatrix(ctx context.Context, t tenant.UID, policyUID string, revision int64, at time.Time, matrix []byte, problem string) error {
	return r.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		kept := sql.NullString{String: string(matrix), Valid: problem == ""}
		_, err := tx.ExecContext(ctx, "insert into access_matrices (tenant_uid, policy_uid, revision, at, matrix, problem) values ($1, $2, $3, $4, $5, $6) "+
			"on conflict (tenant_uid, policy_uid, revision) do update set at = excluded.at, matrix = excluded.matrix, problem = excluded.problem",
			t.String(), policyUID, revision, at.UnixMicro(), kept, problem)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from access_matrices where tenant_uid = $1 and policy_uid = $2 and revision <= $3", t.String(), policyUID, revision-keptMatrices)
		return err
	})
}

// Matrix is the access matrix that was kept of a revision; decision.ErrMatrixUnknown where there is none.
func (r *Replays) Matrix(ctx context.Context, t tenant.UID, policyUID string, revision int64) (at time.Time, matrix []byte, err error) {
	var micros int64
	var kept sql.NullString
	var problem string
	err = r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "select at, matrix, problem from access_matrices where tenant_uid = $1 and policy_uid = $2 and revision = $3", t.String(), policyUID, revision).
			Scan(&micros, &kept, &problem)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil, decision.ErrMatrixUnknown
	}
	if err == nil && !kept.Valid {
		return at, nil, fmt.Errorf("%w: %s", decision.ErrMatrixUnknown, strings.TrimSpace(problem))
	}
	return fromMicros(micros), []byte(kept.String), err
}
