package approval

import (
	"context"
	"encoding/json"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// NoticeRequested is the event of a notice that a request waits.
const NoticeRequested = "approval.requested"

// Notice is what others are told of a request: enough to find it, and nothing that allows it.
type Notice struct {
	Tenant tenant.UID
	ID     string // of the approval: one notice each
	Event  string
	At     time.Time
	Body   []byte // JSON
}

// Notices take what is to be told, in the transaction in which it becomes so: neither is without the other. Sending is theirs.
type Notices interface {
	Put(ctx context.Context, tx ledger.Tx, n Notice) error
}

// Notice tells of a request that begins.
func (a Approval) Notice() (Notice, error) {
	body, err := json.Marshal(struct {
		Event     string    `json:"event"`
		ID        string    `json:"approval_id"`
		Link      string    `json:"interaction_uri"`
		Tenant    string    `json:"tenant_uid"`
		User      string    `json:"user_uid,omitempty"`
		Client    string    `json:"client_id"`
		Resource  string    `json:"resource_uid"`
		Provider  string    `json:"provider,omitempty"`
		Scopes    []string  `json:"scopes"`
		Groups    []string  `json:"groups"`
		Policies  []Policy  `json:"policies"`
		Decision  string    `json:"decision_id"`
		ExpiresAt time.Time `json:"expires_at"`
	}{
		NoticeRequested, a.ID, a.Link, a.Tenant.String(), a.UserUID, a.ClientID, a.ResourceUID, a.Provider, a.Scopes, a.Groups, a.Policies, a.DecisionID,
		a.ExpiresAt.UTC(),
	})
	return Notice{Tenant: a.Tenant, ID: a.ID, Event: NoticeRequested, At: a.BegunAt, Body: body}, err
}
