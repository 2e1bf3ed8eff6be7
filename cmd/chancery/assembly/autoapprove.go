package assembly

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation"
)

var errAutoApprove = errors.New("assembly: consent is given by itself in development on loopback only")

// mayAutoApprove refuses consent by itself wherever somebody else could reach it. No configuration asks for it: it is an
// option of whoever assembles, and `chancery dev` alone has it.
func (o Options) mayAutoApprove() error {
	if o.AutoApprove == "" {
		return nil
	}
	if o.Config.Profile != config.Dev || !o.DevDocuments {
		return errAutoApprove
	}
	public, err := url.Parse(o.Config.Server.PublicURL)
	if err != nil || !onLoopback(public.Hostname()) {
		return fmt.Errorf("%w: server.public_url is %q", errAutoApprove, o.Config.Server.PublicURL)
	}
	for _, address := range []string{o.Config.Server.Listen, addressOf(o.Public), o.Config.Admin.Listen, addressOf(o.Admin)} {
		if address == "" { // not opened yet: as the configuration says
			continue
		}
		if host, _, err := net.SplitHostPort(address); err != nil || !onLoopback(host) {
			return fmt.Errorf("%w: it would listen on %q", errAutoApprove, address)
		}
	}
	return nil
}

func addressOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func onLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// unattended takes the person out of a sign-in, if that was asked for.
func (s *Server) unattended(signIns authorize.SignIns, consents authorize.Consents) (authorize.SignIns, authorize.Consents) {
	if s.AutoApprove == "" {
		return signIns, consents
	}
	s.Log.Warn("AUTO-APPROVE: whoever asks from this machine is signed in and consents, and nobody is asked", "as", s.AutoApprove)
	return hinted{signIns, s.AutoApprove}, approving{consents, s}
}

// hinted leads who says nothing to one person's IdP.
type hinted struct {
	authorize.SignIns
	as string
}

// HomeRealm implements authorize.SignIns.
func (h hinted) HomeRealm(t *snapshot.Tenant, loginHint string) (*federation.IdentityProvider, bool) {
	if loginHint == "" {
		loginHint = h.as
	}
	return h.SignIns.HomeRealm(t, loginHint)
}

// approving says yes where a person would be asked, and records that nobody was.
type approving struct {
	authorize.Consents
	server *Server
}

// Rule implements authorize.Consents. What would go elsewhere than to a program of this machine is asked all the same: any
// web page can send the developer's browser here.
func (a approving) Rule(ctx context.Context, q consent.Question) (consent.Ruling, error) {
	ruling, err := a.Consents.Rule(ctx, q)
	if err != nil || !ruling.Ask {
		return ruling, err
	}
	place, err := url.Parse(q.RedirectURI)
	if err != nil || place.Scheme != "http" || !onLoopback(place.Hostname()) {
		return ruling, nil //nolint:nilerr // a person looks at it
	}
	now := a.server.Now()
	caller := session.CallerOf(ctx, now)
	err = a.Give(ctx, q, audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: q.Tenant.UID, Trace: caller.Trace, Type: audit.TypeConsentGiven, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "system", Name: "auto-approve"}, OnBehalf: q.UserUID, Client: q.Client.Name, Remote: caller.Remote,
		Detail: map[string]string{"client_uid": q.Client.UID, "redirect_uri": q.RedirectURI},
	})
	ruling.Ask = err != nil
	return ruling, err
}
