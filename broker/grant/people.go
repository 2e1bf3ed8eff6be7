package grant

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// People is what the grants of people who sign in here need; every part is required.
type People struct {
	Codes    *code.Codes
	Tokens   *refresh.Tokens
	Families Families
	Sessions Sessions
	Limits   refresh.Limits
	// Clients are asked again for who wants a code where the tenant changed since his request was judged.
	Clients client.Registry
}

// Families reads families of refresh tokens.
type Families interface {
	// Family reads one as the database has it, or answers refresh.ErrUnknown.
	Family(ctx context.Context, t tenant.UID, id string) (refresh.Family, error)
	// TakenBack tells whether something was revoked since it was given, by an administrator or by its person.
	TakenBack(ctx context.Context, t tenant.UID, g refresh.Given) (bool, error)
}

// Sessions tells who is signed in, and what his IdP said last.
type Sessions interface {
	// Alive is the session under a handle, or in which that goes on; nil: it has ended.
	Alive(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error)
	// Lasts is Alive of a session that may be idle: that ends what a browser can do, and not what was granted.
	Lasts(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error)
	// Profile is what an IdP said of a person at his last sign-in there; false if it never said anything.
	Profile(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (session.Profile, bool, error)
}

// Validate refuses what would leave a check empty.
func (p People) Validate() error {
	if p.Codes == nil || p.Tokens == nil || p.Families == nil || p.Sessions == nil || p.Clients == nil {
		return errors.New("grant: a part for people who sign in is missing")
	}
	return p.Limits.Validate()
}

func (g *Grants) flowOfPeople(grantType string) (flow, error) {
	if g.People == nil {
		return flow{}, oauth.Refuse(oauth.CodeGrantTypeUnsupported, grantType, "a grant that is served")
	}
	switch {
	case grantType == oauth.GrantTypeAuthorizationCode:
		return flow{run: g.authorizationCode}, nil
	case grantType == oauth.GrantTypeRefreshToken:
		return flow{run: g.refreshToken}, nil
	case grantType == oauth.GrantTypeDeviceCode && g.Devices != nil:
		return flow{run: g.deviceCode}, nil
	default:
		return flow{}, oauth.Refuse(oauth.CodeGrantTypeUnsupported, grantType, "a grant that is served")
	}
}

// lasting is a sign-in as it was written down, in a code or a family.
type lasting struct {
	userUID, idpUID string
	issuer          string // the IdP's then; "" in what lives no longer than a session, which knows it
	session         [32]byte
	proof           session.Proof
	identity        []string
	offline         bool // it counts when its session has ended
}

func lastingIn(g code.Grant) lasting {
	return lasting{
		userUID: g.UserUID, idpUID: g.IdPUID, session: g.Session, proof: session.Proof{ACR: g.ACR, AMR: g.AMR, AuthTime: g.AuthTime},
		identity: g.Identity, offline: g.Offline,
	}
}

func lastingOf(f refresh.Family) lasting {
	return lasting{
		userUID: f.UserUID, idpUID: f.IdPUID, issuer: f.Issuer, session: f.Session, proof: session.Proof{ACR: f.ACR, AMR: f.AMR, AuthTime: f.AuthTime},
		identity: f.Identity, offline: f.Offline,
	}
}

// settleSignedIn finds the person who signed in, as he is now: what was true when he did may be so no more. How he
// authenticated stays what it was then. present says that he is to be there in his session, or was a moment ago, whatever
// is granted beyond it.
func (g *Grants) settleSignedIn(ctx context.Context, c *call, l lasting, present bool) error {
	// 1. The IdP that vouched for him is trusted still.
	idp, ok := c.Tenant.IdentityProvider(l.idpUID)
	if !ok || idp.Disabled {
		return c.refuse(oauth.CodeSignInIdPDisabled, "idp", l.idpUID, "an IdP of the tenant, not disabled")
	}
	c.idp = idp
	// 2. He is active.
	accounts, err := g.Directories.Directory(c.Tenant).ByID(ctx, l.userUID)
	if err != nil {
		return notKnown(err)
	}
	if len(accounts) != 1 || accounts[0].UID != l.userUID || accounts[0].Status != federation.StatusActive {
		return c.refuse(oauth.CodeUserInactive, "subject", l.userUID, "a user who is active")
	}
	// 3. His session is, unless he let the client have access beyond it.
	if present || !l.offline {
		err = g.settleSession(ctx, c, l, present)
	} else {
		err = g.settleWithoutSession(ctx, c, l, idp)
	}
	if err != nil {
		return err
	}
	// 4. What his IdP said last.
	said, _, err := g.People.Sessions.Profile(ctx, c.Tenant, l.userUID, l.idpUID)
	if err != nil {
		return notKnown(err)
	}
	c.rest(signedIn{
		account: accounts[0], idp: idp, session: l.session, proof: l.proof, profile: said,
		identity: authorization.IdentityOf(c.client(), l.identity), offline: l.offline,
	})
	// 5. A guest there is one here (the entry says whether it takes them).
	if (accounts[0].Guest || said.Guest) && !idp.Subject.AllowGuests {
		return c.refuse(oauth.CodeGuestDenied, "guest", "a guest", "guests: allow in the IdP's entry")
	}
	c.passed("subject", l.userUID, "")
	return nil
}

// settleSession finds the session in which something was granted.
func (g *Grants) settleSession(ctx context.Context, c *call, l lasting, present bool) error {
	ask := g.People.Sessions.Lasts
	if present {
		ask = g.People.Sessions.Alive
	}
	now, err := ask(ctx, c.Tenant, l.session)
	if err != nil {
		return notKnown(err)
	}
	if now == nil || now.UserUID != l.userUID || now.Tenant != c.Tenant.UID {
		return c.refuse(oauth.CodeSessionEnded, "session", "a session that has ended", "a session")
	}
	c.passed("session", "", "")
	return nil
}

// settleWithoutSession asks what a session would have been asked, but for its time: the IdP is the one that it was, and the
// person is still of it.
func (g *Grants) settleWithoutSession(ctx context.Context, c *call, l lasting, idp *federation.IdentityProvider) error {
	if l.issuer == "" || l.issuer != idp.Issuer {
		return c.refuse(oauth.CodeSignInIdPDisabled, "issuer", idp.Issuer, l.issuer)
	}
	vouches, err := federation.Vouches(ctx, g.Directories.Directory(c.Tenant), idp, l.userUID)
	if err != nil {
		return notKnown(err)
	}
	if !vouches {
		return c.refuse(oauth.CodeUserInactive, "subject", "a user who is not of "+idp.Name+" any more", "a user of it")
	}
	return nil
}

// notKnown: what cannot be read is no refusal.
func notKnown(err error) error {
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

// keyOf is the key to which a public client's refresh tokens are bound (RFC 9449 §5); a confidential one's are bound to
// what authenticates it.
func (c *call) keyOf() string {
	if c.isPublic() {
		return c.proof.Thumbprint()
	}
	return ""
}

// mayRefresh tells whether a client gets refresh tokens.
func mayRefresh(c *client.Client) bool { return c.MayUse(oauth.GrantTypeRefreshToken) }
