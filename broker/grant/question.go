package grant

import (
	"context"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/authzen"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// Questions is what answering resources needs; every part is required.
type Questions struct {
	Subjects Subjects
	// Clients are asked for the client that acts for a subject.
	Clients client.Registry
}

// Validate refuses what would leave a check empty.
func (q Questions) Validate() error {
	if q.Subjects == nil || q.Clients == nil {
		return errors.New("grant: a part for resources that ask is missing")
	}
	return nil
}

// question is what a resource asks. Of what it says only names and the address are taken; every other fact comes from the
// access token that it shows, and else from what is known here of who is named.
type question struct {
	authzen.Evaluation
	presented *introspect.Presented // nil: no token was shown
}

// The types of subjects and resources that are known. identity and mcp_server are what gateways for MCP send.
const (
	subjectUser     = "user"
	subjectClient   = "client"
	subjectIdentity = "identity"

	resourceAny       = "resource"
	resourceMCPServer = "mcp_server"
)

// settleOwnResource finds the resource, which must be the caller's. One that is unknown, disabled or another's reads the same.
func (c *call) settleOwnResource(caller *client.Client) error {
	asked := c.question.Resource
	if asked.Type == resourceAny || asked.Type == resourceMCPServer {
		found, ok := c.Tenant.ResourceByURI(asked.ID)
		if !ok && asked.Type == resourceAny {
			found, ok = c.Tenant.ResourceByName(asked.ID)
		}
		if ok && !found.Disabled && found.ServerClient != "" && found.ServerClient == caller.Name {
			c.resource = found
			c.passed("resource", found.URI, "")
			return nil
		}
	}
	return c.refuse(oauth.CodeEvaluationResourceNotOwn, "resource", asked.Type+" "+asked.ID, "a resource with "+caller.Name+" as server.client")
}

// settleNamed finds the client and the person that a question names, as they are now.
func (g *Grants) settleNamed(ctx context.Context, c *call) error {
	if compact := c.question.Context.AccessToken; compact != "" {
		return g.settleShown(ctx, c, compact)
	}
	isUser, isClient := c.question.kinds()
	switch {
	case isUser:
		if err := g.settleActing(ctx, c, c.question.Context.ClientID); err != nil {
			return err
		}
		return g.settleUnshown(ctx, c)
	case isClient:
		if err := c.sameClient(c.question.Subject.ID); err != nil {
			return err
		}
		return g.settleActing(ctx, c, c.question.Subject.ID)
	default:
		return c.unknownSubject("a type of subject that is not known: " + c.question.Subject.Type)
	}
}

// kinds tells what a subject may be. Where its type leaves that open, the form of its id says so: no client_id of a token's
// subject has that of a user's.
func (q *question) kinds() (isUser, isClient bool) {
	reads := strings.HasPrefix(q.Subject.ID, string(id.User)+"_")
	switch q.Subject.Type {
	case subjectUser:
		return true, false
	case subjectClient:
		return false, !strings.HasPrefix(strings.ToLower(q.Subject.ID), string(id.User)+"_")
	case subjectIdentity:
		return reads, !reads
	default:
		return false, false
	}
}

// sameClient: a client that acts for itself and one that is named beside are one.
func (c *call) sameClient(clientID string) error {
	if named := c.question.Context.ClientID; named != "" && named != clientID {
		return c.refuse(oauth.CodeEvaluationClientUnknown, "client", named, clientID)
	}
	return nil
}

// settleShown takes all facts from the token that the subject showed to the resource: it counts at this moment, and is of
// this resource, subject and client. That the key in it was proved is for the resource, as with introspection.
func (g *Grants) settleShown(ctx context.Context, c *call, compact string) error {
	presented, err := g.Questions.Subjects.Present(ctx, c.Tenant, compact)
	if errors.Is(err, introspect.ErrInactive) {
		return c.refuse(oauth.CodeEvaluationTokenInvalid, "access_token", "no access token of ours that is active", "one")
	}
	if err != nil {
		return err
	}
	claims, asked := presented.Token.Claims(), c.question
	isUser, isClient := asked.kinds()
	switch {
	case presented.Resource.UID != c.resource.UID:
		return c.refuse(oauth.CodeEvaluationTokenInvalid, "access_token resource", presented.Resource.Name, c.resource.Name)
	case claims.Subject != asked.Subject.ID, isUser != (presented.Person != nil), isClient != (presented.Person == nil):
		return c.refuse(oauth.CodeEvaluationTokenInvalid, "access_token subject", claims.Subject, asked.Subject.Type+" "+asked.Subject.ID)
	case asked.Context.ClientID != "" && asked.Context.ClientID != claims.ClientID:
		return c.refuse(oauth.CodeEvaluationTokenInvalid, "access_token client", claims.ClientID, asked.Context.ClientID)
	case presented.Person != nil && presented.IdP == nil: // nobody vouches for him, and policy would not see him
		return c.refuse(oauth.CodeEvaluationTokenInvalid, "access_token", "a person of no IdP", "a person of an IdP")
	}
	c.question.presented = &presented
	c.applicant, c.idp, c.subject = presented.Holder, presented.IdP, claims.Subject
	c.passed("access_token", claims.ID, "")
	c.passed("acting client", presented.Holder.Name, "")
	if presented.Person == nil {
		return nil
	}
	return g.settlePresented(ctx, c, presented)
}

// settleActing finds the client that acts. Without one nobody acts: what limits clients would not be asked.
func (g *Grants) settleActing(ctx context.Context, c *call, clientID string) error {
	if clientID == "" {
		return c.refuse(oauth.CodeEvaluationClientUnknown, "client", "no client", "context.client_id, or context.access_token")
	}
	found, err := g.Questions.Clients.Lookup(ctx, c.Tenant.UID, clientID)
	switch {
	case errors.Is(err, client.ErrUnknown):
		return c.refuse(oauth.CodeEvaluationClientUnknown, "client", clientID, "a client of the tenant")
	case err != nil:
		return notKnown(err)
	case found.Disabled || !found.ExpiresAt.IsZero() && !c.now.Before(found.ExpiresAt):
		return c.refuse(oauth.CodeEvaluationClientUnknown, "client", clientID, "a client that is active")
	}
	c.applicant, c.subject = found, found.ClientID
	c.passed("acting client", found.Name, "")
	return nil
}

// settleUnshown is what is known of a person without his token: who he is, and what his one IdP said of him last. How he
// authenticated is not known, so that every step-up is open.
func (g *Grants) settleUnshown(ctx context.Context, c *call) error {
	uid := c.question.Subject.ID
	people := g.Directories.Directory(c.Tenant)
	accounts, err := people.ByID(ctx, uid)
	if err != nil {
		return notKnown(err)
	}
	if len(accounts) != 1 || accounts[0].UID != uid || accounts[0].Status != federation.StatusActive {
		return c.unknownSubject(uid)
	}
	idp, err := g.oneIdP(ctx, c, people, uid)
	if err != nil {
		return err
	}
	var said session.Profile
	if g.People != nil {
		if said, _, err = g.People.Sessions.Profile(ctx, c.Tenant, uid, idp.UID); err != nil {
			return notKnown(err)
		}
	}
	c.person, c.subject, c.idp = &accounts[0], uid, idp
	c.said = &statement{provider: idp, issuer: idp.Issuer, subject: said.Subject, guest: said.Guest, groups: groupsOf(said)}
	if (accounts[0].Guest || said.Guest) && !idp.Subject.AllowGuests {
		return c.refuse(oauth.CodeGuestDenied, "guest", "a guest", "guests: allow in the IdP's entry")
	}
	c.passed("subject", uid, "")
	return nil
}

// oneIdP is the one that vouches for a person. Of several nobody knows which one he came by.
func (g *Grants) oneIdP(ctx context.Context, c *call, people federation.Directory, uid string) (*federation.IdentityProvider, error) {
	linked, err := people.IdPs(ctx, uid)
	if err != nil {
		return nil, notKnown(err)
	}
	var found *federation.IdentityProvider
	for _, one := range linked {
		idp, ok := c.Tenant.IdentityProvider(one)
		switch {
		case !ok || idp.Disabled:
		case found != nil && found.UID != idp.UID:
			return nil, c.unknownSubject("a person of several IdPs")
		default:
			found = idp
		}
	}
	if found == nil {
		return nil, c.unknownSubject("a person of no IdP that is trusted")
	}
	return found, nil
}

func (c *call) unknownSubject(received string) error {
	return c.refuse(oauth.CodeEvaluationSubjectUnknown, "subject", received, "a user or a client of the tenant, active, and settled")
}

// inputQuestion is what policy sees beside: the client that acts did not authenticate here, the caller's address is not the
// subject's, and without a token nothing is known of a sign-in or of what was asserted.
func (c *call) inputQuestion(in *policy.Input) {
	in.Network = nil
	if ip := c.question.Context.IP; ip.IsValid() {
		in.Network = &policy.Network{IP: ip.String()}
	}
	presented := c.question.presented
	if presented == nil {
		in.Assertion, in.Asserted = nil, nil
		return
	}
	claims := presented.Token.Claims()
	in.Client.DPoP = claims.Thumbprint != ""
	in.Asserted = &policy.Asserted{Scopes: strings.Fields(claims.Scope)}
}
