package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
	sdk "github.com/chancery-dev/chancery/sdk/go/agent"
)

// lendingSteps are about another company's API: what agents borrow and never keep.
func lendingSteps() []step {
	return []step{
		{"connection_required", "Her agent wants GitHub: she has connected no account, and is asked to; Eve's agent has nothing to ask with", connectionRequired},
		{"connect", "Alice opens the link, signs in, allows it at GitHub, and sees whose account it is", connectAccount},
		{"vend", "Her agent borrows a token that can do what it asked for and no more, and calls GitHub with it", vend},
	}
}

// borrower is the agent at Chancery's token endpoint.
func (s *show) borrower() (*sdk.Borrower, error) {
	return sdk.NewBorrower(sdk.BorrowerConfig{
		Issuer: s.world.Issuer, Client: sdk.ClientSecretPost(dev.AgentID, s.world.ClientSecret.Reveal()), HTTPClient: s.agent.http,
	})
}

// borrow gets an access token for her, and exchanges it.
func (s *show) borrow(ctx context.Context) (sdk.Lease, error) {
	assertion, err := s.agent.exchange(ctx, s.alice, dev.ScopeRead)
	if err != nil {
		return sdk.Lease{}, err
	}
	token, err := s.agent.redeem(ctx, assertion)
	if err != nil {
		return sdk.Lease{}, err
	}
	b, err := s.borrower()
	if err != nil {
		return sdk.Lease{}, err
	}
	return b.Borrow(ctx, token.AccessToken, sdk.Borrowing{Provider: dev.GitHubName, Scopes: []string{dev.GitHubScope}})
}

func connectionRequired(ctx context.Context, s *show) ([]string, error) {
	_, err := s.borrow(ctx)
	refusal, err := expect(err, "interaction_required", "connection_required")
	if err != nil {
		return nil, err
	}
	if s.link = refusal.InteractionURI; !strings.HasPrefix(s.link, s.world.Issuer+"/interact/lnk_") {
		return nil, fmt.Errorf("the link is %q", s.link)
	}
	nothing, err := s.nothingForEve(ctx)
	if err != nil {
		return nil, err
	}
	return []string{refusal.Description, "for " + refusal.ExpiresIn.String() + ": " + s.world.Issuer + "/interact/…", "Eve: " + nothing}, nil
}

// nothingForEve: policy gives her no token, and what she has instead is none.
func (s *show) nothingForEve(ctx context.Context) (string, error) {
	eve, err := s.agent.signIn(ctx, idptest.Eve, "")
	if err != nil {
		return "", err
	}
	assertion, err := s.agent.exchange(ctx, eve, dev.ScopeRead)
	if err != nil {
		return "", err
	}
	b, err := s.borrower()
	if err != nil {
		return "", err
	}
	_, err = b.Borrow(ctx, assertion, sdk.Borrowing{Provider: dev.GitHubName, Scopes: []string{dev.GitHubScope}})
	refusal, err := expect(err, "invalid_request", "subject_token_invalid")
	if err != nil {
		return "", err
	}
	return refusal.Description, nil
}

func connectAccount(ctx context.Context, s *show) ([]string, error) {
	if s.link == "" {
		return nil, errors.New("no link was given before this")
	}
	b, err := newBrowser(s.agent.tape, map[string]string{"person": idptest.Alice, "idp": dev.IdPName, "decision": "allow", "way": "idp"})
	if err != nil {
		return nil, err
	}
	if err := b.finish(ctx, s.link); err != nil {
		return nil, err
	}
	asked := slices.IndexFunc(b.shown, func(text string) bool {
		return strings.Contains(text, "Notes agent") && strings.Contains(text, "GitHub")
	})
	confirmed := slices.IndexFunc(b.shown, func(text string) bool { return strings.Contains(text, dev.GitHubLogin) })
	if asked < 0 || confirmed < 0 {
		return nil, fmt.Errorf("no page named the agent and GitHub, or none the account: %q", b.shown)
	}
	return []string{"the page of the request: " + quoted(b.shown[asked]), "the page of the account: " + quoted(b.shown[confirmed])}, nil
}

func vend(ctx context.Context, s *show) ([]string, error) {
	lease, err := s.borrow(ctx)
	if err != nil {
		return nil, err
	}
	if !lease.Narrowed || lease.Account != dev.GitHubLogin || !slices.Equal(lease.Scopes, []string{dev.GitHubScope}) || lease.DecisionID == "" {
		return nil, fmt.Errorf("lent: account %q, scopes %v, narrowed %t", lease.Account, lease.Scopes, lease.Narrowed)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.world.GitHubAPI("/user"), http.NoBody)
	if err != nil {
		return nil, err
	}
	lease.Authorize(request)
	response, err := s.agent.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var who struct {
		Login string `json:"login"`
	}
	if err := json.NewDecoder(response.Body).Decode(&who); err != nil || who.Login != dev.GitHubLogin {
		return nil, fmt.Errorf("GitHub answered %s, login %q: %w", response.Status, who.Login, err)
	}
	return []string{
		fmt.Sprintf("lent: account %s, scope %s, narrowed %t, to be kept until %s", lease.Account, strings.Join(lease.Scopes, " "), lease.Narrowed, lease.CacheUntil.Format("15:04:05")),
		"GitHub answered login " + who.Login,
	}, nil
}
