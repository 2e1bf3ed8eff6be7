package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
)

// Verifier verifies the tokens of one issuer for one resource. It is safe for
// concurrent use. New builds one; the zero value refuses everything.
type Verifier struct {
	issuer      string
	resource    string
	publicURL   string // origin, and what a proxy takes away from paths
	metadataURL string
	algorithms  []string
	scopes      []string            // of every request
	implies     map[string][]string // scope → scopes that it includes
	now         func() time.Time
	leeway      time.Duration
	keys        *keySource
	proofs      proofRules
	described   description
}

// New makes a verifier for the tokens that issuer gives out for resource. Both are
// compared character by character: issuer as the server's metadata has it (no slash at
// the end), resource as it is registered there. Nothing is fetched before the first
// token comes.
func New(issuer, resource string, options ...Option) (*Verifier, error) {
	s := settings{
		now:        time.Now,
		algorithms: []string{"ES256", "RS256", "EdDSA"},
		leeway:     0,
		proofs:     proofRules{window: defaultProofWindow, maxBody: defaultMaxBody},
	}
	for _, option := range options {
		if err := option.apply(&s); err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
	}
	if err := discovery.CheckIssuer(issuer); err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if err := s.place(resource); err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if s.proofs.replays == nil {
		s.proofs.replays = NewReplayMemory(defaultReplays, s.now)
	}
	return &Verifier{
		issuer:      issuer,
		resource:    resource,
		publicURL:   strings.TrimSuffix(s.publicURL, "/"),
		metadataURL: s.metadataURL,
		algorithms:  s.algorithms,
		scopes:      s.scopes,
		implies:     s.implies,
		now:         s.now,
		leeway:      s.leeway,
		keys:        newKeySource(issuer, discovery.Client(s.client), s.now),
		proofs:      s.proofs,
		described:   s.described,
	}, nil
}

// place settles where the resource is in public, from its identifier where nothing else
// is said.
func (s *settings) place(resource string) error {
	u, err := url.Parse(resource)
	if err != nil || !u.IsAbs() || strings.Contains(resource, "#") { // RFC 8707 §2
		return fmt.Errorf("resource %q is not an absolute URI without fragment", resource)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		if s.publicURL == "" || s.metadataURL == "" {
			return fmt.Errorf("resource %q is not a URL: WithPublicURL and WithResourceMetadata must say where it is", resource)
		}
		return nil
	}
	if _, err := discovery.CheckURL(resource); err != nil {
		return err
	}
	if s.publicURL == "" {
		s.publicURL = u.Scheme + "://" + u.Host
	}
	if s.metadataURL == "" {
		s.metadataURL = u.Scheme + "://" + u.Host + metadataPath(u)
	}
	return nil
}

// Issuer is whose tokens are taken.
func (v *Verifier) Issuer() string { return v.issuer }

// Resource is for whom tokens must be.
func (v *Verifier) Resource() string { return v.resource }

var errNotBuilt = errors.New("the verifier was not built by New")

// Verify checks the access token of a request: the token itself, the proof of its key
// where it is bound to one, the scopes of [WithScopes], and what else is needed. The
// error is an [*Error]; [WriteError] answers with it.
//
// With [WithContentDigest], or where a proof has a content_digest, the body is read and
// put back.
func (v *Verifier) Verify(r *http.Request, needs ...Requirement) (*Token, error) {
	if v == nil || v.keys == nil {
		return nil, &Error{Status: http.StatusInternalServerError, Reason: "misconfigured", cause: errNotBuilt}
	}
	ask := v.asked(needs)
	// 1. One token, in the Authorization header field.
	given, refusal := readCredentials(r)
	if refusal != nil {
		return nil, refusal.challenged(ask.as(given.scheme))
	}
	// 2. RFC 9068 §4: ours, for us, alive.
	token, refusal := v.verifyToken(r.Context(), given.token)
	if refusal != nil {
		return nil, refusal.challenged(ask.as(given.scheme))
	}
	// 3. RFC 9449 §7: whoever sends it holds the key that it is bound to.
	if refusal := v.verifyPossession(r, given, token); refusal != nil {
		if token.claims.Thumbprint != "" || v.proofs.required {
			given.scheme = schemeDPoP
		}
		return nil, refusal.challenged(ask.as(given.scheme))
	}
	token.scheme = given.scheme
	// 4. What this request needs.
	if refusal := ask.check(token); refusal != nil {
		return nil, refusal.challenged(ask.as(given.scheme))
	}
	return token, nil
}
