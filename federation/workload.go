package federation

import "slices"

// Workload is a rule that turns a platform's token into a client: which issuer's,
// with which claims, and what it may ask for. Trust in the issuer is another
// matter, and another object's.
type Workload struct {
	UID        string
	Name       string
	IdPUID     string
	ClientName string // of the client that the workload becomes
	Match      []ClaimEquals
	Resources  []string // names; absent = none
	Scopes     []string // asserted by the rule; absent = none
}

// ClaimEquals requires that the claim at Path, from the outermost name inwards, is
// exactly Value: a string, or a number or boolean in its JSON form.
type ClaimEquals struct {
	Path  []string
	Value string
}

// String is the path as administrators write it.
func (c ClaimEquals) String() string { return ClaimPath(c.Path) }

// MatchWorkloads returns the rules of an IdP whose every claim is as required. A
// rule that requires nothing matches nothing.
func MatchWorkloads(rules []Workload, idpUID string, claim func(path []string) (value string, found bool)) []Workload {
	var matching []Workload
	for i := range rules { // not copied: strangers have this walked, however many rules there are
		rule := &rules[i]
		if rule.IdPUID == "" || rule.IdPUID != idpUID || len(rule.Match) == 0 {
			continue
		}
		if !slices.ContainsFunc(rule.Match, func(c ClaimEquals) bool {
			value, found := claim(c.Path)
			return !found || len(c.Path) == 0 || value != c.Value
		}) {
			matching = append(matching, *rule)
		}
	}
	return matching
}
