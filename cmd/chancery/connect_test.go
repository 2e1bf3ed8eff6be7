package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestConnectPrints: where nobody sits at a terminal the address is printed, nothing is asked and nothing opened.
func TestConnectPrints(t *testing.T) {
	for name, test := range map[string]struct {
		args    []string
		environ []string
		want    string
	}{
		"plain":          {[]string{"github", "--issuer", "https://auth.acme.com/"}, nil, "https://auth.acme.com/connect/github\n"},
		"of a tenant":    {[]string{"github"}, []string{"CHANCERY_ISSUER=https://auth.acme.com/t/acme"}, "https://auth.acme.com/t/acme/connect/github\n"},
		"scopes":         {[]string{"github", "--scope", "repo:read,repo:write", "--issuer", "http://127.0.0.1:8080"}, nil, "http://127.0.0.1:8080/connect/github?scope=repo%3Aread+repo%3Awrite\n"},
		"an account":     {[]string{"github", "--account", "a b", "--issuer", "https://auth.acme.com"}, nil, "https://auth.acme.com/connect/github?account=a+b\n"},
		"one more":       {[]string{"github", "--another", "--issuer", "https://auth.acme.com"}, nil, "https://auth.acme.com/connect/github?another=yes\n"},
		"no path of his": {[]string{"../admin", "--issuer", "https://auth.acme.com"}, nil, ""},
		"capitals":       {[]string{"GitHub", "--issuer", "https://auth.acme.com"}, nil, ""},
		"no https":       {[]string{"github", "--issuer", "http://auth.acme.com"}, nil, ""},
		"no URL":         {[]string{"github", "--issuer", "auth.acme.com"}, nil, ""},
		"a query":        {[]string{"github", "--issuer", "https://auth.acme.com?x=1"}, nil, ""},
		"no provider":    {nil, []string{"CHANCERY_ISSUER=https://auth.acme.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), append([]string{"connect"}, test.args...), strings.NewReader(""), &out, &errs, test.environ)
			if (code == exitDone) != (test.want != "") || out.String() != test.want {
				t.Errorf("%d %q %q", code, out.String(), errs.String())
			}
		})
	}
}
