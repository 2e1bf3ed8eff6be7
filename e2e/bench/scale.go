package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Scale is a server that has a great many of something, against one that has few, in turns.
type Scale struct {
	What      string  `json:"what"`
	Path      string  `json:"path"`
	Small     int     `json:"small"`
	Large     int     `json:"large"`
	SmallRate float64 `json:"small_per_second"`
	LargeRate float64 `json:"large_per_second"`
	Ratio     float64 `json:"ratio"`        // the median of the rounds'
	SmallCPU  float64 `json:"small_cpu_us"` // of server and database, an answer
	LargeCPU  float64 `json:"large_cpu_us"`
	LoadMS    float64 `json:"load_ms"`
	ReadyMS   float64 `json:"ready_ms"`
	IdleKiB   int     `json:"idle_kib"`
	AfterKiB  int     `json:"after_kib"`
	Others    float64 `json:"others_share"`
}

// How many the small server has.
const (
	fewIdPs      = 10
	fewClients   = 1_000
	fewEntries   = 200
	scaleAt      = 32 // connections
	scaleRounds  = 5
	remembered   = 50_000 // users, and clients, that a server keeps in memory
	dimIdPs      = "idps"
	dimClients   = "clients"
	dimEntries   = "entries"
	dimAudit     = "audit"
	dimConnected = "connections"
	fewConnected = 1_000
	pathCopies   = "client_credentials"
	whatAllTurns = "clients, all in turn"
)

// dimensions say how many of each the small server has.
var dimensions = map[string]int{dimIdPs: fewIdPs, dimClients: fewClients, dimEntries: fewEntries, dimAudit: 0, dimConnected: fewConnected}

// byCopies is client_credentials by many clients in turn.
var byCopies = path{name: pathCopies, prepare: each((*scene).clientCopy), good: carriesToken, leaves: rows{tokens: 1}}

// measureScale measures each dimension alone, so that it is known what costs.
func measureScale(ctx context.Context, o options, folder string, result *Result) (err error) {
	o.entries, o.users = max(fewEntries, o.users), min(fewEntries, o.users)
	small, err := begin(ctx, o, folder, subjectPostgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, small.stop(ctx)) }()
	if err := small.enlarge(ctx, o, map[string]int{dimIdPs: fewIdPs, dimClients: fewClients, dimConnected: fewConnected}); err != nil {
		return err
	}
	for _, name := range []string{dimIdPs, dimClients, dimEntries, dimAudit, dimConnected} {
		if n := o.scale[name]; n > 0 {
			if err := measureDimension(ctx, o, folder, small, name, n, result); err != nil {
				return fmt.Errorf("%s=%d: %w", name, n, err)
			}
		}
	}
	return nil
}

func measureDimension(ctx context.Context, o options, folder string, small *target, name string, n int, result *Result) (err error) {
	if name == dimEntries {
		o.entries = n
	}
	large, err := begin(ctx, o, folder, subjectPostgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, large.stop(ctx)) }()
	copies := map[string]int{dimIdPs: fewIdPs, dimClients: fewClients}
	if name != dimEntries {
		copies[name] = n
	}
	if err := large.enlarge(ctx, o, copies); err != nil {
		return err
	}
	v := Scale{What: name, Small: dimensions[name], Large: n}
	switch name {
	case dimIdPs:
		small.scene.idps, large.scene.idps = fewIdPs, n
		if err := large.eachOnce(ctx, pathOf(pathIDJAG), min(n, remembered)); err != nil {
			return err
		}
		return compare(ctx, o, small, large, pathOf(pathIDJAG), v, result)
	case dimClients:
		small.scene.clients, large.scene.clients = fewClients, fewClients
		v.What = fmt.Sprintf("clients, %d in use", fewClients)
		if err := large.eachOnce(ctx, byCopies, fewClients); err != nil {
			return err
		}
		if err := compare(ctx, o, small, large, byCopies, v, result); err != nil {
			return err
		}
		v.What, large.scene.clients, large.stock = whatAllTurns, n, map[string]*stock{}
		return compare(ctx, o, small, large, byCopies, v, result)
	case dimConnected:
		return compare(ctx, o, small, large, pathOf(pathVend), v, result)
	default:
		small.scene.idps, large.scene.idps = 0, 0
		return compare(ctx, o, small, large, pathOf(pathIDJAG), v, result)
	}
}

// eachOnce asks for each copy once, so that what a server keeps in memory is there before it is measured.
func (t *target) eachOnce(ctx context.Context, p path, n int) error {
	requests, err := p.prepare(ctx, t.scene, n)
	if err != nil {
		return err
	}
	l, err := send(ctx, t.scene.public, round{requests: requests, connections: scaleAt, within: time.Minute, good: p.good})
	t.scene.left.add(l.answers, p.leaves)
	return errors.Join(err, l.failures.err())
}

// compare asks both in turns.
func compare(ctx context.Context, o options, small, large *target, p path, v Scale, result *Result) error {
	v.Path, v.ReadyMS, v.IdleKiB, v.LoadMS = p.name, large.started.ReadyMS, large.started.IdleKiB, large.started.FilesReadyMS
	small.stock = map[string]*stock{}
	var ratios []float64
	var of [2][]load
	for range scaleRounds {
		for i, t := range []*target{small, large} {
			measured, err := t.measure(ctx, o, p, scaleAt)
			if err != nil {
				return err
			}
			of[i] = append(of[i], measured)
			v.Others = max(v.Others, measured.others)
		}
		ratios = append(ratios, of[1][len(of[1])-1].rate()/of[0][len(of[0])-1].rate())
	}
	slices.Sort(ratios)
	v.SmallRate, v.LargeRate, v.Ratio = median(of[0]).rate(), median(of[1]).rate(), ratios[len(ratios)/2]
	v.SmallCPU, v.LargeCPU = median(of[0]).cpu(), median(of[1]).cpu()
	v.AfterKiB = of[1][scaleRounds-1].rss
	result.Scale = append(result.Scale, v)
	return nil
}

func (s *scene) clientCopy(i int) ([]byte, error) {
	return s.post(s.tokenPath(), "", "grant_type=client_credentials"+s.credentials(copyClient(i%s.clients))), nil
}
