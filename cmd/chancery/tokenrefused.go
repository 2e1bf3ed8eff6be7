package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// refusal is what a server said, and what can be done.
type refusal struct {
	Issuer         string   `json:"issuer"`
	Status         int      `json:"status"`
	Error          string   `json:"error,omitempty"`
	Code           string   `json:"code,omitempty"`
	Description    string   `json:"error_description,omitempty"`
	Fix            string   `json:"fix,omitempty"`
	Who            string   `json:"who,omitempty"`
	Page           string   `json:"error_uri,omitempty"`
	Trace          string   `json:"trace,omitempty"`
	ACRValues      []string `json:"acr_values,omitempty"`
	MaxAge         *int64   `json:"max_age,omitempty"` // seconds
	InteractionURI string   `json:"interaction_uri,omitempty"`
	ApprovalID     string   `json:"approval_id,omitempty"`
	RetryAfter     int64    `json:"retry_after,omitempty"` // seconds
}

// refusalOf is nil where nobody refused anything.
func refusalOf(err error) *refusal {
	e, ok := errors.AsType[*agent.Error](err)
	if !ok {
		return nil
	}
	r := &refusal{
		Issuer: e.Issuer, Status: e.Status, Error: e.OAuth, Code: e.Code, Description: e.Description, Page: e.URI, Trace: e.Trace,
		ACRValues: e.ACRValues, InteractionURI: e.InteractionURI, ApprovalID: e.ApprovalID, RetryAfter: int64(e.RetryAfter / time.Second),
	}
	if e.NeedsStepUp() && e.MaxAge >= 0 {
		seconds := int64(e.MaxAge / time.Second)
		r.MaxAge = &seconds
	}
	if row, known := oauth.Lookup(oauth.Code(e.Code)); known {
		r.Fix, r.Who = row.Fix, row.Who
	}
	return r
}

// refused says why there is no token, on lines of its own. Nothing that was sent is in it.
func refused(err error, inDev bool) error {
	r := refusalOf(err)
	if r == nil {
		return plainError(err)
	}
	leg, _, _ := strings.Cut(err.Error(), ": ")
	lines := []string{strings.TrimSpace(fmt.Sprintf("%s refused by %s: %d %s", leg, r.Issuer, r.Status, r.Error))}
	add := func(name, text string) {
		if text != "" {
			lines = append(lines, fmt.Sprintf("  %-9s %s", name, text))
		}
	}
	add("code", r.Description)
	if r.Fix != "" {
		add("to do", "("+r.Who+") "+r.Fix)
	}
	page, _, _ := strings.Cut(r.Page, "?")
	add("page", page)
	if r.Trace != "" {
		add("trace", r.Trace+"   chancery explain "+r.Trace)
	}
	if r.Error == "insufficient_user_authentication" {
		add("step-up", r.stepUp(inDev))
	}
	if r.InteractionURI != "" {
		add("open", r.InteractionURI)
	}
	add("approval", r.ApprovalID)
	if r.RetryAfter > 0 {
		add("again", fmt.Sprintf("in %d s", r.RetryAfter))
	}
	if inDev && strings.HasPrefix(leg, "leg 1") && r.Error == "invalid_grant" {
		add("sign in", "chancery dev login alice")
	}
	return plainError(errors.New(strings.Join(lines, "\n")))
}

func (r refusal) stepUp(inDev bool) string {
	text := "sign in again"
	if len(r.ACRValues) > 0 {
		text += " with acr " + strings.Join(r.ACRValues, " or ")
	}
	if r.MaxAge != nil {
		text += fmt.Sprintf(", at most %d s ago", *r.MaxAge)
	}
	if inDev && len(r.ACRValues) > 0 {
		text += ": chancery dev login USER --acr " + r.ACRValues[0]
	}
	return text
}
