package gate

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// confine sets the kernel's limits on this process. RLIMIT_DATA counts what is mapped
// writable, so the address space that Go only reserves does not matter; what it has
// mapped already is added to what the policy may use.
func confine(l limits) error {
	mapped, err := writable()
	if err != nil {
		return err
	}
	seconds := uint64(math.Ceil(l.Time.Seconds())) * uint64(cores) // of all cores together
	for _, limit := range []struct {
		resource int
		most     uint64
	}{
		{syscall.RLIMIT_DATA, mapped + uint64(l.Memory)}, //nolint:gosec // checked to be positive
		{syscall.RLIMIT_CPU, seconds + 1},
		{syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_FSIZE, 0},
	} {
		if err := syscall.Setrlimit(limit.resource, &syscall.Rlimit{Cur: limit.most, Max: limit.most}); err != nil {
			return fmt.Errorf("set limit %d: %w", limit.resource, err)
		}
	}
	return nil
}

// cores bounds how many cores a check can use, and with it how fast it may spend its
// processor time.
const cores = 4

// writable is how much this process has mapped writable (proc_pid_status(5), VmData).
func writable() (uint64, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read own memory: %w", err)
	}
	defer status.Close() //nolint:errcheck // opened to read
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "VmData:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read own memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("read own memory: no VmData")
}
