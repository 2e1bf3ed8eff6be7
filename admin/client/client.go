// Package client speaks to the admin API, for the command line. The credential is
// never printed: not in errors, not by any formatting of a Client. It imports the
// kinds of package object and nothing of the server.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// maxAnswer bounds what is read of an answer that is not streamed.
const maxAnswer = 64 << 20

// Client speaks to one admin listener about one tenant.
type Client struct {
	base   string
	token  secret.Text
	tenant string
	http   *http.Client
}

// New returns a client. The credential is sent over plain http to loopback only.
func New(base string, token secret.Text, tenantName string, h *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the admin address is not an http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the admin address has a user, a query or a fragment")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("the credential is not sent to %s in the clear: use https", u.Host)
	}
	if token.IsZero() {
		return nil, errors.New("there is no admin credential: set CHANCERY_ADMIN_TOKEN or --token-file")
	}
	if tenantName == "" {
		tenantName = tenant.DefaultName
	}
	if !object.IsName(tenantName) {
		return nil, fmt.Errorf("%.64q is no tenant's name", tenantName)
	}
	if h == nil {
		return nil, errors.New("no HTTP client")
	}
	direct := *h
	// A redirect would carry the credential to who knows whom.
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, tenant: tenantName, http: &direct}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// Tenant returns the same client for another tenant.
func (c *Client) Tenant(name string) *Client {
	other := *c
	other.tenant = name
	return &other
}

// String says where the client speaks to, and not with what.
func (c *Client) String() string { return c.base + " (tenant " + c.tenant + ")" }

// GoString implements fmt.GoStringer: fmt does not ask what is within unexported fields.
func (c *Client) GoString() string { return c.String() }

