package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const commandPackage = "github.com/chancery-dev/chancery/cmd/chancery"

// build makes the binary the way it is released, or one that can be profiled.
func build(ctx context.Context, folder string, profiled bool) (string, error) {
	binary := filepath.Join(folder, "chancery")
	arguments := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", binary}
	if profiled {
		place, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", commandPackage).Output()
		if err != nil {
			return "", err
		}
		list, err := overlay(folder, string(bytes.TrimSpace(place)))
		if err != nil {
			return "", err
		}
		arguments = append(arguments, "-overlay", list)
	}
	command := exec.CommandContext(ctx, "go", append(arguments, commandPackage)...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startServer runs `chancery serve` and waits for /readyz. It returns how long that took from the start of the process.
func startServer(ctx context.Context, binary string, s *scene) (*process, time.Duration, error) {
	profiles, err := freeAddress()
	if err != nil {
		return nil, 0, err
	}
	environment := append([]string{profileAddress + "=" + profiles}, s.environment...)
	begun := time.Now()
	p, err := start(ctx, environment, binary, "serve", "--config", s.config)
	if err != nil {
		return nil, 0, err
	}
	p.profiles = profiles
	if err := p.ready(ctx, s.issuer+"/readyz"); err != nil {
		_ = p.command.Process.Kill()
		return nil, 0, err
	}
	return p, time.Since(begun), nil
}
