package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Verdict is what the egress rules say of a host.
type Verdict string

// The verdicts.
const (
	Allowed Verdict = "allowed"
	Denied  Verdict = "denied"
	AtDial  Verdict = "at_dial"    // decided on the address that the name has then (CIDR blocks in egress.allow)
	OwnDoor Verdict = "fixed"      // has a door of its own, fixed by configuration
	Never   Verdict = "not_called" // nothing of this version calls it
)

// Call is one host that a feature calls, or would.
type Call struct {
	Feature string  `json:"feature"`
	Host    string  `json:"host,omitempty"`
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why,omitempty"`
	Instead string  `json:"instead,omitempty"` // what does without it
}

// Egress lists them.
func Egress(ctx context.Context, c Config) ([]Call, error) {
	if c.HTTP == nil || c.Now == nil || c.Loaded == nil {
		return nil, ErrIncomplete
	}
	if c.LoadError != nil {
		return nil, c.LoadError
	}
	d := &Doctor{Config: c, report: Report{At: c.Now().UTC()}}
	defer d.close()
	d.database(ctx)
	d.server(ctx)
	return d.calls(ctx)
}

func (d *Doctor) calls(ctx context.Context) ([]Call, error) {
	var calls []Call
	c := d.Loaded
	if address, err := c.Text(c.Database.URL); err == nil {
		if u, err := url.Parse(address.Reveal()); err == nil && u.Scheme != "sqlite" {
			calls = append(calls, Call{Feature: "database", Host: u.Host, Verdict: OwnDoor, Why: "database.url"})
		}
	}
	door := fetch.New(c.Egress.Policy())
	if c.Telemetry.OTLPEndpoint != "" {
		calls = append(calls, d.judge(door, "traces", c.Telemetry.OTLPEndpoint, c.Telemetry.Network(), "remove telemetry.otlp_endpoint; /metrics and the log stay"))
	}
	idps, err := d.list(ctx, object.KindIdentityProvider)
	if err != nil {
		return nil, err
	}
	for _, one := range idps {
		if spec, ok := one.Spec.(*object.IdentityProviderSpec); ok {
			calls = append(calls, d.idpCalls(door, one, spec)...)
		}
	}
	clients, err := d.list(ctx, object.KindClient)
	if err != nil {
		return nil, err
	}
	for _, one := range clients {
		if spec, ok := one.Spec.(*object.ClientSpec); ok && spec.Auth.JWKSURI != "" && !spec.Disabled {
			calls = append(calls, d.judge(door, "keys of client "+one.name(), spec.Auth.JWKSURI, fetch.Network{}, "write its keys into the object: auth.jwks"))
		}
	}
	for _, f := range []string{"client metadata documents", "groups from a directory", "webhooks", "shared signals"} {
		calls = append(calls, Call{Feature: f, Verdict: Never, Why: "not in this version"})
	}
	calls = append(calls, Call{Feature: "update checks, telemetry of ours", Verdict: Never, Why: "there is none"})
	return calls, nil
}

func (e entry) name() string {
	if e.tenant == tenant.DefaultName {
		return e.Metadata.Name
	}
	return e.tenant + "/" + e.Metadata.Name
}

func (d *Doctor) idpCalls(door *fetch.Client, one entry, spec *object.IdentityProviderSpec) []Call {
	const instead = "carry its keys: chancery idp bundle create where it can be reached, chancery idp bundle import here"
	feature := "keys of IdP " + one.name()
	if spec.Disabled {
		return []Call{{Feature: feature, Verdict: Never, Why: "the entry is disabled"}}
	}
	if spec.JWKS.HasInlineKeys() {
		return []Call{{Feature: feature, Verdict: Never, Why: "its keys are in the entry"}}
	}
	network := fetch.Network{CABundle: spec.Network.CABundle, Proxy: spec.Network.Proxy, AllowPrivateAddresses: spec.Network.AllowPrivateAddresses}
	if spec.SpeaksSAMLAlone() {
		const metadata = "metadata of IdP "
		if spec.SAML.MetadataURL == "" {
			return []Call{{Feature: metadata + one.name(), Verdict: Never, Why: "it is in the entry"}}
		}
		return []Call{d.judge(door, metadata+one.name(), spec.SAML.MetadataURL, network, "give it as text: spec.saml.metadata")}
	}
	if spec.JWKS.URI != "" {
		return []Call{d.judge(door, feature, spec.JWKS.URI, network, instead)}
	}
	places, err := jwks.MetadataURLs(spec.Issuer)
	if err != nil {
		return []Call{{Feature: feature, Verdict: Denied, Why: err.Error(), Instead: instead}}
	}
	call := d.judge(door, feature, places[0], network, instead)
	if call.Verdict != Denied {
		call.Why = strings.TrimPrefix(call.Why+"; its metadata names the host of the key set, which is judged too", "; ")
	}
	return []Call{call}
}

// judge asks the door itself, so that what is said here is what happens there.
func (d *Doctor) judge(door *fetch.Client, feature, rawURL string, n fetch.Network, instead string) Call {
	call := Call{Feature: feature, Verdict: Allowed}
	if u, err := url.Parse(rawURL); err == nil {
		call.Host = u.Host
	}
	if n.Proxy != "" {
		if u, err := url.Parse(n.Proxy); err == nil {
			call.Why = "by the proxy " + u.Host
		}
	}
	err := door.Judge(rawURL, n)
	if err == nil {
		if d.Loaded.Egress.Mode == "deny" && !d.listed(rawURL) {
			call.Verdict, call.Why, call.Instead = AtDial, "its address must be in egress.allow", instead
		}
		return call
	}
	call.Verdict, call.Why, call.Instead = Denied, err.Error(), instead
	if refusal, ok := errors.AsType[*fetch.Error](err); ok {
		call.Why = refusal.Reason
	}
	return call
}

// listed: a name passes for its own sake only where a list without blocks lets it pass.
func (d *Doctor) listed(rawURL string) bool {
	var names []string
	for _, entry := range d.Loaded.Egress.Allow {
		if !strings.Contains(entry, "/") {
			names = append(names, entry)
		}
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	if fetch.New(fetch.Policy{Mode: "deny", Allow: d.Loaded.Egress.Allow}).Judge("https://"+u.Hostname(), fetch.Network{AllowPrivateAddresses: true}) == nil && isAddress(u.Hostname()) {
		return true
	}
	return fetch.New(fetch.Policy{Mode: "deny", Allow: names}).Judge("https://"+u.Hostname(), fetch.Network{AllowPrivateAddresses: true}) == nil
}

func isAddress(host string) bool {
	return strings.Trim(host, "0123456789.") == "" || strings.Contains(host, ":")
}

// egressRow sums up; the list is a command of its own.
func (d *Doctor) egressRow(ctx context.Context) {
	calls, err := d.calls(ctx)
	if err != nil {
		d.report.skip("egress", "the objects cannot be read: "+err.Error())
		return
	}
	var allowed int
	var denied []string
	for _, call := range calls {
		switch call.Verdict {
		case Allowed, AtDial, OwnDoor:
			allowed++
		case Denied:
			denied = append(denied, call.Feature)
		case Never:
		}
	}
	seen := fmt.Sprintf("egress.mode %s; hosts that may be called: %d", d.Loaded.Egress.Mode, allowed)
	if len(denied) > 0 {
		d.report.add("egress", Warn, seen+"; denied: "+strings.Join(denied, ", "), "chancery doctor egress says what does without each")
		return
	}
	d.report.ok("egress", seen)
}
