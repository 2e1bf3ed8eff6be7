package pool

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
)

// Argument is the hidden argument that makes the binary a child.
const Argument = "policy-worker"

// Exit statuses of a child.
const (
	exitDone   = 0
	exitBroken = 3
	exitStuck  = 4 // an evaluation does not end
)

const (
	// maxStack bounds a goroutine's stack in a child.
	maxStack = 64 << 20
	// lifetime is the processor time that the kernel gives a child; it asks to be replaced at half of it.
	lifetime = 10 * time.Minute
	nice     = 5
	// maxDetail bounds what is said of a policy that does not compile.
	maxDetail = 4096
)

// terms is the first line that a child reads, from its parent.
type terms struct {
	Memory int64         `json:"memory"` // for evaluating, beyond what policies take
	Most   int64         `json:"most"`   // with all policies
	CPU    time.Duration `json:"cpu"`
}

// fault is how a policy failed, on the wire.
type fault struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Main is the child. It limits itself before it reads a policy, and returns the exit status of the process.
func Main(stdin io.Reader, stdout io.Writer) int {
	in := bufio.NewReader(stdin)
	w, err := newWorker(in, stdout)
	if err == nil {
		err = w.serve(in)
	}
	switch {
	case errors.Is(err, io.EOF):
		return exitDone
	case errors.Is(err, errStuck):
		return exitStuck
	}
	fmt.Fprintln(os.Stderr, err)
	return exitBroken
}

var errStuck = errors.New("an evaluation does not end")

// worker is a child.
type worker struct {
	out       io.Writer
	limits    *confine.Confined
	cpu       time.Duration
	evaluator *policy.InProcess
	policies  map[[keySize]byte]*compiled

	mu        sync.Mutex
	sequence  uint64 // of what is evaluated
	cancelled uint64 // the last that was cancelled
	cancel    context.CancelFunc
}

// compiled is a policy, or why there is none.
type compiled struct {
	policy *policy.Compiled
	err    error
}

func newWorker(in *bufio.Reader, out io.Writer) (*worker, error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read the terms: %w", err)
	}
	var t terms
	if err := json.Unmarshal(line, &t); err != nil {
		return nil, fmt.Errorf("read the terms: %w", err)
	}
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(t.Memory / 4 * 3)
	limits, err := confine.Process(confine.Limits{Memory: t.Memory, Most: t.Most, CPU: t.CPU, Nice: nice})
	if err != nil {
		return nil, err
	}
	w := &worker{out: out, limits: limits, cpu: t.CPU, evaluator: policy.NewInProcess(0), policies: map[[keySize]byte]*compiled{}}
	return w, write(out, isReady)
}

// serve answers frame by frame until there are no more. Cancellations are heeded at once.
func (w *worker) serve(in io.Reader) error {
	type frame struct {
		kind    kind
		content []byte
	}
	frames, ended := make(chan frame), make(chan error, 1)
	go func() {
		defer close(frames)
		for {
			k, content, err := read(in, maxToChild)
			if err != nil {
				// The parent is gone, and with it whoever waits: what is evaluated ends with the process.
				time.AfterFunc(time.Second, func() { os.Exit(exitStuck) })
				ended <- err
				return
			}
			if k == toCancel {
				w.stop(content)
				continue
			}
			frames <- frame{k, content}
		}
	}()
	for f := range frames {
		if err := w.answer(f.kind, f.content); err != nil {
			return err
		}
	}
	return <-ended
}

func (w *worker) answer(k kind, content []byte) error {
	switch k {
	case toLoad:
		return w.load(content)
	case toDrop:
		if len(content) != keySize {
			return errFrame
		}
		delete(w.policies, [keySize]byte(content))
		return nil
	case toDecide, toExplain:
		return w.evaluate(k, content)
	case toCancel, isReady, hasSaid, hasFault:
	}
	return errFrame
}

// load compiles a policy. One that cannot be compiled says so whenever it is asked.
func (w *worker) load(content []byte) error {
	key, content, err := cut(content, keySize)
	if err != nil {
		return err
	}
	allowed, content, err := cut(content, 8)
	if err != nil {
		return err
	}
	memory := int64(binary.BigEndian.Uint64(allowed)) //nolint:gosec // the parent's
	if err := w.limits.Allow(memory); err != nil {
		return err
	}
	debug.SetMemoryLimit(memory / 4 * 3)
	c := &compiled{}
	c.policy, c.err = compile(content)
	w.policies[[keySize]byte(key)] = c
	return write(w.out, isReady)
}

func compile(content []byte) (*policy.Compiled, error) {
	src, err := policy.ParseContent(content)
	if err != nil {
		return nil, err
	}
	whole, err := policy.Compile(context.Background(), src)
	if err != nil {
		return nil, err
	}
	return whole.Lean(context.Background())
}

// evaluate answers one question.
func (w *worker) evaluate(k kind, content []byte) error {
	sequence, content, err := cut(content, 8)
	if err != nil {
		return err
	}
	key, content, err := cut(content, keySize)
	if err != nil {
		return err
	}
	budget, input, err := cut(content, 8)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.begin(binary.BigEndian.Uint64(sequence), cancel)
	defer w.begin(0, nil)

	before := confine.Spent()
	answer, err := w.ask(ctx, k, [keySize]byte(key), input, time.Duration(binary.BigEndian.Uint64(budget))) //nolint:gosec // the parent's
	took := number(uint64(confine.Spent() - before))                                                        //nolint:gosec // not negative
	verdict := []byte{goesOn}
	if confine.Spent() > w.cpu/2 {
		verdict[0] = retires
	}
	if err == nil {
		return write(w.out, hasSaid, verdict, took, answer)
	}
	far, ok := errors.AsType[*policy.FarError](err)
	if !ok {
		detail, _, _ := strings.Cut(err.Error(), "\n")
		far = &policy.FarError{Code: policy.CodeError, Detail: detail[:min(len(detail), maxDetail)]}
	}
	if far.Killed {
		return errStuck
	}
	text, err := json.Marshal(fault{far.Code, far.Detail})
	if err != nil {
		return err
	}
	return write(w.out, hasFault, verdict, took, text)
}

func (w *worker) ask(ctx context.Context, k kind, key [keySize]byte, input []byte, budget time.Duration) ([]byte, error) {
	c, ok := w.policies[key]
	switch {
	case !ok:
		return nil, errors.New("the policy was not sent")
	case c.err != nil:
		return nil, c.err
	case k == toDecide:
		return w.evaluator.Answer(ctx, c.policy, input, budget)
	}
	in, err := policy.ParseInput(input)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	rules, err := c.policy.Explain(ctx, in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rules)
}

func (w *worker) begin(sequence uint64, cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sequence, w.cancel = sequence, cancel
	if cancel != nil && sequence == w.cancelled { // before it began
		cancel()
	}
}

// stop cancels what is evaluated, if it is what is meant.
func (w *worker) stop(content []byte) {
	if len(content) != 8 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelled = binary.BigEndian.Uint64(content)
	if w.cancel != nil && w.sequence == w.cancelled {
		w.cancel()
	}
}
