package verifier

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const wellKnown = "/.well-known/oauth-protected-resource"

// description is what the metadata says besides names and places.
type description struct {
	name   string
	scopes []string
}

// metadataPath inserts the well-known path between host and path (RFC 9728 §3.1).
func metadataPath(resource *url.URL) string {
	path := wellKnown + strings.TrimSuffix(resource.EscapedPath(), "/")
	if resource.Path != "/" && strings.HasSuffix(resource.Path, "/") {
		path += "/" // part of the identifier: only a slash after the host is left out
	}
	if resource.RawQuery != "" {
		path += "?" + resource.RawQuery
	}
	return path
}

// MetadataPath is where on this resource's host clients look for its metadata (RFC 9728
// §3.1): the path for [Verifier.MetadataHandler].
func (v *Verifier) MetadataPath() string {
	u, err := url.Parse(v.resource)
	if err != nil {
		return wellKnown
	}
	u.RawQuery = ""
	return metadataPath(u)
}

// MetadataHandler serves the resource's metadata (RFC 9728 §2) to everybody, web pages
// included.
func (v *Verifier) MetadataHandler() http.Handler {
	document := map[string]any{
		"resource":                          v.resource,
		"authorization_servers":             []string{v.issuer}, // byte for byte: clients ask for this audience
		"bearer_methods_supported":          []string{"header"},
		"dpop_signing_alg_values_supported": proofAlgorithms(),
		"dpop_bound_access_tokens_required": v.proofs.required,
	}
	if len(v.described.scopes) > 0 {
		scopes := slices.Clone(v.described.scopes)
		slices.Sort(scopes)
		document["scopes_supported"] = slices.Compact(scopes)
	}
	if v.described.name != "" {
		document["resource_name"] = v.described.name
	}
	body, err := json.Marshal(document)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch {
		case err != nil:
			WriteError(w, err)
		case r.Method == http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "*")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(body)
		}
	})
}
