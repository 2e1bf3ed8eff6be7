package assembly_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestStoryOfARequest: the trace of a refusal leads to what came in, the rule that decided and what to change; another
// tenant's administrator finds nothing; the whole log proves itself.
func TestStoryOfARequest(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		file := p.write(t, objects+"---\napiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: other}\nspec: {}\n")
		s, _ := p.start(t, settings{"objects": []string{file}, "audit.checkpoint_every": "1s"})
		api := p.admin(t, s)
		p.expects(t, s, http.StatusOK, "")
		denied := p.idp.IDJAG(idptest.Alice, idptest.WithClaim("groups", []string{"strangers"}))
		if status, code := p.redeem(t, s, secretText, denied); status != http.StatusBadRequest || code != "policy_denied" {
			t.Fatalf("answered %d %s", status, code)
		}
		page, err := api.QueryAudit(t.Context(), client.AuditQuery{Code: "policy_denied"})
		must(t, err)
		if len(page.Items) != 1 {
			t.Fatalf("%d refusals", len(page.Items))
		}
		var event struct{ Trace, Decision string }
		must(t, json.Unmarshal(page.Items[0], &event))
		for _, id := range []string{event.Trace, event.Decision} {
			raw, err := api.Explain(t.Context(), id)
			must(t, err)
			var told story.Story
			must(t, json.Unmarshal(raw, &told))
			if told.Code != "policy_denied" || told.Policy == nil || told.Policy.Allow || told.Meaning == nil || !bytes.Contains(told.Policy.Input, []byte("strangers")) {
				t.Errorf("the story of %s: %s", id, raw)
			}
			_, err = api.Tenant("other").Explain(t.Context(), id)
			if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != http.StatusNotFound {
				t.Errorf("another tenant explains %s: %v", id, err)
			}
		}
		if _, err := api.Explain(t.Context(), "trc_01M7YZMHG0VYJV1A8SFQZKJ05E"); err == nil {
			t.Error("a story of nothing")
		}
		if _, err := api.QueryAudit(t.Context(), client.AuditQuery{Cursor: "forged"}); err == nil {
			t.Error("a forged cursor was taken")
		}
		tail, err := api.TailAudit(t.Context(), "", time.Second)
		must(t, err)
		if _, err := api.TailAudit(t.Context(), tail.Next+"x", 0); tail.Next == "" || err == nil {
			t.Error("a forged position was taken")
		}
		jwks, err := api.CheckpointKeys(t.Context())
		must(t, err)
		keys, err := audit.ParseJWKS(jwks)
		must(t, err)
		until(t, 10*time.Second, "no checkpoint covers the log", func() bool {
			var export bytes.Buffer
			must(t, api.ExportAudit(t.Context(), &export))
			report, err := audit.Verify(bytes.NewReader(export.Bytes()), audit.Expect{Keys: keys})
			for _, canary := range []string{secretText, adminToken, denied, denied[strings.LastIndexByte(denied, '.')+1:]} {
				if strings.Contains(export.String(), canary) {
					t.Fatal("a secret is in the audit log")
				}
			}
			return err == nil && report.Unproven == 0 && report.Events > 2
		})
		if status, _ := get(t, "http://"+s.PublicAddress()+"/.well-known/jwks.json"); status != http.StatusOK {
			t.Errorf("key set %d", status)
		}
	})
}
