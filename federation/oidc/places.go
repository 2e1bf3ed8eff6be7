package oidc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// How long metadata is used, and how often it is asked for.
const (
	metadataMaxAge   = 10 * time.Minute
	metadataMaxStale = 24 * time.Hour // last good metadata is used that long while the IdP fails
	metadataCooldown = 30 * time.Second
	maxPlaces        = 1 << 12
)

type placeKey struct{ owner, issuer string }

// places remembers the metadata of IdPs. A place belongs to an owner and an issuer, and
// is shared by nobody else.
type places struct {
	mu  sync.Mutex
	all map[placeKey]*place
}

// place is one IdP's metadata, and the last attempt to get it. Whoever holds turn may
// look at it and ask.
type place struct {
	turn      chan struct{}
	network   fetch.Network
	known     *metadata
	loaded    time.Time
	attempted time.Time
	failure   error
}

func newPlaces() *places { return &places{all: map[placeKey]*place{}} }

func (p *places) forget(owner, issuer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, placeKey{owner, issuer})
}

func (p *places) at(key placeKey) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.all[key]; found != nil {
		return found
	}
	if len(p.all) >= maxPlaces {
		for other := range p.all { // any one: it is only fetched again
			delete(p.all, other)
			break
		}
	}
	made := &place{turn: make(chan struct{}, 1)}
	p.all[key] = made
	return made
}

type discovery func(context.Context, *federation.IdentityProvider) (*metadata, error)

// get returns what is known while it is fresh, and asks at most every 30 s otherwise.
func (p *places) get(ctx context.Context, owner string, idp *federation.IdentityProvider, now func() time.Time, ask discovery) (*metadata, error) {
	at := p.at(placeKey{owner, idp.Issuer})
	select {
	case at.turn <- struct{}{}:
		defer func() { <-at.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("oidc: wait for metadata: %w", ctx.Err())
	}
	moment := now()
	if at.network != idp.Keys.Network { // reached in another way: what was seen does not count
		at.network, at.known, at.failure, at.attempted = idp.Keys.Network, nil, nil, time.Time{}
	}
	if at.known != nil && within(moment, at.loaded, metadataMaxAge) {
		return at.known, nil
	}
	if at.attempted.IsZero() || !within(moment, at.attempted, metadataCooldown) {
		at.attempted = moment
		// Who goes away must not leave a failure behind for everybody: the door has its own
		// time limit.
		found, err := ask(context.WithoutCancel(ctx), idp)
		if err == nil && at.known != nil && found.moved(at.known) {
			err = errMoved // the IdP's doing, or its attacker's: a person decides
		}
		at.failure = err
		if err == nil {
			at.known, at.loaded = found, moment
		}
	}
	if at.failure == nil {
		return at.known, nil
	}
	// What is wrong is wrong at once; what cannot be reached may be as it was.
	if at.known != nil && isUnreachable(at.failure) && within(moment, at.loaded, metadataMaxStale) {
		return at.known, nil
	}
	return nil, at.failure
}

// within: since began, and not longer than for; a clock that went back is not within.
func within(now, began time.Time, most time.Duration) bool {
	since := now.Sub(began)
	return since >= 0 && since < most
}
