package admin

import (
	"net"
	"net/http"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
)

// attempt is what somebody tried who may not.
type attempt struct {
	request *http.Request
	trace   string
	route   string // as the specification writes it, "" where there is none
	code    string
	needs   Permission
	who     caller // nobody, if no credential of ours was shown
	tenant  string // as the path says
}

// refused records an attempt (threats T64, T71). Of what the caller sent it keeps
// nothing but what is checked: the path is the route's, and a credential is only
// said to have been there.
func (s *Server) refused(a attempt) {
	now := s.Now()
	remote := remoteOf(a.request)
	event := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: s.Root, Trace: a.trace, Type: audit.TypeAdminRefused, Outcome: audit.Refused,
		Code: a.code, Principal: audit.Principal{Kind: "anonymous"}, Remote: remote,
		Detail: map[string]string{"method": methodOf(a.request), "route": a.route},
	}
	switch {
	case a.who.name != "":
		event.Principal = a.who.principal()
		event.Detail["role"] = a.who.role.names()
		if a.who.person != nil { // the log is that of tenant default
			event.Detail["person_tenant"] = a.who.person.Tenant
		}
	case len(a.request.Header.Values("Authorization")) > 0:
		event.Detail["credential"] = "unknown"
	default:
		event.Detail["credential"] = "absent"
	}
	if a.needs != "" {
		event.Detail["permission"] = string(a.needs)
	}
	if object.IsName(a.tenant) {
		event.Detail["tenant"] = a.tenant
	}
	s.Refusals.Add(event, remote)
}

// methodOf keeps a method that exists; any other is the caller's text.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return ""
	}
}

// remoteOf is the peer's address. The admin listener trusts no proxy.
func remoteOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
