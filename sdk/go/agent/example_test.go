package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// An agent that acts for the person who signed in.
func Example() {
	idp, err := agent.NewIdP(agent.IdPConfig{
		Issuer: "https://acme.okta.com",
		Client: agent.ClientSecretBasic("0oa1notes", os.Getenv("IDP_CLIENT_SECRET")),
		Subject: func(context.Context) (agent.Subject, error) {
			return agent.RefreshToken(os.Getenv("REFRESH_TOKEN")), nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	a, err := agent.New(agent.Config{
		Issuer:     "https://auth.acme.com",
		Client:     agent.ClientSecretBasic("notes-agent", os.Getenv("CLIENT_SECRET")),
		Assertions: idp,
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := a.Client("https://notes.acme.com/api", "notes:read")
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Get("https://notes.acme.com/api")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	fmt.Println(response.Status)
}

// A refusal says what a program can do about it.
func ExampleError() {
	a, err := agent.New(agent.Config{
		Issuer: "https://auth.acme.com", ClientCredentials: true, Client: agent.ClientSecretPost("svc", os.Getenv("CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = a.Token(context.Background(), "https://notes.acme.com/api", "notes:write")
	if refusal, ok := errors.AsType[*agent.Error](err); ok {
		switch {
		case refusal.NeedsStepUp():
			fmt.Println("sign in again:", refusal.ACRValues, refusal.MaxAge)
		case refusal.NeedsInteraction():
			fmt.Println("somebody must open", refusal.InteractionURI)
		case refusal.Temporary():
			fmt.Println("later:", refusal.RetryAfter)
		default:
			fmt.Println(refusal.Code, "chancery explain", refusal.Trace)
		}
	}
}

// A workload in Kubernetes redeems its projected service account token.
func ExampleFile() {
	a, err := agent.New(agent.Config{
		Issuer: "https://auth.acme.com", Client: agent.NoClient(), Assertions: agent.File("/var/run/secrets/chancery/token"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a)
	// Output: agent no client at https://auth.acme.com
}
