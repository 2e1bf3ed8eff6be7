package assembly_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
)

// TestAFloodHidesNoAdmin: what anybody may send to the public listener does not use up the room in which attempts on the
// admin API are written down.
func TestAFloodHidesNoAdmin(t *testing.T) {
	p := newPlace(t)
	s, _ := p.start(t, settings{"objects": []string{p.write(t, objects)}, "server.trusted_proxies": []string{"127.0.0.0/8"}})
	const flood = 3000 // more than are written down one by one in a minute, whatever their sources
	for i := range flood {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.PublicAddress()+"/token", strings.NewReader("grant_type=nothing"))
		must(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", i/250, i%250))
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		_ = response.Body.Close()
	}
	if status, _ := get(t, "http://"+s.AdminAddress()+"/admin/v1/clients", "Authorization", "Bearer guess"); status != http.StatusUnauthorized {
		t.Fatalf("answered %d", status)
	}
	api := p.admin(t, s)
	until(t, 5*time.Second, "the attempt on the admin API has no event of its own", func() bool {
		page, err := api.QueryAudit(t.Context(), client.AuditQuery{Type: "admin.refused"})
		must(t, err)
		return len(page.Items) == 1
	})
}
