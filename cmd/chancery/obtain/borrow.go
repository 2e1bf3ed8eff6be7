package obtain

import (
	"context"
	"net/http"

	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// Borrow does what Do does, and has the token exchanged for tokens of providers, all of them or none.
func Borrow(ctx context.Context, r Request, wanted ...agent.Borrowing) (Obtained, []agent.Lease, error) {
	o, err := Do(ctx, r)
	if err != nil {
		return o, nil, err
	}
	if len(wanted) == 0 {
		return o, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	h := r.HTTP
	if h == nil {
		h = &http.Client{}
	}
	borrower, err := agent.NewBorrower(agent.BorrowerConfig{Issuer: o.Issuer, Client: r.Identity.authentication(), DPoP: r.Identity.DPoP, HTTPClient: h})
	if err != nil {
		return o, nil, err
	}
	leases := make([]agent.Lease, 0, len(wanted))
	for _, w := range wanted {
		lease, err := borrower.Borrow(ctx, o.Token.AccessToken, w)
		if err != nil {
			return o, nil, err
		}
		leases = append(leases, lease)
	}
	return o, leases, nil
}
