package grant

import (
	"context"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// tokenExchange tells the forms of RFC 8693 apart. Served is one: a provider's credential is lent for an access token of ours.
func (g *Grants) tokenExchange(ctx context.Context, c *call) (granted, error) {
	if c.Form.Get("actor_token") != "" || c.Form.Get("actor_token_type") != "" {
		return granted{}, c.refuse(oauth.CodeExchangeActorUnsupported, "actor_token", "an actor_token", "none")
	}
	if len(c.Form.Resources()) > 0 { // what is lent is good at the provider, which has no URI here
		return granted{}, c.refuse(oauth.CodeExchangeFormUnsupported, "resource", strings.Join(c.Form.Resources(), " "), "none; audience names the provider")
	}
	for _, name := range []string{"subject_token", "subject_token_type", "audience"} { // §2.1; an audience is what makes it this form
		if c.Form.Get(name) == "" {
			return granted{}, c.refuse(oauth.CodeParameterMissing, name, "no "+name, name)
		}
	}
	if kind := c.Form.Get("subject_token_type"); kind != oauth.TypeAccessToken {
		return granted{}, c.refuse(oauth.CodeExchangeFormUnsupported, "subject_token_type", kind, oauth.TypeAccessToken)
	}
	if kind := c.Form.Get("requested_token_type"); kind != "" && kind != oauth.TypeAccessToken {
		return granted{}, c.refuse(oauth.CodeExchangeFormUnsupported, "requested_token_type", kind, oauth.TypeAccessToken)
	}
	return g.vend(ctx, c)
}
