package grant_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/interaction/interactiontest"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// circle is a world in which people can sign in and open links.
type circle struct {
	*world
	links *interactiontest.Memory
	desk  *interaction.Desk
}

const secondAgent = `
---
apiVersion: chancery/v1
kind: Client
metadata: {name: second}
spec:
  auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "wiki:read"]
  resources: [notes, wiki]
`

func newCircle(t *testing.T, demand string) *circle {
	t.Helper()
	text := policyOf(`{"allow": true, "scopes": input.resource.scopes, ` + demand + `}`)
	w := newWorld(t, text, change{"clients: [agent]", "clients: [agent, second]"}, change{"\n---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}", secondAgent + "---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}"})
	c := &circle{world: w, links: &interactiontest.Memory{}}
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), now)
	must(t, err)
	c.desk, err = interaction.New(interaction.Desk{Store: c.links, Sealer: ring, Lane: w.lane, Now: func() time.Time { return w.now }})
	must(t, err)
	w.Interactions = c.desk
	return c
}

// try asks as the tenant's picture is, with an IdP at which people sign in.
func (c *circle) try(t *testing.T, a ask) (grant.Response, error) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	must(t, err)
	picture, err := c.source.Get(t.Context(), "default")
	must(t, err)
	open := *picture
	open.SignIn.IdPs = []*federation.IdentityProvider{{Name: "acme"}}
	return c.Token(t.Context(), grant.Request{Tenant: &open, Trace: a.trace, Remote: "192.0.2.1", Form: form, Proofs: a.proofs})
}

// challenged wants a challenge, and gives the id of its link.
func (c *circle) challenged(t *testing.T, a ask) string {
	t.Helper()
	_, err := c.try(t, a)
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != oauth.CodeStepUpRequired {
		t.Fatalf("answered %v", err)
	}
	uri, _ := refusal.Wire(issuer, "trc_1").Members["interaction_uri"].(string)
	link, ok := strings.CutPrefix(uri, issuer+"/interact/")
	if !ok {
		t.Fatalf("interaction_uri %q", uri)
	}
	if text := refusal.Received + refusal.Expected; strings.Contains(text, link) {
		t.Errorf("the link is in the record: %s", text)
	}
	return link
}

// finish is the person at the link.
func (c *circle) finish(t *testing.T, link string, proof session.Proof) {
	t.Helper()
	picture, err := c.source.Get(t.Context(), "default")
	must(t, err)
	i, err := c.desk.Open(t.Context(), picture.UID, link)
	must(t, err)
	must(t, c.desk.Finish(t.Context(), i, session.Session{Handle: [32]byte{1}, Tenant: picture.UID, UserUID: i.UserUID, IdPUID: "idp_1", Proof: proof}, picture.Version, interaction.Visit{}))
}

func (c *circle) claims(t *testing.T, r grant.Response) token.Token {
	t.Helper()
	picture, err := c.source.Get(t.Context(), "default")
	must(t, err)
	ring, err := c.rings.Ring(t.Context(), picture.UID)
	must(t, err)
	minted, err := token.Verify(r.AccessToken, token.Expectation{Issuer: issuer, Audience: r.Resource, Ring: ring, Now: c.now})
	must(t, err)
	return minted
}

func jti(name string) idptest.Option { return idptest.WithClaim("jti", name) }

