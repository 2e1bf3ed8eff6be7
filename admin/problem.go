package admin

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/rewrap"
	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// Problem is an error as RFC 9457 writes it, with our code and the trace.
type Problem struct {
	Type   string           `json:"type"`
	Title  string           `json:"title"`
	Status int              `json:"status"`
	Detail string           `json:"detail,omitempty"`
	Code   string           `json:"code"`
	Trace  string           `json:"trace"`
	Errors []object.Problem `json:"errors,omitempty"`
}

// refusal is a problem before it knows its request.
type refusal struct {
	status int
	code   string
	detail string
	errors []object.Problem
	needs  Permission // that was not held
	// again says when the same request may succeed; zero says nothing.
	again time.Duration
}

func (r *refusal) Error() string { return r.code + ": " + r.detail }

func refuse(status int, code, detail string) error {
	return &refusal{status: status, code: code, detail: detail}
}

// unavailable is an error about reaching what keeps the records, which a store's errors say of themselves.
type unavailable interface {
	error
	Unavailable() bool
}

// retryAfter is for a database that is away: it is back in seconds or in minutes.
const retryAfter = 2 * time.Second

// away tells whether nothing is known because what keeps the records does not answer.
func away(err error) bool {
	if u, ok := errors.AsType[unavailable](err); ok {
		return u.Unavailable()
	}
	return errors.Is(err, ledger.ErrUnavailable)
}

// row says how an error of the rooms below looks outside.
type row struct {
	err    error
	status int
	code   string
}

func rows() []row {
	return []row{
		{object.ErrNotFound, http.StatusNotFound, "object_unknown"},
		{object.ErrTenantUnknown, http.StatusNotFound, "tenant_unknown"},
		{object.ErrPrecondition, http.StatusPreconditionFailed, "precondition_failed"},
		{object.ErrConflict, http.StatusConflict, "object_changed"},
		{object.ErrKeyTaken, http.StatusConflict, "key_taken"},
		{object.ErrReadOnly, http.StatusConflict, "read_only"},
		{object.ErrInUse, http.StatusConflict, "in_use"},
		{object.ErrTooManySecrets, http.StatusConflict, "too_many_secrets"},
		{object.ErrNoSecretClient, http.StatusConflict, "no_secret_client"},
		{object.ErrSuppliedSecret, http.StatusConflict, "supplied_secret"},
		{object.ErrTooLarge, http.StatusRequestEntityTooLarge, "body_too_large"},
		{keys.ErrNotFound, http.StatusNotFound, "key_unknown"},
		{keys.ErrState, http.StatusConflict, "key_state"},
		{keys.ErrConflict, http.StatusConflict, "key_changed"},
		{lifecycle.ErrUnknown, http.StatusNotFound, "token_unknown"},
		{lifecycle.ErrQuery, http.StatusBadRequest, "parameter_invalid"},
		{connection.ErrGone, http.StatusNotFound, "connection_unknown"},
		{connection.ErrMoved, http.StatusConflict, "connection_changed"},
		{downstream.ErrState, http.StatusConflict, "connection_state"},
		{downstream.ErrQuery, http.StatusBadRequest, "parameter_invalid"},
		{webhook.ErrQuery, http.StatusBadRequest, "parameter_invalid"},
		{downstream.ErrImport, http.StatusUnprocessableEntity, "import_refused"},
		{registration.ErrUnknown, http.StatusNotFound, "registration_unknown"},
		{registration.ErrInitial, http.StatusBadRequest, "parameter_invalid"},
		{decision.ErrUnknown, http.StatusNotFound, "decision_unknown"},
		{decision.ErrCursor, http.StatusBadRequest, "cursor_invalid"},
		{decision.ErrRecent, http.StatusConflict, "decisions_recent"},
		{decision.ErrNoCase, http.StatusUnprocessableEntity, "no_test"},
		{decision.ErrReplayUnknown, http.StatusNotFound, "replay_unknown"},
		{decision.ErrReplayBusy, http.StatusTooManyRequests, "replay_busy"},
		{decision.ErrMatrixBusy, http.StatusTooManyRequests, "matrix_busy"},
		{decision.ErrMatrixUnknown, http.StatusNotFound, "matrix_unknown"},
		{capture.ErrGone, http.StatusNotFound, "capture_unknown"},
		{object.ErrApprovalNeeded, http.StatusConflict, "approval_needed"},
		{object.ErrOutdated, http.StatusConflict, "proposal_outdated"},
		{revision.ErrUnknown, http.StatusNotFound, "revision_unknown"},
		{proposal.ErrUnknown, http.StatusNotFound, "proposal_unknown"},
		{proposal.ErrMoved, http.StatusConflict, "proposal_changed"},
		{proposal.ErrHash, http.StatusConflict, "proposal_hash"},
		{proposal.ErrExpired, http.StatusConflict, "proposal_expired"},
		{proposal.ErrState, http.StatusConflict, "proposal_state"},
		{proposal.ErrFull, http.StatusConflict, "too_many_proposals"},
		{proposal.ErrTooLarge, http.StatusRequestEntityTooLarge, "body_too_large"},
		{proposal.ErrNothing, http.StatusConflict, "proposal_empty"},
		{proposal.ErrProgram, http.StatusForbidden, "approver_no_person"},
		{proposal.ErrSelf, http.StatusForbidden, "approver_is_author"},
		{proposal.ErrStanding, http.StatusForbidden, "permission_denied"},
		{vault.ErrUnavailable, http.StatusServiceUnavailable, "vault_unavailable"},
		{approval.ErrGone, http.StatusNotFound, "approval_unknown"},
		{approval.ErrSubject, http.StatusForbidden, "approval_not_asked"},
		{approval.ErrNotAsked, http.StatusForbidden, "approval_not_asked"},
		{approval.ErrSettled, http.StatusConflict, "approval_settled"},
		{ErrVaultState, http.StatusConflict, "key_state"},
		{rewrap.ErrBatch, http.StatusBadRequest, "parameter_invalid"},
		{rewrap.ErrCursor, http.StatusBadRequest, "cursor_invalid"},
		{keyring.ErrUnknown, http.StatusNotFound, "key_unknown"},
		{ErrCursor, http.StatusBadRequest, "cursor_invalid"},
	}
}

