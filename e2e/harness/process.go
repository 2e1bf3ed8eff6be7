package harness

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/secret"
)

// Process is one `chancery serve`.
type Process struct {
	Base  string // of the public listener
	Admin *client.Client

	t       testing.TB
	world   *World
	config  string // file
	log     *buffer
	command *exec.Cmd
	ended   chan struct{}
	status  error
}

// buffer collects what a process writes; it is read while it grows.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs the process; whoever calls waits for what it expects.
func (p *Process) start() {
	p.t.Helper()
	p.command = exec.Command(p.world.binary(p.t), "serve", "--config", p.config) //nolint:noctx // it ends by signal
	p.command.Stdout, p.command.Stderr = p.log, p.log
	p.command.Env = append(p.command.Environ(), p.world.environment...)
	p.ended = make(chan struct{})
	must(p.t, p.command.Start())
	go func(command *exec.Cmd, ended chan struct{}) {
		p.status = command.Wait()
		close(ended)
	}(p.command, p.ended)
}

// Restart starts the process again, on the same ports, and waits until it is ready.
func (p *Process) Restart() {
	p.t.Helper()
	p.start()
	p.WaitReady()
}

// WaitReady waits until /readyz answers 200.
func (p *Process) WaitReady() {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		select {
		case <-p.ended:
			p.t.Fatalf("the server ended before it was ready (%v):\n%s", p.status, p.log)
		default:
		}
		if p.Ready() == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the server is not ready after %s:\n%s", patience, p.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Ready is the status of /readyz, 0 when nobody answers.
func (p *Process) Ready() int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+"/readyz", http.NoBody)
	must(p.t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// ConfigFile is the process's configuration.
func (p *Process) ConfigFile() string { return p.config }

// Log is what the process has written so far, over all its runs.
func (p *Process) Log() string { return p.log.String() }

// Kill is kill -9.
func (p *Process) Kill() {
	p.t.Helper()
	must(p.t, p.command.Process.Kill())
	<-p.ended
}

// failpointsVariable names the folder in which a mortal binary looks for the points at which it dies.
const failpointsVariable = "CHANCERY_FAILPOINTS"

// DieAt has the next process that reaches a point of a refresh end there, as by kill -9 (Options.Failpoints).
func (w *World) DieAt(point string) {
	w.t.Helper()
	must(w.t, os.WriteFile(w.path(point), nil, 0o600))
}

// Dead tells whether the process has ended.
func (p *Process) Dead() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.command.Process.Pid }

// Signal sends SIGTERM and returns.
func (p *Process) Signal() {
	p.t.Helper()
	must(p.t, p.command.Process.Signal(syscall.SIGTERM))
}

// Wait waits until the process has ended.
func (p *Process) Wait(within time.Duration) error {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.status
	case <-time.After(within):
		p.t.Fatalf("the server did not end within %s:\n%s", within, p.tail())
		return nil
	}
}

// Stop sends SIGTERM and demands that the process ends well.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal()
	if err := p.Wait(patience); err != nil {
		p.t.Fatalf("the server ended with %v:\n%s", err, p.tail())
	}
}

// close ends what a test left running.
func (p *Process) close() {
	select {
	case <-p.ended:
	default:
		_ = p.command.Process.Kill()
		<-p.ended
	}
	if p.t.Failed() && p.log.String() != "" {
		p.t.Logf("log of %s:\n%s", p.Base, p.tail())
	}
}

func (p *Process) tail() string {
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// connect makes the admin client.
func (p *Process) connect(base, token string) {
	p.t.Helper()
	var err error
	p.Admin, err = client.New(base, secret.New(token), "", &http.Client{Timeout: patience})
	must(p.t, err)
}

// Port finds a free port of loopback below the ephemeral range, where no outgoing connection can take it meanwhile. No
// test of a run gets one that another has got, who may not listen yet.
func Port(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := 10000 + int(randomUint16())%10000
		var listen net.ListenConfig
		l, err := listen.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		must(t, l.Close())
		if !taken(port) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
