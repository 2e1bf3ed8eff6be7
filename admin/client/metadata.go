package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/chancery-dev/chancery/broker/object"
)

// LookMetadata has the server ask a SAML IdP's address for its metadata now; with a document it tells what that would
// change, and keeps nothing.
func (c *Client) LookMetadata(ctx context.Context, idp, document string) (json.RawMessage, error) {
	ask := map[string]string{}
	if document != "" {
		ask["document"] = document
	}
	var raw json.RawMessage
	err := c.call(ctx, http.MethodPost, c.path(object.KindIdentityProvider.Plural(), idp, "metadata"), nil, ask, &raw)
	return raw, err
}

// AcceptMetadata takes over the metadata that waits, if its digest is this one.
func (c *Client) AcceptMetadata(ctx context.Context, idp, digest string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodPost, c.path(object.KindIdentityProvider.Plural(), idp, "metadata", "accept"), nil, map[string]string{"digest": digest}, &raw)
	return raw, err
}
