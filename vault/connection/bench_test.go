package connection_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// BenchmarkFresh is the way of most vends: the row, and one opening.
func BenchmarkFresh(b *testing.B) {
	now := time.Now
	m, ring := connectiontest.NewMemory(now), connectiontest.Keyring(b, now())
	fake := connectiontest.NewProvider(provider.SingleUse, time.Hour, now)
	ref := connectiontest.Ref("ten_1", now())
	must(b, m.Create(b.Context(), connectiontest.New(b, ring, ref, fake.Connect(), now())))
	k, err := connection.New(connection.Config{
		Store: m, Sealer: ring, Providers: fake, Shelf: &connectiontest.Shelf{}, Replica: "a", Now: now, Log: connectiontest.Quiet(),
		Alert: func(context.Context, connection.Alert) {},
	})
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Fresh(b.Context(), ref, connection.Want{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRewrap rewraps 10,000 connections under a keyring, without a database.
func BenchmarkRewrap(b *testing.B) {
	now := time.Now
	for b.Loop() {
		b.StopTimer()
		m, ring := connectiontest.NewMemory(now), connectiontest.Keyring(b, now())
		fake := connectiontest.NewProvider(provider.SingleUse, time.Hour, now)
		for i := range 10000 {
			ref := connectiontest.Ref("ten_1", now())
			ref.ID = fmt.Sprintf("con_%05d", i)
			must(b, m.Create(b.Context(), connectiontest.New(b, ring, ref, fake.Connect(), now())))
		}
		_, err := ring.Rotate(now())
		must(b, err)
		r := connection.Rewrapper{Store: m, Sealer: ring, Alert: func(context.Context, connection.Alert) {}, Now: now}
		b.StartTimer()
		p, err := r.Run(b.Context(), "ten_1", "", connection.MaxBatch, func(connection.Progress) {})
		if err != nil || p.Rewrapped != 10000 {
			b.Fatalf("%+v, %v", p, err)
		}
	}
}
