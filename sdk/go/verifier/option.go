package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

// Option changes a verifier. An option that would make a check empty is an error of New.
type Option struct{ apply func(*settings) error }

type settings struct {
	now         func() time.Time
	client      *http.Client
	algorithms  []string
	scopes      []string
	implies     map[string][]string
	leeway      time.Duration
	publicURL   string
	metadataURL string
	proofs      proofRules
	described   description
}

// maxLeeway is how far clocks may be apart at most.
const maxLeeway = 60 * time.Second

// WithScopes names scopes that every request needs, and that challenges ask for.
func WithScopes(scopes ...string) Option {
	return Option{func(s *settings) error {
		if err := checkScopes(scopes); err != nil {
			return err
		}
		s.scopes = append(s.scopes, scopes...)
		s.described.scopes = append(s.described.scopes, scopes...)
		return nil
	}}
}

// WithImpliedScopes says that scope includes others: a token that has it passes where
// they are needed. Say what the resource's registration says.
func WithImpliedScopes(scope string, includes ...string) Option {
	return Option{func(s *settings) error {
		if err := checkScopes(append([]string{scope}, includes...)); err != nil || len(includes) == 0 {
			return fmt.Errorf("what %q implies is not a list of scopes", scope)
		}
		if s.implies == nil {
			s.implies = map[string][]string{}
		}
		s.implies[scope] = append(s.implies[scope], includes...)
		return nil
	}}
}

// WithHTTPClient fetches metadata and keys with a client of the caller's: for a proxy, or
// a private certificate authority. Redirects are not followed whatever it says, and a
// request ends after ten seconds.
func WithHTTPClient(client *http.Client) Option {
	return Option{func(s *settings) error { s.client = client; return nil }}
}

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option {
	return Option{func(s *settings) error {
		if now == nil {
			return errors.New("no clock")
		}
		s.now = now
		return nil
	}}
}

// WithLeeway lets a token live that much longer, at most 60 seconds, for clocks that are
// apart. The default is none.
func WithLeeway(d time.Duration) Option {
	return Option{func(s *settings) error {
		if d < 0 || d > maxLeeway {
			return fmt.Errorf("leeway %s is not between 0 and %s", d, maxLeeway)
		}
		s.leeway = d
		return nil
	}}
}

// WithAlgorithms replaces what tokens may be signed with; the default is what Chancery
// signs with: ES256, RS256, EdDSA.
func WithAlgorithms(algorithms ...string) Option {
	return Option{func(s *settings) error {
		if len(algorithms) == 0 {
			return errors.New("no algorithm is allowed")
		}
		for _, algorithm := range algorithms {
			if !slices.Contains(jose.Algorithms(), algorithm) {
				return fmt.Errorf("algorithm %q cannot be verified", algorithm)
			}
		}
		s.algorithms = slices.Clone(algorithms)
		return nil
	}}
}

// WithPublicURL says where clients see this server, which a DPoP proof must name (RFC
// 9449 §4.3): scheme and host, and the path that a proxy takes away, if it does. The
// default is scheme and host of the resource. The Host field of requests is not believed.
func WithPublicURL(base string) Option {
	return Option{func(s *settings) error {
		u, err := discovery.CheckURL(base)
		if err != nil {
			return err
		}
		if u.RawQuery != "" {
			return fmt.Errorf("public URL %q has a query", base)
		}
		s.publicURL = base
		return nil
	}}
}

// WithResourceMetadata replaces the URL of the resource's metadata in challenges (RFC
// 9728 §5.1): for the document that Chancery hosts. The default is where RFC 9728 §3.1
// places it, and [Verifier.MetadataHandler] serves it.
func WithResourceMetadata(at string) Option {
	return Option{func(s *settings) error {
		if _, err := discovery.CheckURL(at); err != nil {
			return err
		}
		s.metadataURL = at
		return nil
	}}
}

// WithResourceName is shown to people (RFC 9728 §2, resource_name).
func WithResourceName(name string) Option {
	return Option{func(s *settings) error { s.described.name = name; return nil }}
}

// WithScopesSupported adds scopes to the metadata that not every request needs.
func WithScopesSupported(scopes ...string) Option {
	return Option{func(s *settings) error {
		s.described.scopes = append(s.described.scopes, scopes...)
		return checkScopes(scopes)
	}}
}

// WithDPoPRequired refuses tokens that are bound to no key.
func WithDPoPRequired() Option {
	return Option{func(s *settings) error { s.proofs.required = true; return nil }}
}

// WithProofWindow is how far a proof's iat may be from our clock, either way: at most
// five minutes, and 60 seconds unless it is said.
func WithProofWindow(d time.Duration) Option {
	return Option{func(s *settings) error {
		if d <= 0 || d > maxProofWindow {
			return fmt.Errorf("proof window %s is not between 0 and %s", d, maxProofWindow)
		}
		s.proofs.window = d
		return nil
	}}
}

// WithReplayStore replaces the memory of this process by one that replicas share.
func WithReplayStore(store ReplayStore) Option {
	return Option{func(s *settings) error {
		if store == nil {
			return errors.New("no replay store")
		}
		s.proofs.replays = store
		return nil
	}}
}

// WithNonces demands a nonce of ours in every proof (RFC 9449 §9). secret makes and
// checks them: at least 32 bytes, the same in all replicas. A nonce is good for five
// minutes.
func WithNonces(secret []byte) Option {
	return Option{func(s *settings) error {
		if len(secret) < 32 {
			return errors.New("a secret for nonces has at least 32 bytes")
		}
		s.proofs.nonces = &nonces{secret: slices.Clone(secret)}
		return nil
	}}
}

// WithContentDigest demands that proofs of requests with a body have content_digest, as
// the draft DPoP extension of MCP does. One that is there is verified in any case.
// maxBody bounds the bytes that are read for it; 0 means 4 MiB.
func WithContentDigest(maxBody int64) Option {
	return Option{func(s *settings) error {
		if maxBody < 0 {
			return errors.New("a body of less than nothing")
		}
		s.proofs.digestRequired = true
		if maxBody > 0 {
			s.proofs.maxBody = maxBody
		}
		return nil
	}}
}

// checkScopes: RFC 6749 §3.3.
func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errors.New("no scope is named")
	}
	for _, scope := range scopes {
		if !isScope(scope) {
			return fmt.Errorf("%q is not a scope", scope)
		}
	}
	return nil
}

func isScope(scope string) bool {
	for i := range len(scope) {
		if c := scope[i]; c <= 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return scope != ""
}
