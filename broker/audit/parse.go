package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrVersion says that a record is of a version that this program does not know.
var ErrVersion = errors.New("unknown version")

// eventForm is version 1 of an event.
type eventForm struct {
	V           int               `json:"v"`
	ID          string            `json:"id"`
	At          string            `json:"at"`
	Tenant      string            `json:"tenant"`
	Trace       string            `json:"trace"`
	Type        Type              `json:"type"`
	Outcome     Outcome           `json:"outcome"`
	Code        string            `json:"code"`
	Principal   Principal         `json:"principal"`
	OnBehalf    string            `json:"on_behalf"`
	Client      string            `json:"client"`
	IdP         string            `json:"idp"`
	Resource    string            `json:"resource"`
	GrantType   string            `json:"grant_type"`
	Scope       string            `json:"scope"`
	TokenID     string            `json:"token_jti"`
	AssertionID string            `json:"assertion_jti"`
	AssertionBy string            `json:"assertion_iss"`
	Decision    string            `json:"decision"`
	InputHash   string            `json:"input_hash"`
	Policies    []PolicyRef       `json:"policies"`
	Checks      []Check           `json:"checks"`
	Detail      map[string]string `json:"detail"`
	Remote      string            `json:"remote"`
}

// ParseEvent reads a body back. It does not check the body against its leaf.
func ParseEvent(body []byte) (Event, error) {
	var version struct {
		V int `json:"v"`
	}
	if err := jsonv2.Unmarshal(body, &version); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	if version.V != Version {
		return Event{}, fmt.Errorf("event: %w %d", ErrVersion, version.V)
	}
	var f eventForm
	if err := jsonv2.Unmarshal(body, &f, jsonv2.RejectUnknownMembers(true)); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	at, err := time.Parse(timeForm, f.At)
	if err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	var owner tenant.UID
	if f.Tenant != "" {
		if owner, err = tenant.ParseUID(f.Tenant); err != nil {
			return Event{}, fmt.Errorf("event: %w", err)
		}
	}
	return Event{
		ID: f.ID, At: at, Tenant: owner, Trace: f.Trace, Type: f.Type, Outcome: f.Outcome, Code: f.Code,
		Principal: f.Principal, OnBehalf: f.OnBehalf, Client: f.Client, IdP: f.IdP, Resource: f.Resource,
		GrantType: f.GrantType, Scope: f.Scope, TokenID: f.TokenID, AssertionID: f.AssertionID,
		AssertionBy: f.AssertionBy, Decision: f.Decision, InputHash: f.InputHash, Policies: f.Policies,
		Checks: f.Checks, Detail: f.Detail, Remote: f.Remote,
	}, nil
}

type checkpointForm struct {
	V        int        `json:"v"`
	Number   int64      `json:"number"`
	At       string     `json:"at"`
	Previous string     `json:"previous"`
	Heads    []headForm `json:"heads"`
}

type headForm struct {
	Writer string `json:"writer"`
	Seq    int64  `json:"seq"`
	Link   string `json:"link"`
	Sealed bool   `json:"sealed"`
}

// ParseCheckpoint reads a checkpoint's body back. It does not check its signature.
func ParseCheckpoint(body []byte) (Checkpoint, error) {
	var f checkpointForm
	if err := jsonv2.Unmarshal(body, &f, jsonv2.RejectUnknownMembers(true)); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	if f.V != Version {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w %d", ErrVersion, f.V)
	}
	at, err := time.Parse(timeForm, f.At)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c := Checkpoint{Number: f.Number, At: at, Heads: make([]Head, len(f.Heads))}
	if c.Previous, err = ParseDigest(f.Previous); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	for i, h := range f.Heads {
		link, err := ParseDigest(h.Link)
		if err != nil {
			return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
		}
		c.Heads[i] = Head{Writer: h.Writer, Seq: h.Seq, Link: link, Sealed: h.Sealed}
	}
	return c, nil
}

// ParseDigest reads a SHA-256 in hexadecimal.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*len(d) {
		return Digest{}, errors.New("a digest is 64 hexadecimal digits")
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("digest: %w", err)
	}
	return d, nil
}
