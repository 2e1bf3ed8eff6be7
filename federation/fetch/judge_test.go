package fetch_test

import (
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// TestJudge: the answer is that of a fetch, and nothing is sent.
func TestJudge(t *testing.T) {
	tests := []struct {
		name    string
		policy  fetch.Policy
		url     string
		network fetch.Network
		kind    error
	}{
		{"open", fetch.Policy{Mode: "allow"}, "https://idp.example/x", fetch.Network{}, nil},
		{"listed", fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://idp.example/x", fetch.Network{}, nil},
		{"not listed", fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://other.example/x", fetch.Network{}, fetch.ErrRefused},
		{"no mode", fetch.Policy{}, "https://idp.example/x", fetch.Network{}, fetch.ErrRefused},
		{"an address of a block", fetch.Policy{Mode: "deny", Allow: []string{"10.1.0.0/16"}}, "https://10.1.2.3/x", fetch.Network{AllowPrivateAddresses: true}, nil},
		{"an address beside it", fetch.Policy{Mode: "deny", Allow: []string{"10.1.0.0/16"}}, "https://10.2.2.3/x", fetch.Network{AllowPrivateAddresses: true}, fetch.ErrRefused},
		{"instance metadata", fetch.Policy{Mode: "allow"}, "https://169.254.169.254/x", fetch.Network{AllowPrivateAddresses: true}, fetch.ErrRefused},
		{"plain http", fetch.Policy{Mode: "allow"}, "http://idp.example/x", fetch.Network{AllowPrivateAddresses: true}, fetch.ErrRefused},
		{"a proxy that is not listed", fetch.Policy{Mode: "deny", Allow: []string{"idp.example"}}, "https://idp.example/x", fetch.Network{Proxy: "http://proxy.example:3128"}, fetch.ErrRefused},
		{"a proxy that is listed", fetch.Policy{Mode: "deny", Allow: []string{"idp.example", "proxy.example"}}, "https://idp.example/x", fetch.Network{Proxy: "http://proxy.example:3128"}, nil},
		{"an unreadable proxy", fetch.Policy{Mode: "allow"}, "https://idp.example/x", fetch.Network{Proxy: "ftp://proxy.example"}, fetch.ErrConfig},
		{"no URL", fetch.Policy{Mode: "allow"}, "https://%zz", fetch.Network{}, fetch.ErrRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := fetch.New(test.policy, fetch.WithDialHook(func(address string) error {
				t.Errorf("dialled %s", address)
				return nil
			})).Judge(test.url, test.network)
			if !errors.Is(err, test.kind) || (err == nil) != (test.kind == nil) {
				t.Errorf("%v, want %v", err, test.kind)
			}
		})
	}
}
