package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// What is tried beyond the peak.
const (
	overloaded = 512 // connections
	peakAt     = 128
	inFlight   = 128                   // limits.in_flight, where it is to be reached
	obedience  = time.Second           // what Retry-After says
	impatience = 50 * time.Millisecond // much sooner
	probeEvery = 20 * time.Millisecond
	tries      = 3
)

// Overload is one way of asking for more than the server takes, against its peak a moment before.
type Overload struct {
	What        string   `json:"what"`
	Connections int      `json:"connections"`
	InFlight    int      `json:"in_flight_limit"`
	Peak        float64  `json:"peak_per_second"` // at 128 connections, with the same limit
	Goodput     float64  `json:"goodput_per_second"`
	Ratio       float64  `json:"of_peak"`
	P99MS       float64  `json:"p99_ms"`
	Shed        int      `json:"told_to_come_back"` // 503 with Retry-After
	Failures    failures `json:"failures,omitempty"`
	Probes      int      `json:"readiness_probes"`
	NotReady    int      `json:"not_ready"`
	SlowestMS   float64  `json:"slowest_probe_ms"`
}

// measureOverload asks over more connections than are of use: once below the limit of requests in flight, where all must be
// served, and beyond it, where the others must be told to come back, which they do when they were told, or much sooner.
func measureOverload(ctx context.Context, o options, folder string, result *Result) (err error) {
	o.idle = 0
	t, err := begin(ctx, o, folder, subjectPostgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop(ctx)) }()
	below, err := t.overload(ctx, o, Overload{What: "as it comes", Connections: overloaded, InFlight: 1024}, 0)
	if err != nil {
		return err
	}
	result.Overload = append(result.Overload, below)
	if err := t.again(ctx, o, fmt.Sprintf("CHANCERY_LIMITS__IN_FLIGHT=%d", inFlight)); err != nil {
		return err
	}
	notReady := below.NotReady
	for _, way := range []struct {
		what string
		stay time.Duration
	}{{"beyond the limit, obeying", obedience}, {"beyond the limit, not obeying", impatience}} {
		beyond, err := t.overload(ctx, o, Overload{What: way.what, Connections: overloaded, InFlight: inFlight}, way.stay)
		if err != nil {
			return err
		}
		result.Overload = append(result.Overload, beyond)
		notReady += beyond.NotReady
	}
	if notReady > 0 {
		return errors.New("a server that served was not ready meanwhile")
	}
	return nil
}

func (t *target) overload(ctx context.Context, o options, v Overload, stay time.Duration) (Overload, error) {
	p := pathOf(pathIDJAG)
	if _, err := t.level(ctx, p, peakAt, o.warmup, 0); err != nil {
		return v, err
	}
	var peaks, loads []load
	for range tries { // side by side: the machine is not the same from minute to minute
		peak, err := t.level(ctx, p, peakAt, o.duration, 0)
		if err = errors.Join(err, peak.failures.err()); err != nil {
			return v, err
		}
		probes := probe(ctx, t.scene.issuer+"/readyz")
		many, err := t.level(ctx, p, v.Connections, o.duration, stay)
		asked := probes()
		if err = errors.Join(err, many.failures.err()); err != nil {
			return v, err
		}
		peaks, loads = append(peaks, peak), append(loads, many)
		v.Shed += many.shed
		v.Probes += asked.count
		v.NotReady += asked.failed
		v.SlowestMS = max(v.SlowestMS, milliseconds(asked.slowest))
	}
	middle := median(loads)
	v.Peak, v.Goodput, v.P99MS = median(peaks).rate(), middle.rate(), milliseconds(quantile(middle.latencies, 0.99))
	var ratios []float64
	for i := range loads {
		ratios = append(ratios, loads[i].rate()/peaks[i].rate())
	}
	slices.Sort(ratios)
	v.Ratio = ratios[len(ratios)/2]
	return v, nil
}

type probes struct {
	count, failed int
	slowest       time.Duration
}

// probe asks as a load balancer does, until it is told to end.
func probe(ctx context.Context, url string) (end func() probes) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan probes, 1)
	go func() {
		var p probes
		client := &http.Client{Transport: &http.Transport{}, Timeout: answerWithin}
		defer client.CloseIdleConnections()
		for pause(ctx, probeEvery) == nil {
			begun := time.Now()
			ready := answersOK(context.WithoutCancel(ctx), client, url)
			p.slowest = max(p.slowest, time.Since(begun))
			p.count++
			if !ready {
				p.failed++
			}
		}
		done <- p
	}()
	return func() probes {
		cancel()
		return <-done
	}
}
