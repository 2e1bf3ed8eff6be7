package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// AssertionRequest says what an assertion must be for.
type AssertionRequest struct {
	Audience string   // Chancery's issuer
	Resource string   // that the token is for
	Scopes   []string // sorted; may be empty

	Observe func(Leg) // may be nil
}

// AssertionSource gives assertions to redeem. Each call must give one that was not
// redeemed yet, if assertions of its kind are good only once.
type AssertionSource interface {
	Assertion(ctx context.Context, request AssertionRequest) (string, error)
}

// AssertionFunc makes a function an [AssertionSource].
type AssertionFunc func(ctx context.Context, request AssertionRequest) (string, error)

// Assertion implements [AssertionSource].
func (f AssertionFunc) Assertion(ctx context.Context, request AssertionRequest) (string, error) {
	return f(ctx, request)
}

// File reads the assertion from a file, each time anew: Kubernetes replaces a projected
// service account token before it ends. Its audience is the platform's to set.
func File(path string) AssertionSource {
	return AssertionFunc(func(context.Context, AssertionRequest) (string, error) {
		file, err := os.Open(path) //nolint:gosec // the caller's own file
		if err != nil {
			return "", fmt.Errorf("assertion: %w", err)
		}
		defer func() { _ = file.Close() }()
		content, err := io.ReadAll(io.LimitReader(file, maxToken+1))
		if err != nil {
			return "", fmt.Errorf("assertion: %w", err)
		}
		assertion := strings.TrimSpace(string(content))
		if assertion == "" || len(assertion) > maxToken {
			return "", errors.New("assertion: the file is empty or too large")
		}
		return assertion, nil
	})
}
