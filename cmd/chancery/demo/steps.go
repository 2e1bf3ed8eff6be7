package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
	sdk "github.com/chancery-dev/chancery/sdk/go/agent"
)

// step is one thing that the demo shows. Run returns what is worth reading of it, or why it did not do what it must.
type step struct {
	Name  string
	Title string
	Run   func(ctx context.Context, s *show) ([]string, error)
}

// show is what the steps hand on to each other.
type show struct {
	world *world
	agent *agent
	alice *oauth2.Token // signed in at the IdP

	document string // the client_id of MCP hosts
	host     *host  // in whose browser she signs in
	link     string // at which she connects an account
}

func steps() []step {
	steps := []step{
		{"sign_in", "Alice signs in at her company's identity provider", signIn},
		{"tool_call", "Her agent calls a tool: the MCP server wants a token, the agent gets one with no further question to Alice", toolCall},
		{"policy_refusal", "Eve, a contractor, is refused by policy, and the refusal explains itself", policyRefusal},
		{"replay", "An assertion that was redeemed is refused the second time", replay},
		{"wrong_audience", "An assertion for another authorization server is refused", wrongAudience},
		{"step_up", "Writing wants a stronger sign-in: the challenge is met, and the tool works", stepUp},
	}
	return append(append(append(steps, peopleSteps()...), lendingSteps()...), step{"audit", "Everything that happened is in an audit log that proves itself", verifyAudit})
}

func signIn(ctx context.Context, s *show) ([]string, error) {
	token, err := s.agent.signIn(ctx, idptest.Alice, "")
	if err != nil {
		return nil, err
	}
	s.alice = token
	idToken, _ := token.Extra("id_token").(string)
	claims := dev.ClaimsOf(idToken)
	if claims["iss"] != s.world.IdP.Issuer() {
		return nil, fmt.Errorf("the ID token is not the IdP's: %v", claims["iss"])
	}
	return []string{fmt.Sprintf("ID token: sub %v, groups %v, for client %v at the IdP", claims["sub"], claims["groups"], claims["aud"])}, nil
}

