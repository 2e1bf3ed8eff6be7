package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// build makes the binary the way it is released.
func build(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "chancery")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/chancery-dev/chancery/cmd/chancery")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startServer runs `chancery serve` and waits for /readyz. It returns how long that took from the start of the process.
func startServer(ctx context.Context, binary string, s *scene) (*process, time.Duration, error) {
	begun := time.Now()
	p, err := start(ctx, binary, "serve", "--config", s.config)
	if err != nil {
		return nil, 0, err
	}
	if err := p.ready(ctx, s.issuer+"/readyz"); err != nil {
		_ = p.command.Process.Kill()
		return nil, 0, err
	}
	return p, time.Since(begun), nil
}
