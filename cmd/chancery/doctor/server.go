package doctor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
)

const maxDocument = 256 << 10

// server asks whether one runs, is ready, and knows us.
func (d *Doctor) server(ctx context.Context) {
	if d.AdminURL == "" {
		d.report.skip("server", "the configuration does not say where the admin API is")
		return
	}
	status, _, err := d.get(ctx, d.AdminURL+"/readyz")
	if err != nil {
		if d.held {
			d.report.add("server", Fail, "a process holds the SQLite file, and no admin API answers at "+d.AdminURL, "is admin.listen the one of the server that runs")
			return
		}
		d.report.skip("server", "none runs here: "+d.AdminURL+" does not answer; what follows is seen from here")
		return
	}
	if status != http.StatusOK {
		d.report.add("server", Fail, fmt.Sprintf("it is not ready (%d)", status), "the rows above say why, or its log under \"not ready\"")
	} else {
		d.report.ok("server", "it is ready")
	}
	if d.Admin == nil {
		d.report.skip("admin", d.AdminError.Error())
		return
	}
	if _, err := d.Admin(tenant.DefaultName).List(ctx, object.KindTenant); err != nil {
		if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == http.StatusUnauthorized {
			d.report.add("admin", Fail, "the admin API does not know the credential", "say --token-file, or set admin.token to the one of the server that runs")
			return
		}
		d.report.add("admin", Fail, err.Error(), "the server's log says why")
		return
	}
	d.served = true
	d.report.ok("admin", "the admin API answers")
}

func (d *Doctor) get(ctx context.Context, address string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, nil, errors.New("it is no URL")
	}
	response, err := d.HTTP.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	return response.StatusCode, body, err
}

// public looks at the issuer as an outsider does: what agents and resource servers find there.
func (d *Doctor) public(ctx context.Context) {
	issuer := d.Loaded.Server.PublicURL
	skip := func(why string) {
		d.report.skip("public keys", why)
	}
	status, body, err := d.get(ctx, issuer+"/.well-known/oauth-authorization-server")
	if err != nil {
		skip("the issuer does not answer")
		if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
			d.report.add("public", Fail, unknown.Error(), "agents need a certificate that their systems trust; from here SSL_CERT_FILE may name more")
			return
		}
		if !d.served && !d.held {
			d.report.add("public", Warn, "nothing answers at "+issuer, "is a server running, and does its name lead to it")
			return
		}
		d.report.add("public", Fail, "nothing answers at "+issuer+": "+reason(err), "the name, the proxy in front, or the firewall; agents see the same")
		return
	}
	var metadata struct {
		Issuer   string   `json:"issuer"`
		JWKSURI  string   `json:"jwks_uri"`
		Grants   []string `json:"grant_types_supported"`
		Profiles []string `json:"authorization_grant_profiles_supported"`
	}
	switch {
	case status != http.StatusOK || json.Unmarshal(body, &metadata) != nil:
		skip("there is no metadata")
		d.report.add("public", Fail, fmt.Sprintf("the metadata is answered with %d, and is not ours", status), "what is in front of it must pass /.well-known/ on")
	case metadata.Issuer != issuer: // RFC 8414 §3.3
		skip("the metadata is another issuer's")
		d.report.add("public", Fail, fmt.Sprintf("the metadata says issuer %.200q, the configuration %q", metadata.Issuer, issuer), "the server that runs has another server.public_url, or the name leads to another server")
	case !slices.Contains(metadata.Grants, oauth.GrantTypeJWTBearer) || !slices.Contains(metadata.Profiles, oauth.ProfileIDJAG):
		d.report.add("public", Fail, "the metadata does not offer ID-JAGs: clients fail silently", "something rewrites the document on its way")
		d.publicKeys(ctx, metadata.JWKSURI)
	default:
		d.report.ok("public", "the metadata is "+issuer+"'s, and offers ID-JAGs")
		d.publicKeys(ctx, metadata.JWKSURI)
	}
}

func (d *Doctor) publicKeys(ctx context.Context, uri string) {
	const do = "what is in front must pass the key set on as it is: no token verifies without it"
	if uri != d.Loaded.Server.PublicURL+"/.well-known/jwks.json" {
		d.report.add("public keys", Fail, "the metadata names another key set", do)
		return
	}
	status, body, err := d.get(ctx, uri)
	if err != nil || status != http.StatusOK {
		d.report.add("public keys", Fail, fmt.Sprintf("the key set is answered with %d", status), do)
		return
	}
	keys, _, err := jwks.Parse(body)
	if err != nil || len(keys) == 0 {
		d.report.add("public keys", Fail, "there is no usable key in the key set", do)
		return
	}
	d.report.ok("public keys", fmt.Sprintf("published: %d", len(keys)))
}

// reason leaves the URL out of an error of net/http.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
