package pool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
)

// child is one process, used by one request at a time.
type child struct {
	command *exec.Cmd
	in      *os.File // to it
	out     *os.File // from it
	stderr  *limited
	memory  int64 // for evaluating

	policies map[[keySize]byte]int // size
	order    [][keySize]byte       // the one that was asked longest ago first
	size     int
	sequence uint64

	ended  chan struct{}
	reason error // once it has ended
}

const (
	maxStderr = 64 << 10
	// startWithin bounds the start of a child, until it has limited itself.
	startWithin = 10 * time.Second
	// A child keeps so many policies, and so many bytes of their content; one may be as large as it likes to be.
	maxPolicies = 1024
	maxKept     = 16 << 20
)

// start makes a child and waits until it has limited itself.
func start(c Config) (*child, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("policy pool: %w", err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("policy pool: %w", err), in.Close(), childIn.Close())
	}
	o := &child{in: in, out: out, memory: c.Memory, stderr: &limited{room: maxStderr}, policies: map[[keySize]byte]int{}, ended: make(chan struct{})}
	o.command = exec.Command(c.Executable, c.argument()) //nolint:gosec,noctx // the caller's own binary; it is ended by closing its pipe
	o.command.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2"}
	o.command.Dir = "/"
	o.command.Stdin, o.command.Stdout, o.command.Stderr = childIn, childOut, o.stderr
	o.command.SysProcAttr = confine.Apart()
	o.command.WaitDelay = time.Second
	err = o.command.Start()
	_, _ = childIn.Close(), childOut.Close() // the child has its own; as long as we had ours, we would not notice its end
	if err != nil {
		return nil, errors.Join(fmt.Errorf("policy pool: %w", err), in.Close(), out.Close())
	}
	go func() {
		o.reason = o.command.Wait()
		close(o.ended)
	}()
	if err := o.greet(c); err != nil {
		o.kill(errors.Is(err, io.EOF))
		return nil, fmt.Errorf("policy pool: a child does not start: %w: %s", err, o.stderr.String())
	}
	return o, nil
}

func (o *child) greet(c Config) error {
	line, err := json.Marshal(terms{Memory: c.Memory, Most: c.Memory + memoryOf(maxToChild), CPU: c.lifetime()})
	if err != nil {
		return err
	}
	if err := o.deadline(startWithin); err != nil {
		return err
	}
	if _, err := o.in.Write(append(line, '\n')); err != nil {
		return err
	}
	k, _, err := read(o.out, maxHeader)
	if err == nil && k != isReady {
		err = errFrame
	}
	return err
}

func (o *child) deadline(d time.Duration) error {
	at := time.Now().Add(d) //nolint:forbidigo // deadlines of pipes are by the machine's clock
	return errors.Join(o.in.SetWriteDeadline(at), o.out.SetReadDeadline(at))
}

// memoryOf is what a child may take for keeping policies of so many bytes; while one is compiled it takes several times
// what it takes afterwards. As for package gate, measured.
func memoryOf(size int) int64 { return 48 * int64(size) }

// loadWithin bounds the compiling of a policy, as package gate does.
func loadWithin(size int) time.Duration {
	return 2*time.Second + 2*time.Second*time.Duration(size)/(1<<20)
}

// load sends a policy that the child does not have, and takes others away for it.
func (o *child) load(c *policy.Compiled) error {
	key, text, size := c.Content()
	if _, has := o.policies[key]; has {
		return nil
	}
	for len(o.order) > 0 && (len(o.order) >= maxPolicies || o.size+size > maxKept) {
		if err := o.drop(); err != nil {
			return err
		}
	}
	content, err := text()
	if err != nil {
		return err
	}
	if err := o.deadline(loadWithin(size)); err != nil {
		return err
	}
	o.policies[key] = size
	o.order = append(o.order, key)
	o.size += size
	if err := write(o.in, toLoad, key[:], number(uint64(o.memory+memoryOf(o.size))), content); err != nil { //nolint:gosec // positive
		return err
	}
	k, _, err := read(o.out, maxHeader)
	if err == nil && k != isReady {
		err = errFrame
	}
	return err
}

