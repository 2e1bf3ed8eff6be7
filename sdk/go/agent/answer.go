package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

func (a answer) text(name string) string {
	text, _ := a.members[name].(string)
	return text
}

// lifetime is expires_in; 0 where the answer does not say (RFC 6749 §5.1).
func (a answer) lifetime() time.Duration {
	seconds, _ := a.members["expires_in"].(int64)
	const year = 365 * 24 * 60 * 60
	return time.Duration(min(max(0, seconds), year)) * time.Second
}

// token reads an access token response, which must be of what was asked for.
func (a answer) token(w want, bound bool, began time.Time) (*oauth2.Token, error) {
	// 1. A token, of the type that fits (RFC 6749 §5.1; RFC 9449 §5: a client that sent a
	// proof and gets a bearer token was downgraded).
	access := a.text("access_token")
	if len(access) > maxToken || !isToken68(access) {
		return nil, errors.New("the answer has no access_token")
	}
	kind := "Bearer"
	if bound {
		kind = "DPoP"
	}
	if !strings.EqualFold(a.text("token_type"), kind) {
		return nil, fmt.Errorf("token_type is %q, not %s", clip(a.text("token_type")), kind)
	}
	// 2. No more than was asked for.
	granted, err := a.scopes(w.scopes)
	if err != nil {
		return nil, err
	}
	if err := a.checkResource(w.resource); err != nil {
		return nil, err
	}
	t := &oauth2.Token{AccessToken: access, TokenType: kind}
	if lifetime := a.lifetime(); lifetime > 0 { // counted from before the request, which errs on the short side
		t.Expiry, t.ExpiresIn = began.Add(lifetime), int64(lifetime/time.Second)
	}
	return t.WithExtra(map[string]any{"scope": strings.Join(granted, " "), "resource": w.resource, "trace": a.trace}), nil
}

// isToken68: RFC 6750 §2.1, RFC 9110 §11.2. Nothing else can be sent in an Authorization
// field, and people paste what can into shells.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	})
}

// scopes: RFC 6749 §5.1: absent means what was asked for.
func (a answer) scopes(asked []string) ([]string, error) {
	if _, present := a.members["scope"]; !present {
		return asked, nil
	}
	granted := strings.Fields(a.text("scope"))
	if len(granted) == 0 {
		return nil, errors.New("the answer grants no scope")
	}
	for _, scope := range granted {
		if len(asked) > 0 && !slices.Contains(asked, scope) {
			return nil, fmt.Errorf("the answer grants scope %q, which was not asked for", clip(scope))
		}
	}
	return granted, nil
}

// checkResource: the resource that an answer names, a string or a list, is the one that
// was asked for (ID-JAG-05 §4.4).
func (a answer) checkResource(asked string) error {
	value, present := a.members["resource"]
	if !present {
		return nil
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	if len(list) == 0 {
		return errors.New("the answer is for no resource")
	}
	for _, resource := range list {
		if resource != asked {
			return errors.New("the answer is for another resource than was asked for")
		}
	}
	return nil
}