// TestStepUpInABrowser is the circle for an agent without a browser: challenged, the person opens the link, and the same
// client gets its token with what was proved, and no other client, resource or later request does.
func TestStepUpInABrowser(t *testing.T) {
	c := newCircle(t, `"step_up": {"acr_values": ["phr"], "max_age": 300}`)
	link := c.challenged(t, c.ask(t, jti("1")))
	if again := c.challenged(t, c.ask(t, jti("2"))); again != link || len(c.links.All) != 1 {
		t.Error("a retry made another link")
	}
	proved := c.now.Add(-10 * time.Second)
	c.finish(t, link, session.Proof{ACR: "phr", AMR: []string{"hwk"}, AuthTime: proved})

	for _, name := range []string{"3", "4"} { // until max_age, not once
		response, err := c.try(t, c.ask(t, jti(name)))
		must(t, err)
		minted := c.claims(t, response).Claims()
		if minted.ACR != "phr" || minted.AuthTime.Unix() != proved.Unix() || len(minted.AMR) != 1 || minted.AMR[0] != "hwk" {
			t.Errorf("minted %+v", minted)
		}
	}
	// Another client, another resource.
	other := c.ask(t, jti("5"), idptest.WithClaim("client_id", "second")).with("client_id", "second")
	if link == c.challenged(t, other) {
		t.Error("another client got the link")
	}
	if link == c.challenged(t, c.ask(t, jti("6"), idptest.WithClaim("resource", wikiURI), idptest.WithClaim("scope", "wiki:read"))) {
		t.Error("another resource got the link")
	}
	// Too late.
	c.now = proved.Add(301 * time.Second)
	if link == c.challenged(t, c.ask(t, jti("7"))) {
		t.Error("the link was given again after it was finished")
	}
}

// TestStepUpForTheAssertionInHand: what was challenged is redeemed after the person came by, once.
func TestStepUpForTheAssertionInHand(t *testing.T) {
	c := newCircle(t, `"step_up": {"max_age": 300}`)
	a := c.ask(t)
	c.finish(t, c.challenged(t, a), session.Proof{ACR: session.ACRPasskey, AMR: []string{"hwk", "user"}, AuthTime: c.now})
	response, err := c.try(t, a)
	must(t, err)
	if minted := c.claims(t, response).Claims(); minted.ACR != session.ACRPasskey {
		t.Errorf("acr %q", minted.ACR)
	}
	_, err = c.try(t, a)
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeJTIReplayed {
		t.Error(err)
	}
}

// TestProofThatIsNotEnough: what was proved for one demand does not meet another.
func TestProofThatIsNotEnough(t *testing.T) {
	c := newCircle(t, `"step_up": {"max_age": 300}`)
	c.finish(t, c.challenged(t, c.ask(t)), session.Proof{ACR: "pwd", AuthTime: c.now})
	c.links.All[0].Proof.AuthTime = time.Time{} // and a store that says nothing of the time
	c.challenged(t, c.ask(t, jti("2")))
}

// TestIdPsDoNotSpeakForUs: an assertion that claims our own level proves nothing.
func TestIdPsDoNotSpeakForUs(t *testing.T) {
	c := newCircle(t, `"step_up": {"acr_values": ["urn:chancery:acr:passkey"]}`)
	c.challenged(t, c.ask(t, idptest.WithClaim("acr", session.ACRPasskey)))
	w := newWorld(t)
	if _, minted := w.granted(t, w.ask(t, idptest.WithClaim("acr", session.ACRPasskey))); minted.Claims().ACR != "" {
		t.Errorf("acr %q is in the token", minted.Claims().ACR)
	}
}

// TestNoLink: where nobody could sign in there is no link, and the challenge stands.
func TestNoLink(t *testing.T) {
	c := newCircle(t, `"step_up": {"max_age": 60}`)
	if refusal := c.refused(t, c.ask(t), oauth.CodeStepUpRequired); refusal.wire.Members["interaction_uri"] != nil || len(c.links.All) != 0 {
		t.Errorf("members %v", refusal.wire.Members)
	}
}

// TestLinksThatCannotBeRead are no challenge: the person may have done it already.
func TestLinksThatCannotBeRead(t *testing.T) {
	c := newCircle(t, `"step_up": {"max_age": 60}`)
	c.links.Fail = errors.New("away")
	_, err := c.try(t, c.ask(t))
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeTenantUnavailable || refusal.RetryAfter == 0 {
		t.Error(err)
	}
}