func (o *child) drop() error {
	oldest := o.order[0]
	o.order = o.order[1:]
	o.size -= o.policies[oldest]
	delete(o.policies, oldest)
	if err := o.deadline(startWithin); err != nil {
		return err
	}
	return write(o.in, toDrop, oldest[:])
}

// used moves a policy behind all others.
func (o *child) used(key [keySize]byte) {
	if len(o.order) > 0 && o.order[len(o.order)-1] == key {
		return
	}
	for i, k := range o.order {
		if k == key {
			o.order = append(append(o.order[:i], o.order[i+1:]...), key)
			return
		}
	}
}

// answered is what came back.
type answered struct {
	text    []byte
	took    time.Duration
	fault   *policy.FarError
	retires bool
}

// ask sends one question and waits for its answer, until the deadline.
func (o *child) ask(k kind, q policy.Question, within time.Duration, sent func(sequence uint64)) (answered, error) {
	key, _, _ := q.Policy.Content()
	o.used(key)
	if err := o.deadline(within); err != nil {
		return answered{}, err
	}
	o.sequence++
	if err := write(o.in, k, number(o.sequence), key[:], number(uint64(q.Budget)), q.Input); err != nil { //nolint:gosec // positive
		return answered{}, err
	}
	sent(o.sequence)
	back, content, err := read(o.out, maxBack)
	if err != nil {
		return answered{}, err
	}
	verdict, content, err := cut(content, 1)
	if err != nil {
		return answered{}, err
	}
	took, text, err := cut(content, 8)
	if err != nil {
		return answered{}, err
	}
	a := answered{text: text, took: time.Duration(binary.BigEndian.Uint64(took)), retires: verdict[0] != goesOn} //nolint:gosec // nothing but the caller's own budget is made of it
	switch back {
	case hasSaid:
		return a, nil
	case hasFault:
		var f fault
		if err := json.Unmarshal(text, &f); err != nil {
			return answered{}, errFrame
		}
		a.fault = &policy.FarError{Code: f.Code, Detail: f.Detail}
		return a, nil
	case isReady, toLoad, toDrop, toDecide, toExplain, toCancel:
	}
	return answered{}, errFrame
}

// cancel tells the child that nobody waits any more. Its answer is still read.
func (o *child) cancel(sequence uint64) { _ = write(o.in, toCancel, number(sequence)) }

// kill ends the process: at once, or if it is ending by itself, when it has said what of.
func (o *child) kill(ending bool) (ours bool) {
	_ = o.in.Close()
	defer o.out.Close() //nolint:errcheck // nothing more is read
	wait := time.Duration(0)
	if ending {
		wait = grace
	}
	select {
	case <-o.ended:
		return false
	case <-time.After(wait):
	}
	_ = o.command.Process.Kill()
	<-o.ended
	return true
}

// grace is how long a child that has closed its pipe may take to end.
const grace = time.Second

// death turns the end of a child into what it means for the request that ran in it.
func (o *child) death(err error) *policy.FarError {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	ours := o.kill(errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE))
	stuck, killed := false, false
	if exit, ok := errors.AsType[*exec.ExitError](o.reason); ok {
		stuck = exit.ExitCode() == exitStuck
		status, _ := exit.Sys().(syscall.WaitStatus)
		killed = !ours && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	switch {
	case late, stuck:
		return &policy.FarError{Code: policy.CodeTimeout, Detail: "the evaluation did not end and was killed", Killed: true}
	case killed, confine.OutOfMemory(o.stderr.String()): // by the kernel, for the memory of the machine
		return &policy.FarError{Code: policy.CodeMemory, Detail: policy.ErrMemory.Error(), Killed: true}
	}
	return &policy.FarError{Code: policy.CodeError, Detail: "the process that evaluated the policy ended", Killed: true}
}

// close lets an idle child end.
func (o *child) close() { o.kill(true) }

// limited keeps the first bytes written to it.
type limited struct {
	mu   sync.Mutex
	text []byte
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keep := min(len(p), l.room)
	l.room -= keep
	l.text = append(l.text, p[:keep]...)
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

var _ io.Writer = (*limited)(nil)
