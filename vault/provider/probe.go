package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
)

// Account is whose credential it is, as the provider says. A person confirms it; nothing is decided by it.
type Account struct {
	ID    string
	Label string
	// Otherwise: the label is not what the manifest names first, such as a name that its bearer chose where the address is
	// absent. It reads well, and is no address.
	Otherwise bool `json:",omitempty"`
}

const (
	maxLabel = 200
	maxSites = 100
)

// What a credential keeps of an account that only the answer with the token names.
const (
	keptID    = "account_id"
	keptLabel = "account_label"
)

var errNoAccount = errors.New("the answer names no account")

// Probe asks the provider whose credential it is. Where there is no way to ask, ErrUnsupported.
func (p *Provider) Probe(ctx context.Context, c Credential) (Account, error) {
	rules := p.manifest.Probe
	switch {
	case rules == nil:
		return Account{}, ErrUnsupported
	case rules.InToken && c.Kept[keptID] == "":
		return Account{}, errNoAccount
	case rules.InToken:
		return Account{ID: c.Kept[keptID], Label: c.Kept[keptLabel]}, nil
	}
	a, err := p.ask(ctx, *rules, c)
	if err != nil {
		return Account{}, err
	}
	return account(*rules, a.body)
}

// Sites lists what a token reaches: Atlassian's sites, whose ids are a part of every address.
func (p *Provider) Sites(ctx context.Context, c Credential) ([]Account, error) {
	rules := p.manifest.Sites
	if rules == nil {
		return nil, ErrUnsupported
	}
	a, err := p.ask(ctx, *rules, c)
	if err != nil {
		return nil, err
	}
	if len(a.list) > maxSites {
		return nil, p.fail(Transient, "more sites than are read")
	}
	var sites []Account
	for _, one := range a.list {
		site, err := account(*rules, one)
		if err != nil {
			return nil, err
		}
		sites = append(sites, site)
	}
	return sites, nil
}

// recognise finds the account right after a token was given.
func (p *Provider) recognise(ctx context.Context, a answer, c *Credential) (Account, error) {
	rules := p.manifest.Probe
	if rules == nil {
		return Account{}, nil
	}
	if !rules.InToken {
		return p.Probe(ctx, *c)
	}
	for _, path := range append([]string{rules.ID}, rules.Label...) {
		if c.holds(words(at(a.body, path))) {
			return Account{}, errNoAccount
		}
	}
	found, err := account(*rules, a.body)
	if err != nil {
		return Account{}, err
	}
	if c.Kept == nil {
		c.Kept = map[string]string{}
	}
	c.Kept[keptID], c.Kept[keptLabel] = found.ID, found.Label
	return found, nil
}

func (p *Provider) ask(ctx context.Context, rules ProbeRules, c Credential) (answer, error) {
	address, failure := p.address(rules.URL, nil)
	if failure != nil {
		return answer{}, failure
	}
	out := request{method: http.MethodGet, url: address, auth: presented, bearer: c.Access, repeat: harmless}
	if rules.Body != "" {
		out.method, out.body = http.MethodPost, []byte(rules.Body)
	}
	a, failure := p.send(ctx, out)
	if failure != nil {
		return answer{}, failure
	}
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return answer{}, &Error{Provider: p.manifest.Name, Outcome: Terminal, Status: a.status, Reason: "the access token is refused"}
	case a.status != http.StatusOK || p.refused(a) && a.list == nil:
		return answer{}, p.plainly(a)
	}
	return a, nil
}

func account(rules ProbeRules, v any) (Account, error) {
	found := Account{ID: Clean(words(at(v, rules.ID)))}
	for i, path := range rules.Label {
		if found.Label == "" {
			found.Label, found.Otherwise = Clean(words(at(v, path))), i > 0
		}
	}
	if found.ID == "" {
		return Account{}, errNoAccount
	}
	return found, nil
}

// Clean leaves what can be shown of a text that others wrote: no controls, nothing that turns the direction of reading, and not
// too much.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxLabel {
		return string(runes[:maxLabel])
	}
	return s
}
