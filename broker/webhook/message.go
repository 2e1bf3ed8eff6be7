package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Message is one event for one address.
type Message struct {
	Tenant   tenant.UID
	ID       string
	EventID  string
	Endpoint string // the URL
	Type     string
	Body     []byte // as it is signed and sent
	Attempts int
	// CreatedAt is when it was made, by the database's clock.
	CreatedAt time.Time
}

// content is the body of a message. Nothing of it is a secret: it is what the audit log says of the event.
type content struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // of the event, RFC 3339
	Data      data   `json:"data"`
}

type data struct {
	Event     string            `json:"event_id"`
	Tenant    string            `json:"tenant"`
	Trace     string            `json:"trace,omitempty"`
	Principal *audit.Principal  `json:"principal,omitempty"`
	User      string            `json:"user,omitempty"` // uid
	Client    string            `json:"client,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

// newMessage writes an event down for one address.
func newMessage(e audit.Event, tenantName, endpoint string, now time.Time) (Message, error) {
	c := content{Type: string(e.Type), Timestamp: e.At.UTC().Format(time.RFC3339Nano), Data: data{
		Event: e.ID, Tenant: tenantName, Trace: e.Trace, User: e.OnBehalf, Client: e.Client, Detail: e.Detail,
	}}
	if e.Principal.Kind != "" {
		c.Data.Principal = &e.Principal
	}
	body, err := json.Marshal(c)
	if err != nil {
		return Message{}, err
	}
	return Message{Tenant: e.Tenant, ID: id.New(id.Message, now), EventID: e.ID, Endpoint: endpoint, Type: string(e.Type), Body: body}, nil
}

// The headers of a message (Standard Webhooks 1.0).
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// MinSecret is how many bytes a secret has at least.
const MinSecret = 24

var errSecret = errors.New("the secret has less than 24 bytes")

// keyOf reads a secret: `whsec_` and base64 as others write it, else the bytes of the text.
func keyOf(secret string) ([]byte, error) {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, errors.New("the secret begins with whsec_ and is no base64") // the cause would quote it
		}
		key = decoded
	}
	if len(key) < MinSecret {
		return nil, errSecret
	}
	return key, nil
}

// Sign gives the value of webhook-signature: an HMAC with SHA-256 of id, time and body.
func Sign(key []byte, messageID string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(messageID + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
