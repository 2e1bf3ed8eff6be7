package admin

import (
	"slices"
	"strings"
)

// Permission is what an operation needs.
type Permission string

// permissions lists every permission there is.
func permissions() []Permission {
	return []Permission{
		"tenant.read", "tenant.write", "idp.read", "idp.write", "client.read", "client.write", "resource.read", "resource.write",
		"user.read", "user.write", "policy.read", "policy.write", "policy.approve", "trust.approve", "proposal.read", "proposal.write", "proposal.decide", "idp.test", "idp.capture", "workload.read", "workload.write", "rolebinding.read", "rolebinding.write", "approval.decide", "provider.read", "provider.write", "connection.read", "connection.write", "webhook.read", "webhook.replay", "secret.read", "secret.write", "token.read", "token.revoke", "registration.read", "registration.write",
		"audit.read", "decision.read", "decision.purge", "policy.replay", "key.read", "key.write", "object.apply", "object.export", "metrics.read", "api.read",
	}
}

// Role is a named set of permissions.
type Role string

// The roles.
const (
	RoleOwner          Role = "owner"
	RoleAdmin          Role = "admin"
	RolePolicyAuthor   Role = "policy-author"
	RolePolicyApprover Role = "policy-approver"
	RoleIdPAdmin       Role = "idp-admin"
	RoleOperator       Role = "operator"
	RoleAuditor        Role = "auditor"
	RoleViewer         Role = "viewer"
)

// reading is what everyone may do who sees objects at all.
func reading() []Permission {
	return []Permission{
		"tenant.read", "idp.read", "client.read", "resource.read", "user.read", "policy.read", "workload.read", "provider.read", "proposal.read", "object.export", "api.read",
	}
}

// Permissions are what a role may do; none for a role that is not known.
func (r Role) Permissions() []Permission {
	switch r {
	case RoleOwner: // everything but what is asked of single persons
		return slices.DeleteFunc(permissions(), func(p Permission) bool { return slices.Contains(personal(), p) })
	case RoleAdmin: // everything but tenants, who has which role, and approval
		return slices.DeleteFunc(permissions(), func(p Permission) bool {
			return p == "tenant.write" || p == "policy.approve" || p == "trust.approve" || p == "proposal.decide" || p == "approval.decide" || p == "rolebinding.read" || p == "rolebinding.write"
		})
	case RolePolicyAuthor:
		return append(reading(), "policy.write", "policy.replay", "proposal.write", "object.apply", "decision.read")
	case RolePolicyApprover:
		return append(reading(), "policy.approve", "policy.replay", "proposal.decide", "decision.read")
	case RoleIdPAdmin:
		return append(reading(), "idp.write", "proposal.write", "idp.test", "idp.capture", "workload.write", "object.apply", "decision.read")
	case RoleOperator:
		return append(reading(), "key.read", "key.write", "secret.read", "connection.read", "webhook.read", "webhook.replay", "token.read", "token.revoke", "metrics.read")
	case RoleAuditor: // reads what was done, and nothing else
		return []Permission{"audit.read", "decision.read", "token.read", "api.read"}
	case RoleViewer:
		return reading()
	default:
		return nil
	}
}

// Roles lists the roles.
func Roles() []Role {
	return []Role{RoleOwner, RoleAdmin, RolePolicyAuthor, RolePolicyApprover, RoleIdPAdmin, RoleOperator, RoleAuditor, RoleViewer}
}

// Known tells whether there is such a role.
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// May tells whether the role holds a permission.
func (r Role) May(p Permission) bool { return p != "" && slices.Contains(r.Permissions(), p) }

func roleNames() string {
	var names []string
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}
