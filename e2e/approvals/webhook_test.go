package approvals_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestApproversAreTold: a signed message says what waits and where it is answered.
func TestApproversAreTold(t *testing.T) {
	const secret = "a-secret-of-more-than-24-bytes"
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		type message struct {
			header http.Header
			body   []byte
		}
		told := make(chan message, 8)
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			told <- message{r.Header, body}
		}))
		defer hook.Close()
		users := idptest.People()
		w := harness.Start(t, harness.Options{
			Engine: e, IdP: idptest.Options{Users: users}, Env: []string{harness.ProviderSecret + "=" + secret},
			Objects: objects + "\napiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: default}\nspec: {webhooks: [{url: \"" + hook.URL + "/told\", secret: {env: " + harness.ProviderSecret +
				"}, events: [approval.requested], network: {allow_private_addresses: true}}]}\n---",
		})
		asked := waits(t, ask(w, 0, idptest.Alice))
		select {
		case m := <-told:
			at := m.header.Get(webhook.HeaderTimestamp)
			sent := time.Unix(seconds(t, at), 0)
			if webhook.Sign([]byte(secret), m.header.Get(webhook.HeaderID), sent, m.body) != m.header.Get(webhook.HeaderSignature) {
				t.Errorf("the signature does not hold: %v", m.header)
			}
			var said struct {
				Type string `json:"type"`
				Data struct {
					User   string            `json:"user"`
					Client string            `json:"client"`
					Detail map[string]string `json:"detail"`
				} `json:"data"`
			}
			if err := json.Unmarshal(m.body, &said); err != nil || said.Type != "approval.requested" || said.Data.Client != "claude" || said.Data.User == "" ||
				said.Data.Detail["approval"] != asked.ID || said.Data.Detail["interaction_uri"] != asked.Link || said.Data.Detail["groups"] != "approvers" || said.Data.Detail["scopes"] != "notes:write" {
				t.Errorf("%v %s", err, m.body)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nobody is told")
		}
	})
}

func seconds(t *testing.T, text string) int64 {
	t.Helper()
	var n int64
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n
}