func toolCall(ctx context.Context, s *show) ([]string, error) {
	session, err := s.agent.connect(ctx, s.alice, dev.ScopeRead)
	if err != nil {
		return nil, err
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_notes", Arguments: map[string]any{}})
	if err != nil {
		return nil, err
	}
	text, err := textOf(result)
	if err != nil {
		return nil, err
	}
	return []string{"list_notes answered " + text}, nil
}

func textOf(result *mcp.CallToolResult) (string, error) {
	var text strings.Builder
	for _, content := range result.Content {
		if t, ok := content.(*mcp.TextContent); ok {
			text.WriteString(t.Text)
		}
	}
	if result.IsError {
		return "", errors.New(text.String())
	}
	return text.String(), nil
}

// expect holds a refusal against the error and the code that it must have.
func expect(err error, oauthError, code string) (*sdk.Error, error) {
	refusal, ok := errors.AsType[*sdk.Error](err)
	switch {
	case err == nil:
		return nil, fmt.Errorf("it was granted, not refused with %s (%s)", oauthError, code)
	case !ok:
		return nil, err
	case refusal.Status != http.StatusBadRequest || refusal.OAuth != oauthError || refusal.Code != code:
		return nil, fmt.Errorf("refused with %w, not 400 %s (%s)", refusal, oauthError, code)
	}
	return refusal, nil
}

func policyRefusal(ctx context.Context, s *show) ([]string, error) {
	eve, err := s.agent.signIn(ctx, idptest.Eve, "")
	if err != nil {
		return nil, err
	}
	assertion, err := s.agent.exchange(ctx, eve, dev.ScopeRead)
	if err != nil {
		return nil, err
	}
	_, err = s.agent.redeem(ctx, assertion)
	refusal, err := expect(err, "invalid_grant", "policy_denied")
	if err != nil {
		return nil, err
	}
	story, err := s.world.explain(ctx, refusal.Trace)
	if err != nil {
		return nil, err
	}
	return append([]string{"chancery explain " + refusal.Trace}, story...), nil
}

func replay(ctx context.Context, s *show) ([]string, error) {
	assertion, err := s.agent.exchange(ctx, s.alice, dev.ScopeRead)
	if err != nil {
		return nil, err
	}
	if _, err := s.agent.redeem(ctx, assertion); err != nil {
		return nil, fmt.Errorf("the first redemption: %w", err)
	}
	_, err = s.agent.redeem(ctx, assertion)
	refusal, err := expect(err, "invalid_grant", "jti_replayed")
	if err != nil {
		return nil, err
	}
	return []string{"the same assertion, twice: " + refusal.Description}, nil
}

func wrongAudience(ctx context.Context, s *show) ([]string, error) {
	assertion, err := s.world.IdP.IDJAG(idptest.Alice, idptest.WithAudience("https://auth.somewhere-else.example"))
	if err != nil {
		return nil, err
	}
	_, err = s.agent.redeem(ctx, assertion)
	refusal, err := expect(err, "invalid_grant", "aud_not_us")
	if err != nil {
		return nil, err
	}
	return []string{refusal.Description}, nil
}

func stepUp(ctx context.Context, s *show) ([]string, error) {
	assertion, err := s.agent.exchange(ctx, s.alice, dev.ScopeRead, dev.ScopeWrite)
	if err != nil {
		return nil, err
	}
	_, err = s.agent.redeem(ctx, assertion)
	challenge, err := expect(err, "insufficient_user_authentication", "step_up_required")
	if err != nil {
		return nil, err
	}
	acr := strings.Join(challenge.ACRValues, " ")
	if !challenge.NeedsStepUp() || acr != dev.StrongSignIn || challenge.MaxAge != 5*time.Minute {
		return nil, fmt.Errorf("the challenge asks for acr_values %q, max_age %v", acr, challenge.MaxAge)
	}
	strong, err := s.agent.signIn(ctx, idptest.Alice, acr)
	if err != nil {
		return nil, err
	}
	if assertion, err = s.agent.exchange(ctx, strong, dev.ScopeRead, dev.ScopeWrite); err != nil {
		return nil, err
	}
	granted, err := s.agent.redeem(ctx, assertion)
	if err != nil {
		return nil, err
	}
	scope, _ := granted.Extra("scope").(string)
	if !slices.Contains(strings.Fields(scope), dev.ScopeWrite) {
		return nil, fmt.Errorf("after the stronger sign-in: scope %q", scope)
	}
	session, err := s.agent.connectWith(ctx, granted.AccessToken)
	if err != nil {
		return nil, err
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "add_note", Arguments: map[string]any{"title": "demo", "text": "written after a step-up"}})
	if err != nil {
		return nil, err
	}
	if _, err := textOf(result); err != nil {
		return nil, err
	}
	claims := dev.ClaimsOf(granted.AccessToken)
	return []string{
		fmt.Sprintf("challenge: acr_values %s, max_age %.0f", acr, challenge.MaxAge.Seconds()),
		fmt.Sprintf("token: scope %q, acr %v, sub %v, aud %v", scope, claims["acr"], claims["sub"], claims["aud"]),
		"add_note answered",
	}, nil
}

func verifyAudit(ctx context.Context, s *show) ([]string, error) {
	export, keys, err := s.world.export(ctx)
	if err != nil {
		return nil, err
	}
	report, err := audit.Verify(bytes.NewReader(export), audit.Expect{Keys: keys})
	if err != nil {
		return nil, err
	}
	lines := []string{fmt.Sprintf("events: %d, checkpoints: %d; they verify against the checkpoint key %s", report.Events, report.Checkpoints, strings.Join(report.KeyIDs, ", "))}
	if report.Events == 0 || report.Checkpoints == 0 {
		return nil, fmt.Errorf("the export holds %d events and %d checkpoints", report.Events, report.Checkpoints)
	}
	changed := bytes.Replace(export, []byte("policy_denied"), []byte("policy_allowd"), 1)
	if bytes.Equal(changed, export) {
		return nil, errors.New("the refusal is not in the export")
	}
	bad, ok := errors.AsType[*audit.Bad](func() error { _, err := audit.Verify(bytes.NewReader(changed), audit.Expect{Keys: keys}); return err }())
	if !ok {
		return nil, errors.New("an export with one word changed verifies")
	}
	return append(lines, "with one word of Eve's refusal changed: "+bad.Error()), nil
}
