package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profileAddress is where a binary that was built for it shows its profiles. No released binary does.
const profileAddress = "BENCH_PROFILE_ADDRESS"

const profileSource = `package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() {
	if address := os.Getenv("` + profileAddress + `"); address != "" {
		go http.ListenAndServe(address, nil)
	}
}
`

// overlay adds that to the command, for one build, without a file in its folder.
func overlay(folder, command string) (string, error) {
	source, list := filepath.Join(folder, "profile.go"), filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(command, "profile_bench.go"): source}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(source, []byte(profileSource), 0o600); err != nil {
		return "", err
	}
	return list, os.WriteFile(list, text, 0o600)
}

// record takes a CPU profile of the next round; end waits for it.
func (o options) record(ctx context.Context, t *target, p path, connections int) (end func() error) {
	if !o.profile || t.process.profiles == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	seconds := max(1, int(o.duration.Seconds()))
	name := fmt.Sprintf("%s-%s-%d.pprof", strings.ReplaceAll(p.name, " ", "-"), t.name, connections)
	go func() { done <- fetchProfile(ctx, t.process.profiles, seconds, filepath.Join(o.out, name)) }()
	return func() error { return <-done }
}

func fetchProfile(ctx context.Context, address string, seconds int, file string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, seconds), http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
