package cimd

import (
	"slices"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// Client is a client as its document and the tenant's rules make it. It has no
// object: its UID is a digest of its URL, its Name is the document's host.
type Client struct {
	*client.Client
	Document *Document
	// Stale tells that the document could not be read again, and that its last
	// good version counts meanwhile.
	Stale bool
}

// client gives a document no more than the rules do. Whatever a registered client
// could have besides (a plan, an environment, other grants) it does not have.
func (s *Source) client(d *Document, r Rules, stale bool) *Client {
	kind := client.Public
	if d.method == client.MethodPrivateKeyJWT {
		kind = client.Confidential
	}
	keys := d.keys()
	keys.Network = s.network(keys.URI)
	return &Client{
		Client: &client.Client{
			UID: d.uid, Name: d.url.host, ClientID: d.url.raw, DisplayName: d.display(),
			Type:        kind,
			Auth:        client.Auth{Method: d.method, Audience: client.AudienceIssuer, Keys: keys},
			GrantTypes:  d.GrantTypes(),
			Scopes:      slices.Clone(r.Scopes),
			Resources:   slices.Clone(r.Resources),
			RequireDPoP: d.requireDPoP,
			// Nobody here vouches for it: consent is asked of each person.
			RedirectURIs: d.RedirectURIs(), MustPush: d.requirePAR, Origin: client.OriginDocument, Host: d.url.host,
		},
		Document: d,
		Stale:    stale,
	}
}

// network is how a URL is reached: global addresses and port 443 only, whatever
// the configuration allows for IdPs (draft §6: MUST NOT fetch special-use
// addresses), loopback aside, which no URL names outside development.
func (s *Source) network(rawURL string) fetch.Network {
	n := s.reach
	n.AllowPrivateAddresses = false
	if u, err := ParseURL(rawURL, s.dev); err == nil && u.loopback {
		n.AllowPrivateAddresses = true
	}
	return n
}
