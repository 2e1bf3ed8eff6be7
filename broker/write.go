package broker

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// tokenAnswer is RFC 6749 §5.1 with the granted resource (ID-JAG-05 §4.4).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
	Resource    string `json:"resource,omitempty"`
	// RefreshToken (RFC 6749 §5.1) and IDToken (OpenID Connect Core §3.1.3.3) are there for people who signed in.
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
}

// leaseAnswer is RFC 8693 §2.2.1 with what is to be known of a provider's token. There is never a refresh token.
type leaseAnswer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       *int64 `json:"expires_in,omitempty"` // absent: the provider names no end
	Scope           string `json:"scope"`
	Provider        string `json:"provider"`
	Account         string `json:"account,omitempty"`
	Narrowed        bool   `json:"narrowed"`
	DecisionID      string `json:"decision_id"`
	CacheUntil      int64  `json:"cache_until"` // seconds since the epoch
	// Header and Scheme are how the token is shown to the provider's API.
	Header   string            `json:"header"`
	Scheme   string            `json:"scheme,omitempty"`
	Provided map[string]string `json:"provided,omitempty"` // what the provider gave with it, such as instance_url
}

func (s *Server) writeLease(c *gin.Context, r grant.Response) {
	v := r.Vended
	answer := leaseAnswer{
		AccessToken: r.AccessToken, IssuedTokenType: oauth.TypeAccessToken, TokenType: r.TokenType, Scope: r.Scope,
		Provider: v.Provider, Account: v.Account, Narrowed: v.Narrowed, DecisionID: v.DecisionID, CacheUntil: v.CacheUntil.Unix(),
		Header: v.Header, Scheme: v.Scheme, Provided: v.Kept,
	}
	if !v.Endless {
		left := int64(r.ExpiresIn.Seconds())
		answer.ExpiresIn = &left
	}
	c.JSON(http.StatusOK, answer)
}

func (s *Server) writeToken(c *gin.Context, r grant.Response) {
	noStore(c)
	if r.Vended != nil {
		s.writeLease(c, r)
		return
	}
	c.JSON(http.StatusOK, tokenAnswer{
		AccessToken: r.AccessToken, TokenType: r.TokenType, ExpiresIn: int64(r.ExpiresIn.Seconds()), Scope: r.Scope, Resource: r.Resource,
		RefreshToken: r.RefreshToken, IDToken: r.IDToken,
	})
}

func noStore(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
}

// refuse writes every refusal there is: RFC 6749 §5.2. What is unknown says server_error and nothing else.
func (s *Server) refuse(c *gin.Context, err error) {
	refusal := oauth.AsError(err)
	s.writeRefusal(c, refusal, refusal.Wire(s.issuerOf(c), traceOf(c)))
}

func (s *Server) writeRefusal(c *gin.Context, refusal *oauth.Error, w oauth.Wire) {
	if w.Status >= http.StatusInternalServerError {
		level := slog.LevelError
		// The caller went away: nothing of ours failed. Or there was no slot, which is told once for many (shed).
		if c.Request.Context().Err() != nil || refusal.Code == oauth.CodeOverloaded {
			level = slog.LevelDebug
		}
		s.Log.LogAttrs(c.Request.Context(), level, "request failed",
			slog.String("trace_id", traceOf(c)), slog.String("code", string(refusal.Code)), slog.String("error", refusal.Error()))
	}
	noStore(c)
	if refusal.TriedBasic && w.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Basic realm="chancery", charset="UTF-8"`)
	}
	comeLater(c, refusal.Wait())
	body := map[string]any{}
	maps.Copy(body, w.Members)
	body["error"], body["error_description"], body["error_uri"] = w.Error, w.Description, w.URI
	c.JSON(w.Status, body)
}

// comeLater says when to come again, if that helps.
func comeLater(c *gin.Context, wait time.Duration) {
	if wait > 0 {
		c.Header("Retry-After", strconv.FormatInt(int64(wait/time.Second), 10))
	}
}

// issuerOf gives the issuer whose error pages apply: that of the tenant that was found, else the root's. It looks nothing
// up: a refusal under load costs no database.
func (s *Server) issuerOf(c *gin.Context) string {
	if issuer := c.GetString(issuerKey); issuer != "" {
		return issuer
	}
	return s.PublicURL
}

// picture finds the tenant's picture for a request, or the refusal that says why not.
func (s *Server) picture(c *gin.Context) (*snapshot.Tenant, error) {
	name, ok := tenantName(c)
	if !ok {
		return nil, oauth.Refuse(oauth.CodeTenantUnknown, name, "a tenant's name")
	}
	t, err := s.Pictures.Get(c.Request.Context(), name)
	switch {
	case errors.Is(err, snapshot.ErrUnknownTenant):
		return nil, oauth.Refuse(oauth.CodeTenantUnknown, name, "a tenant's name")
	case err != nil:
		return nil, &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	c.Set(issuerKey, t.Issuer)
	return t, nil
}
