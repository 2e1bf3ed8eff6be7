// Package console serves the web console's built assets, embedded: nothing is
// fetched from elsewhere, and the page runs no script that is not its own. Until
// the console is built, a committed placeholder says where the API is. It knows
// no objects and no tenants: what it shows comes over the admin API.
package console

import (
	"embed"
	"net/http"
)

//go:embed assets
var assets embed.FS

// Policy is the Content-Security-Policy of the console's pages.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Handler serves the first page.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page, err := assets.ReadFile("assets/index.html")
		if err != nil {
			http.Error(w, "the console is not there", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Security-Policy", Policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
}
