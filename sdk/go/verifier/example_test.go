package verifier_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
)

// A server that takes Chancery's tokens and nothing else.
func Example() {
	v, err := verifier.New("https://auth.acme.com", "https://notes.acme.com/api",
		verifier.WithScopes("notes:read"))
	if err != nil {
		log.Fatal(err)
	}
	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := verifier.FromContext(r.Context())
		fmt.Fprintln(w, "hello", token.Claims().Subject)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /api", v.Require()(notes))
	mux.Handle("POST /api", v.Require(verifier.RequireScopes("notes:write"))(notes))
	mux.Handle(v.MetadataPath(), v.MetadataHandler())
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// A handler asks for more than its route does: a sign-in of the last five minutes.
func ExampleToken_Check() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := verifier.FromContext(r.Context())
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if err := token.Check(verifier.RequireACR("phr"), verifier.RequireMaxAge(5*time.Minute)); err != nil {
			verifier.WriteError(w, err) // 401 insufficient_user_authentication, acr_values, max_age
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	_ = handler
}
