package oidc

import (
	"context"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// EndSession is a logout that we begin (RP-Initiated Logout 1.0).
type EndSession struct {
	IDToken Secret // SignIn.IDToken, where the caller kept it: some IdPs ask the person otherwise
	Hint    string // logout_hint: what the IdP knows the person by
	State   string // comes back to PostLogoutURL; the caller compares it
}

// EndSession gives the URL that ends the session at the IdP; "" where the IdP has none,
// which is no error.
func (rp *RelyingParty) EndSession(ctx context.Context, owner string, e *Entry, ask EndSession) (string, error) {
	var trail federation.Trail
	if err := rp.check(owner, e, &trail); err != nil {
		return "", err
	}
	if ask.Hint != "" && (len(ask.Hint) > maxText || hasControl(ask.Hint)) || ask.State != "" && !isPlain(ask.State) {
		return "", ErrIncomplete
	}
	m, err := rp.metadata(ctx, owner, e, &trail)
	if err != nil || m.endSession == "" {
		return "", err
	}
	query := url.Values{"client_id": {e.ClientID}} // §2: so that an expired or absent hint is no obstacle
	for name, value := range map[string]string{
		"id_token_hint": ask.IDToken.Reveal(), "logout_hint": ask.Hint, "post_logout_redirect_uri": e.PostLogoutURL,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if ask.State != "" && e.PostLogoutURL != "" {
		query.Set("state", ask.State)
	}
	separator := "?"
	if strings.Contains(m.endSession, "?") {
		separator = "&"
	}
	return m.endSession + separator + query.Encode(), nil
}
