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
}

func indexGrants(data map[string]any) map[string]any {
	scopesOf := map[string]map[string][]string{}
	for _, grant := range objects(data["grants"]) {
		resource, ok := grant["resource"].(string)
		if !ok {
			continue
		}
		if scopesOf[resource] == nil {
			scopesOf[resource] = map[string][]string{}
		}
		for _, group := range texts(grant["groups"]) {
			scopesOf[resource][group] = append(scopesOf[resource][group], texts(grant["scopes"])...)
		}
	}
	grants := make(map[string]any, len(scopesOf))
	for resource, groups := range scopesOf {
		entries := make(map[string]any, len(groups))
		for group, scopes := range groups {
			slices.Sort(scopes)
			scopes = slices.Compact(scopes)
			entries[group] = map[string]any{
				"scopes": scopes,
				"reason": map[string]any{"code": "group_grants_scope", "detail": group + " grants " + strings.Join(scopes, " ")},
			}
		}
		grants[resource] = entries
	}
	return map[string]any{"grants": grants, "scopes_of": map[string]any{}}
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