// refusalOf finds an error's outer face; one that is not known says nothing of itself.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if invalid, ok := errors.AsType[*object.Invalid](err); ok {
		return &refusal{status: http.StatusUnprocessableEntity, code: "object_invalid", detail: invalid.Error(), errors: invalid.Problems}
	}
	for _, r := range rows() {
		if errors.Is(err, r.err) {
			return &refusal{status: r.status, code: r.code, detail: err.Error()}
		}
	}
	if away(err) {
		return &refusal{
			status: http.StatusServiceUnavailable, code: "database_unavailable", again: retryAfter,
			detail: "the database does not answer; what was to be changed may have been or not: read it before trying again",
		}
	}
	return &refusal{status: http.StatusInternalServerError, code: "server_error", detail: "the server's log says more under this trace"}
}

// fail writes an error: the one place where it becomes an answer.
func (s *Server) fail(c *gin.Context, err error) {
	r := refusalOf(err)
	trace := traceOf(c)
	if r.status >= http.StatusInternalServerError {
		s.Log.Error("admin request failed", "trace_id", trace, "route", c.FullPath(), "error", err)
	}
	if r.status == http.StatusUnauthorized || r.status == http.StatusForbidden {
		s.refused(attempt{request: c.Request, trace: trace, route: c.FullPath(), code: r.code, needs: r.needs, who: callerOf(c), tenant: c.Param("tenant")})
	}
	if r.again > 0 {
		c.Header("Retry-After", strconv.FormatInt(int64(r.again/time.Second), 10))
	}
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(r.status, Problem{
		Type: "about:blank", Title: http.StatusText(r.status), Status: r.status, Detail: r.detail,
		Code: r.code, Trace: trace, Errors: r.errors,
	})
}