// Problem is an error that the API answered (RFC 9457).
type Problem struct {
	Status int              `json:"status"`
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Code   string           `json:"code"`
	Trace  string           `json:"trace"`
	Errors []object.Problem `json:"errors"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", p.Code, p.Status)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	if p.Trace != "" {
		b.WriteString(" [" + p.Trace + "]")
	}
	return b.String()
}

func (c *Client) path(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = url.PathEscape(p)
	}
	return c.base + "/admin/v1/tenants/" + url.PathEscape(c.tenant) + "/" + strings.Join(escaped, "/")
}

func (c *Client) objectPath(kind object.Kind, name string) (string, error) {
	if kind == object.KindTenant {
		return c.base + "/admin/v1/tenants/" + url.PathEscape(name), nil
	}
	if !kind.Served() {
		return "", fmt.Errorf("unknown kind %.64q", kind)
	}
	return c.path(kind.Plural(), name), nil
}

// send makes one request; the caller closes the answer's body.
func (c *Client) send(ctx context.Context, method, address string, query url.Values, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		reader = bytes.NewReader(text)
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, reader)
	if err != nil {
		return nil, fmt.Errorf("admin request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("admin API: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, problemOf(response)
}

func problemOf(response *http.Response) error {
	p := &Problem{Status: response.StatusCode, Code: "unexpected_answer", Title: response.Status}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return p
	}
	sent := &Problem{}
	if json.Unmarshal(text, sent) == nil && sent.Code != "" {
		sent.Status = response.StatusCode
		return sent
	}
	return p
}

// call makes one request and reads its JSON answer.
func (c *Client) call(ctx context.Context, method, address string, query url.Values, body, into any) error {
	response, err := c.send(ctx, method, address, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("admin API: read answer: %w", err)
	}
	if len(text) > maxAnswer {
		return errors.New("admin API: the answer is too large")
	}
	if raw, ok := into.(*json.RawMessage); ok {
		*raw = text
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("admin API: read answer: %w", err)
	}
	return nil
}

// ApplyOptions say how objects are applied.
type ApplyOptions struct {
	Manager string // "" is apply
	DryRun  bool
	Prune   bool
	Note    string // why, for those who read the history of policies
}

// Apply makes objects of this tenant so, all or none.
func (c *Client) Apply(ctx context.Context, objects []object.Object, o ApplyOptions) (object.Plan, error) {
	query := url.Values{}
	if o.DryRun {
		query.Set("dry_run", "true")
	}
	if o.Prune {
		query.Set("prune", "true")
	}
	if o.Manager != "" {
		query.Set("manager", o.Manager)
	}
	if o.Note != "" {
		query.Set("note", o.Note)
	}
	if objects == nil {
		objects = []object.Object{}
	}
	var plan object.Plan
	err := c.call(ctx, http.MethodPost, c.path("apply"), query, objects, &plan)
	return plan, err
}

// ApplyAll applies objects to the tenants that they name, everything tried before
// anything is made. Tenants do not share a transaction.
func (c *Client) ApplyAll(ctx context.Context, objects []object.Object, o ApplyOptions) (object.Plan, error) {
	names, byTenant := object.ByTenant(objects, c.tenant)
	all := object.Plan{Items: []object.Item{}}
	if len(names) > 1 && !o.DryRun {
		tried := o
		tried.DryRun = true
		for _, name := range names {
			if _, err := c.Tenant(name).Apply(ctx, byTenant[name], tried); err != nil {
				return all, fmt.Errorf("tenant %s: %w", name, err)
			}
		}
	}
	for _, name := range names {
		plan, err := c.Tenant(name).Apply(ctx, byTenant[name], o)
		if err != nil {
			return all, fmt.Errorf("tenant %s: %w", name, err)
		}
		all.Items = append(all.Items, plan.Items...)
		all.Warnings = append(all.Warnings, plan.Warnings...)
		all.Pending = append(all.Pending, plan.Pending...)
	}
	all.Applied = !o.DryRun && len(all.Pending) == 0
	return all, nil
}

// Diff says what applying would change.
func (c *Client) Diff(ctx context.Context, objects []object.Object, prune bool) (object.Plan, error) {
	return c.ApplyAll(ctx, objects, ApplyOptions{DryRun: true, Prune: prune})
}

// list is a page as it came.
type list struct {
	Items json.RawMessage `json:"items"`
	Next  string          `json:"next"`
}

func (l list) objects() ([]object.Object, error) {
	if len(l.Items) == 0 {
		return nil, nil
	}
	return object.Decode(bytes.NewReader(l.Items), object.Options{Format: object.JSON})
}

// Export returns all objects of the tenant, in the order in which they apply.
func (c *Client) Export(ctx context.Context) ([]object.Object, error) {
	var l list
	if err := c.call(ctx, http.MethodGet, c.path("export"), nil, nil, &l); err != nil {
		return nil, err
	}
	return l.objects()
}

// Get returns one object.
func (c *Client) Get(ctx context.Context, kind object.Kind, name string) (object.Object, error) {
	address, err := c.objectPath(kind, name)
	if err != nil {
		return object.Object{}, err
	}
	var raw json.RawMessage
	if err := c.call(ctx, http.MethodGet, address, nil, nil, &raw); err != nil {
		return object.Object{}, err
	}
	found, err := object.Decode(bytes.NewReader(raw), object.Options{Format: object.JSON})
	if err != nil {
		return object.Object{}, err
	}
	if len(found) != 1 {
		return object.Object{}, errors.New("admin API: the answer is not one object")
	}
	return found[0], nil
}

// List returns all objects of a kind.
func (c *Client) List(ctx context.Context, kind object.Kind) ([]object.Object, error) {
	address := c.base + "/admin/v1/tenants"
	if kind != object.KindTenant {
		if !kind.Served() {
			return nil, fmt.Errorf("unknown kind %.64q", kind)
		}
		address = c.path(kind.Plural())
	}
	var all []object.Object
	query := url.Values{"limit": {"1000"}}
	for {
		var l list
		if err := c.call(ctx, http.MethodGet, address, query, nil, &l); err != nil {
			return nil, err
		}
		found, err := l.objects()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if l.Next == "" {
			return all, nil
		}
		query.Set("cursor", l.Next)
	}
}

// Delete ends one object.
func (c *Client) Delete(ctx context.Context, kind object.Kind, name string, dryRun bool) (object.Plan, error) {
	address, err := c.objectPath(kind, name)
	if err != nil {
		return object.Plan{}, err
	}
	query := url.Values{}
	if dryRun {
		query.Set("dry_run", "true")
	}
	var plan object.Plan
	err = c.call(ctx, http.MethodDelete, address, query, nil, &plan)
	return plan, err
}

// Secret is a client's secret; Text only when it was just made.
type Secret struct {
	ID        string
	Text      secret.Text
	CreatedAt time.Time
}

type secretAnswer struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret"`
	CreatedAt time.Time `json:"created_at"`
}

// AddSecret generates a secret; it is in the answer this once.
func (c *Client) AddSecret(ctx context.Context, name string) (Secret, error) {
	var a secretAnswer
	err := c.call(ctx, http.MethodPost, c.path("clients", name, "secrets"), nil, nil, &a)
	return Secret{ID: a.ID, Text: secret.New(a.Secret), CreatedAt: a.CreatedAt}, err
}

// Secrets lists a client's live secrets.
func (c *Client) Secrets(ctx context.Context, name string) ([]Secret, error) {
	var l struct {
		Items []secretAnswer `json:"items"`
	}
	if err := c.call(ctx, http.MethodGet, c.path("clients", name, "secrets"), nil, nil, &l); err != nil {
		return nil, err
	}
	all := make([]Secret, len(l.Items))
	for i, a := range l.Items {
		all[i] = Secret{ID: a.ID, CreatedAt: a.CreatedAt}
	}
	return all, nil
}

// RevokeSecret ends a secret at once.
func (c *Client) RevokeSecret(ctx context.Context, name, id string) error {
	return c.call(ctx, http.MethodDelete, c.path("clients", name, "secrets", id), nil, nil, nil)
}
