package rego

import (
	"slices"
	"strings"
)

// The index of a template is what its package chancery.authz.index says, made in Go:
// Rego takes seconds for a hundred thousand grants. A test holds the two together.
// They are given data that fits the template's schema, and leave out what does not.
var indexes = map[string]func(data map[string]any) map[string]any{
	"group-scopes":         indexGrants,
	"allow-listed-clients": indexClients,
	"plan-scopes":          indexPlans,
	"break-glass":          indexStanding,
}

func indexGrants(data map[string]any) map[string]any {
	return map[string]any{
		"grants":    indexGroups(data),
		"scopes_of": map[string]any{},
		"programs": indexScopes(data["clients"], "clients", func(client, scopes string) (code, detail string) {
			return "client_grants_scope", client + " for itself is granted " + scopes
		}),
		"program_scopes": map[string]any{},
	}
}

func indexStanding(data map[string]any) map[string]any {
	return map[string]any{"grants": indexGroups(data), "scopes_of": map[string]any{}}
}

func indexGroups(data map[string]any) map[string]any {
	return indexScopes(data["grants"], "groups", func(group, scopes string) (code, detail string) {
		return "group_grants_scope", group + " grants " + scopes
	})
}

func indexPlans(data map[string]any) map[string]any {
	return map[string]any{
		"plans": indexScopes(data["plans"], "plans", func(plan, scopes string) (code, detail string) {
			return "plan_allows_scope", "plan " + plan + " allows " + scopes
		}),
		"scopes_of": map[string]any{},
	}
}

// indexScopes is {resource: {name: {scopes, reason}}} of entries with a list of names each; what they list adds up.
func indexScopes(entries any, names string, why func(name, scopes string) (code, detail string)) map[string]any {
	scopesOf := map[string]map[string][]string{}
	for _, entry := range objects(entries) {
		resource, ok := entry["resource"].(string)
		if !ok {
			continue
		}
		if scopesOf[resource] == nil {
			scopesOf[resource] = map[string][]string{}
		}
		for _, name := range texts(entry[names]) {
			scopesOf[resource][name] = append(scopesOf[resource][name], texts(entry["scopes"])...)
		}
	}
	index := make(map[string]any, len(scopesOf))
	for resource, of := range scopesOf {
		found := make(map[string]any, len(of))
		for name, scopes := range of {
			slices.Sort(scopes)
			scopes = slices.Compact(scopes)
			code, detail := why(name, strings.Join(scopes, " "))
			found[name] = map[string]any{"scopes": scopes, "reason": map[string]any{"code": code, "detail": detail}}
		}
		index[resource] = found
	}
	return index
}

func objects(v any) []map[string]any {
	list, _ := v.([]any)
	var all []map[string]any
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func texts(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func indexClients(data map[string]any) map[string]any {
	clients := map[string]map[string]map[string]any{}
	for _, entry := range objects(data["allow"]) {
		resource, ok := entry["resource"].(string)
		if !ok {
			continue
		}
		if clients[resource] == nil {
			clients[resource] = map[string]map[string]any{}
		}
		_, limited := entry["scopes"]
		for _, client := range texts(entry["clients"]) {
			e := clients[resource][client]
			if e == nil {
				e = map[string]any{"limited": true, "scopes": []string{}}
				clients[resource][client] = e
			}
			if !limited {
				e["limited"] = false
			}
			have, _ := e["scopes"].([]string)
			have = append(have, texts(entry["scopes"])...)
			slices.Sort(have)
			e["scopes"] = slices.Compact(have)
		}
	}
	all := make(map[string]any, len(clients))
	for resource, entries := range clients {
		of := make(map[string]any, len(entries))
		for client, e := range entries {
			of[client] = e
		}
		all[resource] = of
	}
	return map[string]any{"clients": all}
}
