package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// Names of the environment that say who asks for a token.
const (
	envIssuer          = "CHANCERY_ISSUER"
	envClientID        = "CHANCERY_CLIENT_ID"
	envClientSecret    = "CHANCERY_CLIENT_SECRET"
	envIdPIssuer       = "CHANCERY_IDP_ISSUER"
	envIdPClientID     = "CHANCERY_IDP_CLIENT_ID"
	envIdPClientSecret = "CHANCERY_IDP_CLIENT_SECRET" //nolint:gosec // a name, not a credential
	envSubjectToken    = "CHANCERY_SUBJECT_TOKEN"     //nolint:gosec // a name, not a credential
	envAgentProfile    = "CHANCERY_AGENT_PROFILE"
)

const askedLong = `Who asks is said by flags and environment, by an entry of a --profile file, or, where neither says anything, by the surroundings of
chancery dev that run here: then it is its agent, for whoever did dev login. These are not mixed: no secret of the one goes to a
server of the other; only flags change what a profile says. Secrets are in files or in the environment, never among the arguments.

The authorization server is --issuer, and the resource must name it if it publishes metadata (RFC 9728); without --issuer it is the
only one that the resource names. A client's secret, or an assertion from a file, is not sent to a server that only the resource
names.`

// askFlags say who asks for a token, and for what.
type askFlags struct {
	resource   string
	scopes     []string
	idp        string
	profile    string
	folder     string
	entry      obtain.Entry
	dpop       bool
	dpopKey    string
	dpopNeeded bool // a key that ends with the command is of no use
}

func (f *askFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.resource, "resource", "", "identifier of the resource, its URL (default while chancery dev runs here: the sample MCP server)")
	flags.StringSliceVar(&f.scopes, "scope", nil, "scopes to ask for (default: all that the resource publishes)")
	flags.StringVar(&f.idp, "idp", "", "entry of the profile (default: the only one)")
	flags.StringVar(&f.profile, "profile", "", "YAML file of agents and IdPs ("+envAgentProfile+"; docs/agents.md)")
	flags.StringVar(&f.folder, "dir", "", "folder of chancery dev ("+envDevFolder+"; default ./"+dev.DefaultFolder+")")
	flags.StringVar(&f.entry.Issuer, "issuer", "", "the authorization server's issuer ("+envIssuer+"; else found through the resource)")
	flags.StringVar(&f.entry.Client.ID, "client-id", "", "the agent at the authorization server ("+envClientID+")")
	flags.StringVar(&f.entry.Client.Auth, "client-auth", "", "client_secret_basic or client_secret_post (default client_secret_basic)")
	flags.StringVar(&f.entry.Client.SecretFile, "client-secret-file", "", "file that holds its secret ("+envClientSecret+")")
	flags.StringVar(&f.entry.Client.KeyFile, "key-file", "", "file that holds its private key in PEM, for private_key_jwt")
	flags.StringVar(&f.entry.Client.KeyID, "key-id", "", "kid of that key at the authorization server")
	flags.StringVar(&f.entry.IdP.Issuer, "idp-issuer", "", "issuer of the IdP at which the person signed in ("+envIdPIssuer+")")
	flags.StringVar(&f.entry.IdP.ClientID, "idp-client-id", "", "the agent at that IdP ("+envIdPClientID+")")
	flags.StringVar(&f.entry.IdP.SecretFile, "idp-client-secret-file", "", "file that holds its secret there ("+envIdPClientSecret+")")
	flags.StringVar(&f.entry.SubjectToken.File, "subject-token-file", "", "file that holds the person's ID token or refresh token ("+envSubjectToken+")")
	flags.StringVar(&f.entry.SubjectToken.Type, "subject-token-type", "", "id_token or refresh_token (default id_token)")
	flags.StringVar(&f.entry.AssertionFile, "assertion-file", "", "file that holds an assertion to redeem, such as a workload's token, instead of leg 1")
	flags.BoolVar(&f.entry.ClientCredentials, "client-credentials", false, "ask in the agent's own name, for nobody")
	flags.BoolVar(&f.dpop, "dpop", false, "bind the token to a key (RFC 9449)")
	flags.StringVar(&f.dpopKey, "dpop-key-file", "", "file of that key in PEM; made if it is not there (0600)")
	offer(cmd, "client-auth", "client_secret_basic", "client_secret_post")
	offer(cmd, "subject-token-type", "id_token", "refresh_token")
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault // a file here, not a profile of the configuration
	})
}

