package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/broker/secret"
)

// Settings say whom to ask, and as whom.
type Settings struct {
	Target  string  `yaml:"target"` // the issuer of the authorization server, byte for byte
	Profile Profile `yaml:"profile"`

	Client      Client   `yaml:"client"`
	OtherClient Client   `yaml:"other_client"` // for assertions that are presented by somebody else
	Resource    string   `yaml:"resource"`
	Scopes      []string `yaml:"scopes"`

	Subject string         `yaml:"subject"` // sub of the person
	Email   string         `yaml:"email"`
	Claims  map[string]any `yaml:"claims"` // added to every assertion

	IdP IdP `yaml:"idp"`

	Rate           float64       `yaml:"rate"`    // requests a second
	Timeout        time.Duration `yaml:"timeout"` // of one request
	AllowPlainHTTP bool          `yaml:"allow_plain_http"`
}

// Client is an OAuth client of the target. Its secret or key comes from a flag, a
// file or the environment, never from the settings file.
type Client struct {
	ID         string `yaml:"id"`
	Auth       string `yaml:"auth"` // client_secret_basic (when ""), client_secret_post or private_key_jwt
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`
	KeyFile    string `yaml:"key_file"` // PKCS #8 in PEM, for private_key_jwt
	KeyID      string `yaml:"key_id"`

	Secret secret.Text `yaml:"-"`
	Key    *Key        `yaml:"-"`
}

// IdP is what the suite is to the target.
type IdP struct {
	Listen    string `yaml:"listen"`    // 127.0.0.1:0 when ""; "none" serves nothing
	URL       string `yaml:"url"`       // where the target reaches it: its issuer
	Algorithm string `yaml:"algorithm"` // ES256 when ""
	KeyFile   string `yaml:"key_file"`  // PKCS #8 in PEM; a fresh key when ""
}

// The ways in which a client authenticates.
const (
	SecretBasic   = "client_secret_basic"
	SecretPost    = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"
)

// Nothing is the listener that is none.
const Nothing = "none"

// DefaultSettings are what is not said.
func DefaultSettings() Settings {
	return Settings{
		Profile: IDJAG, Subject: "00u1alice", Email: "alice@acme.com", Rate: 10, Timeout: 10 * time.Second,
		IdP: IdP{Listen: "127.0.0.1:0", Algorithm: "ES256"},
	}
}

// ReadSettings reads a YAML file over the defaults. An unknown key is an error.
func ReadSettings(r io.Reader) (Settings, error) {
	s := DefaultSettings()
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return Settings{}, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return Settings{}, fmt.Errorf("settings: %w", plain(err))
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Settings{}, errors.New("settings: one YAML document is expected")
	}
	return s, nil
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// plain says what is wrong with the file; names of Go types are nobody's business.
func plain(err error) error {
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	return errors.New(unknownField.ReplaceAllString(strings.Join(wrong.Errors, "; "), `unknown field "$1"`))
}

// Validate tells what is missing or unsafe. It asks nobody.
func (s Settings) Validate() error {
	if s.Target == "" {
		return errors.New("target: the issuer of the authorization server is missing")
	}
	if err := s.checkURL("target", s.Target, s.AllowPlainHTTP); err != nil {
		return err
	}
	if s.IdP.URL != "" {
		if err := s.checkURL("idp.url", s.IdP.URL, true); err != nil { // keys are public
			return err
		}
	}
	switch s.Profile {
	case IDJAG, JWTBearer:
	default:
		return fmt.Errorf("profile: %q: %s or %s is expected", s.Profile, IDJAG, JWTBearer)
	}
	if s.Subject == "" {
		return errors.New("subject: who the assertions speak of is missing")
	}
	if s.Rate <= 0 || s.Rate > 1000 {
		return errors.New("rate: more than 0 and at most 1000 requests a second are expected")
	}
	if s.Timeout <= 0 {
		return errors.New("timeout: it must be more than 0")
	}
	if !slices.Contains([]string{"ES256", "RS256"}, s.IdP.Algorithm) {
		return fmt.Errorf("idp.algorithm: %q: ES256 or RS256 is expected", s.IdP.Algorithm)
	}
	if err := s.Client.validate("client"); err != nil {
		return err
	}
	if s.OtherClient.ID == "" {
		return nil
	}
	if s.OtherClient.ID == s.Client.ID {
		return errors.New("other_client: it is the same client")
	}
	return s.OtherClient.validate("other_client")
}

func (c Client) validate(name string) error {
	switch {
	case c.ID == "":
		return fmt.Errorf("%s.id: it is missing: the suite is a client that the target knows (--%s-id, or --settings); --print-setup prints what to register", name, strings.ReplaceAll(name, "_", "-"))
	case c.Auth == PrivateKeyJWT && c.Key == nil:
		return errors.New(name + ": private_key_jwt needs a key")
	case c.Auth == PrivateKeyJWT:
		return nil
	case c.Auth != "" && c.Auth != SecretBasic && c.Auth != SecretPost:
		return fmt.Errorf("%s.auth: %q: %s, %s or %s is expected", name, c.Auth, SecretBasic, SecretPost, PrivateKeyJWT)
	case c.Secret.IsZero():
		return errors.New(name + ": it has no secret: the suite authenticates a confidential client")
	}
	return nil
}

// checkURL: an issuer is https without query and fragment (RFC 8414 §2); http to
// another machine would carry a client secret in the clear.
func (s Settings) checkURL(name, text string, plain bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "#") || strings.HasSuffix(text, "?"):
		return fmt.Errorf("%s: %q is no issuer: an absolute URL without query and fragment is expected", name, text)
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("%s: %q: https is expected", name, text)
	case !plain && !loopback(u.Hostname()):
		return fmt.Errorf("%s: %q: the client's secret would travel in the clear; --allow-plain-http if that is meant", name, text)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
