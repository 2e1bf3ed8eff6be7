package oidc

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/strict"
)

var memberNames = strict.Reserve("value", "@odata.nextLink", "error")

// fetchGroups asks the entry's endpoint, and never one that a claim names (T16), for
// the groups that were too many to send: getMemberGroups of Microsoft Graph, with the
// access token of this sign-in. What is not known whole stays an overage, which denies.
func (rp *RelyingParty) fetchGroups(ctx context.Context, e *Entry, access string, trail *federation.Trail) assertion.Groups {
	const name = "groups lookup"
	unknown := func(received string) assertion.Groups {
		_ = trail.Refuse(federation.CodeGroupsOverage, name, received, "all groups", nil) // for the record
		return assertion.Groups{State: assertion.GroupsOverage}
	}
	client, err := rp.client(e.Provider.Keys.Network, gate{statuses: []int{http.StatusOK}, reserved: memberNames})
	if err != nil {
		return unknown("no way out")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.OverageEndpoint, strings.NewReader(`{"securityEnabledOnly":false}`))
	if err != nil {
		return unknown("no endpoint")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+access)
	response, err := client.Do(request)
	if err != nil {
		return unknown("no usable answer")
	}
	defer response.Body.Close()
	answer, err := readObject(response.Body, memberNames)
	if err != nil {
		return unknown("no usable answer")
	}
	if _, more := answer["@odata.nextLink"]; more { // it names a place to go: not gone to
		return unknown("a part")
	}
	elements, ok := answer["value"].([]any)
	if !ok || len(elements) > assertion.MaxGroups {
		return unknown(strconv.Itoa(len(elements)) + " groups")
	}
	values := make([]string, len(elements))
	for i, element := range elements {
		text, ok := element.(string)
		if !ok || text == "" || len(text) > maxText || hasControl(text) {
			return unknown("what are no names")
		}
		values[i] = text
	}
	trail.Pass(name, strconv.Itoa(len(values))+" groups", "all groups")
	return assertion.Groups{State: assertion.GroupsComplete, Values: values}
}