// offer tells shells the values of a flag.
func offer(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// asked is a request, and the surroundings it came from, if any.
type asked struct {
	request obtain.Request
	dev     *dev.Context
}

func (c *command) asked(f askFlags) (asked, error) {
	entry, secrets, err := c.entry(f)
	if err != nil {
		return asked{}, err
	}
	a := asked{request: obtain.Request{Resource: f.resource, HTTP: remoteHTTP()}}
	for _, scope := range f.scopes {
		a.request.Scopes = append(a.request.Scopes, strings.Fields(scope)...)
	}
	if entry == (obtain.Entry{}) && secrets == (givenSecrets{}) {
		if a.dev, err = dev.Find(c.devFolder(f.folder)); err != nil {
			return asked{}, fmt.Errorf("nothing says who asks: flags, environment, --profile (%w)", err)
		}
		err = a.inDev(f, time.Now())
	} else {
		a.request.Identity, err = identity(entry, secrets)
	}
	if err != nil {
		return asked{}, err
	}
	if a.request.Resource == "" {
		return asked{}, errors.New("--resource is missing")
	}
	a.request.Identity.DPoP, err = f.dpopKeyOf()
	return a, err
}

// inDev is the agent of running surroundings.
func (a *asked) inDev(f askFlags, now time.Time) error {
	if f.idp != "" && f.idp != a.dev.IdP.Name {
		return fmt.Errorf("chancery dev has one IdP, %s: --idp %s needs a --profile", a.dev.IdP.Name, f.idp)
	}
	clientSecret, err := a.dev.ClientSecret()
	if err != nil {
		return err
	}
	subject, isIDToken, err := devSession(a.dev, now)
	if err != nil {
		return err
	}
	if a.request.Resource == "" {
		a.request.Resource = a.dev.Resource
	}
	a.request.HTTP = &http.Client{Transport: dev.Direct()}
	a.request.Identity = obtain.Identity{
		Issuer: a.dev.Issuer, ClientID: a.dev.Client.ID, ClientSecret: clientSecret,
		IdPIssuer: a.dev.IdP.Issuer, IdPClientID: a.dev.IdP.ClientID, Subject: subject, SubjectIsIDT: isIDToken,
	}
	return nil
}

// givenSecrets are those of the environment.
type givenSecrets struct{ client, idp, subject secret.Text }

// entry is a profile's entry, or what the environment says, and flags over it.
func (c *command) entry(f askFlags) (obtain.Entry, givenSecrets, error) {
	path := f.profile
	if path == "" {
		path = c.env(envAgentProfile)
	}
	if path == "" {
		base := obtain.Entry{Issuer: c.env(envIssuer)}
		base.Client.ID, base.IdP.Issuer, base.IdP.ClientID = c.env(envClientID), c.env(envIdPIssuer), c.env(envIdPClientID)
		var secrets givenSecrets
		for name, into := range map[string]*secret.Text{envClientSecret: &secrets.client, envIdPClientSecret: &secrets.idp, envSubjectToken: &secrets.subject} {
			if value := c.env(name); value != "" {
				*into = secret.New(value)
			}
		}
		said := over(base, f.entry)
		if f.idp != "" && (said != (obtain.Entry{}) || secrets != (givenSecrets{})) {
			return obtain.Entry{}, givenSecrets{}, errors.New("--idp names an entry of a --profile, and there is none")
		}
		return said, secrets, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err != nil {
		return obtain.Entry{}, givenSecrets{}, fmt.Errorf("--profile: %w", err)
	}
	profile, err := obtain.ParseProfile(text)
	if err != nil {
		return obtain.Entry{}, givenSecrets{}, fmt.Errorf("--profile: %s: %w", path, err)
	}
	base, err := profile.Entry(f.idp)
	if err != nil {
		return obtain.Entry{}, givenSecrets{}, fmt.Errorf("--profile: %s: %w", path, err)
	}
	return over(base, f.entry), givenSecrets{}, nil
}

// over lays flags over what is there.
func over(base, flags obtain.Entry) obtain.Entry {
	for _, pair := range []struct{ into, from *string }{
		{&base.Issuer, &flags.Issuer},
		{&base.Client.ID, &flags.Client.ID},
		{&base.Client.Auth, &flags.Client.Auth},
		{&base.Client.SecretFile, &flags.Client.SecretFile},
		{&base.Client.KeyFile, &flags.Client.KeyFile},
		{&base.Client.KeyID, &flags.Client.KeyID},
		{&base.IdP.Issuer, &flags.IdP.Issuer},
		{&base.IdP.ClientID, &flags.IdP.ClientID},
		{&base.IdP.SecretFile, &flags.IdP.SecretFile},
		{&base.SubjectToken.File, &flags.SubjectToken.File},
		{&base.SubjectToken.Type, &flags.SubjectToken.Type},
		{&base.AssertionFile, &flags.AssertionFile},
	} {
		if *pair.from != "" {
			*pair.into = *pair.from
		}
	}
	base.ClientCredentials = base.ClientCredentials || flags.ClientCredentials
	return base
}

// identity reads what an entry refers to.
func identity(e obtain.Entry, given givenSecrets) (obtain.Identity, error) {
	i := obtain.Identity{
		Issuer: e.Issuer, ClientID: e.Client.ID, ClientKeyID: e.Client.KeyID, IdPIssuer: e.IdP.Issuer, IdPClientID: e.IdP.ClientID,
		AssertionFile: e.AssertionFile, ClientCredentials: e.ClientCredentials,
		ClientSecret: given.client, IdPClientSecret: given.idp, Subject: given.subject,
	}
	for _, from := range []struct {
		flag, path string
		into       *secret.Text
	}{
		{"--client-secret-file", e.Client.SecretFile, &i.ClientSecret},
		{"--idp-client-secret-file", e.IdP.SecretFile, &i.IdPClientSecret},
		{"--subject-token-file", e.SubjectToken.File, &i.Subject},
	} {
		if from.path == "" {
			continue
		}
		read, err := config.Ref{File: from.path}.Resolve(nil)
		if err != nil {
			return i, fmt.Errorf("%s: %w", from.flag, err)
		}
		*from.into = secret.New(strings.TrimSpace(read.Reveal()))
	}
	switch e.Client.Auth {
	case "", "client_secret_basic":
	case "client_secret_post":
		i.SecretPost = true
	default:
		return i, fmt.Errorf("--client-auth: %q: client_secret_basic or client_secret_post is expected", e.Client.Auth)
	}
	switch e.SubjectToken.Type {
	case "", "id_token":
		i.SubjectIsIDT = true
	case "refresh_token":
	default:
		return i, fmt.Errorf("--subject-token-type: %q: id_token or refresh_token is expected", e.SubjectToken.Type)
	}
	if e.Client.KeyFile != "" {
		text, err := config.Ref{File: e.Client.KeyFile}.Resolve(nil)
		if err != nil {
			return i, fmt.Errorf("--key-file: %w", err)
		}
		if i.ClientKey, err = obtain.ParseKey([]byte(text.Reveal())); err != nil {
			return i, fmt.Errorf("--key-file: %s: %w", e.Client.KeyFile, err)
		}
	}
	return i, i.Validate()
}

// dpopKeyOf reads or makes the key that the token is bound to; nil without --dpop.
func (f askFlags) dpopKeyOf() (*agent.Key, error) {
	switch {
	case !f.dpop && f.dpopKey == "":
		return nil, nil
	case f.dpopKey == "" && f.dpopNeeded:
		return nil, errors.New("--dpop: the token would be bound to a key that ends with this command: say --dpop-key-file")
	case f.dpopKey == "":
		return agent.NewKey()
	}
	signer, err := keptSigner(f.dpopKey)
	if err != nil {
		return nil, fmt.Errorf("--dpop-key-file: %w", err)
	}
	return agent.KeyOf(signer)
}
