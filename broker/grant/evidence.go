package grant

import (
	"time"

	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// profileSignIn is what policy's input calls the words of an IdP at which a person signed in here: input.assertion then
// tells of that sign-in, and nothing was presented.
const profileSignIn = "sign-in"

// evidence is what a flow found out about who gets the token. What a grant does not know stays absent, in policy's input,
// in the token and in the record; nothing that is absent stands for a yes.
type evidence struct {
	assertion *assertion.Verified  // nil: no JWT was needed
	signedIn  *signedIn            // nil: nobody signed in here for it
	said      *statement           // what an IdP said, in whichever form; nil: none said anything, the client asks for itself
	workload  *federation.Workload // nil: no rule was applied
	person    *federation.Account  // nil: nobody is behind the request
	subject   string               // of the token; while it is empty, no token can be minted
	lending   *lending             // a token of ours was presented, for a provider's
	question  *question            // a resource asks, and nothing is given
	stepped   *session.Proof       // what the person proved beside it, at a link of ours, for this client and resource
}

// signedIn is a person who signed in here, as what the client presents (a code, a refresh token, a device code) leads to
// him. All of it was checked: whoever holds one holds something that we gave.
type signedIn struct {
	// account is the user as he is now, active.
	account federation.Account
	// idp is where he signed in, not disabled.
	idp *federation.IdentityProvider
	// session is the handle under which his session rests. It may have ended, if access was granted beyond it.
	session [32]byte
	// proof is how he authenticated, fixed then: no refresh renews it.
	proof session.Proof
	// profile is what that IdP said of him last; zero where it never said anything.
	profile session.Profile
	// identity is openid and what goes with it, as it was granted; empty: no ID token.
	identity []string
	// offline tells that he let the client have access beyond his session.
	offline bool
}

// statement is what an IdP said of a subject, in whichever form it came.
type statement struct {
	provider  *federation.IdentityProvider
	issuer    string // as it calls itself
	profile   string // of the assertion, or profileSignIn
	typ       string
	id        string // of the assertion; "" where it has none
	subject   string // its own name for the subject
	guest     bool
	issuedAt  time.Time // zero: not said
	expiresAt time.Time
	proof     session.Proof // of a person's authentication: a program has none, whatever its token says
	groups    assertion.Groups
	inToken   []string       // groups that we wrote into a token; nil: none were
	claims    map[string]any // the private ones, as sent
	actor     map[string]any
	agent     *assertion.Agent
}

// saidIn is what a verified JWT says.
func saidIn(v *assertion.Verified) *statement {
	s := &statement{
		provider: v.Provider(), issuer: v.Issuer(), profile: string(v.Profile()), typ: v.Type(), id: v.ID(),
		subject: v.Identifiers().Subject, guest: v.Identifiers().Guest, issuedAt: v.IssuedAt(), expiresAt: v.ExpiresAt(),
		proof: session.Proof{ACR: v.ACR(), AMR: v.AMR()}, groups: v.Groups(), claims: v.Private(), actor: v.Actor(), agent: v.Agent(),
	}
	if at, known := v.AuthTime(); known {
		s.proof.AuthTime = at
	}
	return s
}

// said is what the IdP of a person who signed in here said of him.
func (s signedIn) said() *statement {
	return &statement{
		provider: s.idp, issuer: s.idp.Issuer, profile: profileSignIn, subject: s.profile.Subject, guest: s.profile.Guest, proof: s.proof,
		groups: groupsOf(s.profile),
	}
}

// groupsOf reads a state that is none of the three as nothing said.
func groupsOf(p session.Profile) assertion.Groups {
	switch state := assertion.GroupsState(p.GroupsState); state {
	case assertion.GroupsComplete:
		return assertion.Groups{State: state, Values: p.Groups}
	case assertion.GroupsOverage:
		return assertion.Groups{State: state}
	case assertion.GroupsAbsent:
	}
	return assertion.Groups{State: assertion.GroupsAbsent}
}

// rest puts the call on a person who signed in here.
func (c *call) rest(s signedIn) {
	c.signedIn, c.said, c.idp = &s, s.said(), s.idp
	c.person, c.subject = &s.account, s.account.UID
}

func (e evidence) isIDJAG() bool {
	return e.assertion != nil && e.assertion.Profile() == federation.ProfileIDJAG
}

// shown is how the person authenticated; nothing of it is known where there is none. What only we say of an
// authentication counts from our own sessions alone.
func (e evidence) shown() session.Proof {
	if e.person == nil || e.said == nil {
		return session.Proof{}
	}
	if e.stepped != nil {
		return *e.stepped
	}
	proof := e.said.proof
	if e.signedIn == nil && e.lending == nil && e.question == nil { // what our own token says was judged when it was made
		proof.ACR = session.ForeignACR(proof.ACR)
	}
	return proof
}

// acr, amr and authTime are of a person's authentication, absent (zero) where nothing said them.
func (e evidence) acr() string { return e.shown().ACR }

func (e evidence) amr() []string { return e.shown().AMR }

func (e evidence) authTime() time.Time { return e.shown().AuthTime }

// issuerUID is of the IdP whose word was taken, "" where there was none.
func (e evidence) issuerUID() string {
	if e.said == nil {
		return ""
	}
	return e.said.provider.UID
}
