package assertion

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// Agent is what an IdP says of the agent that acts, and of whom it acts for, in one
// form. It is the IdP's word, for policies and the record; the claims themselves
// stay among the private ones.
type Agent struct {
	Kind          string   // of who acts: one of the kinds
	Facets        []string // of who acts: a name where the number is known, else the number
	ParentApp     string   // the blueprint that the agent was made from, "" when none is named
	SubjectKind   string   // of whom it acts for, or "" when the IdP does not say
	SubjectFacets []string
	Relations     []string // between subject and tenant, as sent
}

// Kinds of actors and subjects.
const (
	KindAgent       = "agent"       // an agent's own identity
	KindAgentUser   = "agent_user"  // the user account of an agent
	KindApplication = "application" // a program that is no agent
	KindPerson      = "person"
)

// facetNames are the facets that the IdP documents: Microsoft Entra Agent ID, token
// claims reference for agents (learn.microsoft.com/entra/agent-id/agent-token-claims),
// which says that others may come, in any order.
var facetNames = map[string]string{"11": "agent_identity", "13": "agent_user"}

const maxFacets = 64

// readAgent reads the claims of an agent where the dialect has them.
func (c *claimSet) readAgent(dialect federation.Dialect) {
	if !dialect.AgentClaims {
		return
	}
	actor, hasActor := c.facets("xms_act_fct")
	subject, hasSubject := c.facets("xms_sub_fct")
	relations, _ := c.facets("xms_idrel")
	parent := c.text("xms_par_app_azp")
	kind := c.text("idtyp")
	if !hasActor && !hasSubject && parent == "" {
		return // a token like any other
	}
	c.agent = &Agent{
		Kind: actorKind(actor, parent), Facets: named(actor), ParentApp: parent,
		SubjectKind: subjectKind(subject, kind), SubjectFacets: named(subject), Relations: relations,
	}
}

// facets reads a list of numbers with spaces between, in no order. What is no number
// could be a way to write one: who reads it otherwise would take an agent for none.
func (c *claimSet) facets(name string) (numbers []string, present bool) {
	if !c.claims.Has(name) {
		return nil, false
	}
	numbers = strings.Fields(c.text(name))
	if len(numbers) == 0 || len(numbers) > maxFacets || slices.ContainsFunc(numbers, isNoNumber) {
		c.refuse(federation.CodeClaimMalformed, name, "", "1 to 64 whole numbers", nil)
		return nil, true
	}
	return numbers, true
}

func isNoNumber(s string) bool {
	return s[0] == '0' && s != "0" || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func named(numbers []string) []string {
	names := make([]string, len(numbers))
	for i, number := range numbers {
		names[i] = number
		if name, known := facetNames[number]; known {
			names[i] = name
		}
	}
	return names
}

// actorKind: whoever was made from a blueprint is an agent, whatever else is said.
func actorKind(facets []string, parent string) string {
	switch {
	case slices.Contains(facets, "13"):
		return KindAgentUser
	case slices.Contains(facets, "11"), parent != "":
		return KindAgent
	default:
		return KindApplication
	}
}

func subjectKind(facets []string, idtyp string) string {
	switch {
	case slices.Contains(facets, "13"):
		return KindAgentUser
	case slices.Contains(facets, "11"):
		return KindAgent
	case idtyp == "app":
		return KindApplication
	case idtyp == "user":
		return KindPerson
	default:
		return ""
	}
}

// Agent is what the IdP says of an agent; nil when it says nothing of one.
func (v *Verified) Agent() *Agent {
	if v.claims.agent == nil {
		return nil
	}
	agent := *v.claims.agent
	agent.Facets, agent.SubjectFacets = slices.Clone(agent.Facets), slices.Clone(agent.SubjectFacets)
	agent.Relations = slices.Clone(agent.Relations)
	return &agent
}
