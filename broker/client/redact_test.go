package client_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/client"
)

func TestRequestsDoNotPrintCredentials(t *testing.T) {
	r := client.Request{ClientID: "claude", Authorization: []string{"Basic canary"}, ClientSecret: "canary", Assertion: "canary"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("request", "r", r)
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s %+v", r, r, r, r, &r), log.String()} {
		if strings.Contains(printed, "canary") || !strings.Contains(printed, "claude") {
			t.Error(printed)
		}
	}
}
