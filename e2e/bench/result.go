package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
)

// Result is everything that was measured in one run, as results.json has it.
type Result struct {
	Machine  Machine    `json:"machine"`
	Duration float64    `json:"seconds_per_level"`
	Users    int        `json:"users"`
	Entries  int        `json:"policy_entries"`
	Subjects []Measured `json:"subjects"`
}

// Machine is where it was measured. Client, server and database share its cores.
type Machine struct {
	OS, Arch, Go, CPU string
	Cores             int
}

// Measured is one subject.
type Measured struct {
	Subject      string  `json:"subject"`
	FirstReadyMS float64 `json:"first_ready_ms,omitempty"` // with an empty database and objects in files
	FilesReadyMS float64 `json:"files_ready_ms,omitempty"` // with objects in files that the database has already
	ReadyMS      float64 `json:"ready_ms,omitempty"`       // with objects in the database only
	IdleKiB      int     `json:"idle_kib,omitempty"`
	PeakKiB      int     `json:"peak_kib"`
	Levels       []Level `json:"levels"`
}

// Level is one number of connections. CPU times are microseconds a request.
type Level struct {
	Connections int      `json:"connections"`
	Answers     int      `json:"answers"`
	Failures    failures `json:"failures,omitempty"`
	Seconds     float64  `json:"seconds"`
	PerSecond   float64  `json:"requests_per_second"`
	P50MS       float64  `json:"p50_ms"`
	P99MS       float64  `json:"p99_ms"`
	ServerCPU   float64  `json:"server_cpu_us"`
	DatabaseCPU *float64 `json:"database_cpu_us,omitempty"`
	Others      float64  `json:"others_share"` // of the machine, used by neither server, database nor client
}

func (l load) level(connections int) Level {
	n := float64(max(1, l.answers))
	v := Level{
		Connections: connections, Answers: l.answers, Failures: l.failures, Seconds: l.elapsed.Seconds(), PerSecond: l.rate(),
		P50MS: milliseconds(quantile(l.latencies, 0.5)), P99MS: milliseconds(quantile(l.latencies, 0.99)),
		ServerCPU: float64(l.server.Microseconds()) / n, Others: l.others,
	}
	if l.known {
		used := float64(l.database.Microseconds()) / n
		v.DatabaseCPU = &used
	}
	return v
}

func thisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Cores: runtime.NumCPU()}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// write prints the table and leaves results.json and the plot in the folder.
func (r Result) write(w io.Writer, folder string) error {
	if len(r.Subjects) == 0 {
		return errors.New("nothing was measured")
	}
	r.table(w)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	picture := filepath.Join(folder, "bench.svg")
	if err := errors.Join(
		os.WriteFile(filepath.Join(folder, "results.json"), append(text, '\n'), 0o644),
		os.WriteFile(picture, []byte(plot(r)), 0o644),
	); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nwritten to %s\n", folder)
	converter, err := exec.LookPath("rsvg-convert")
	if err != nil {
		return nil //nolint:nilerr // the picture is there already; PNG is for those who have the converter
	}
	return exec.Command(converter, "-o", filepath.Join(folder, "bench.png"), picture).Run() //nolint:noctx // it takes a moment
}

func (r Result) table(w io.Writer) {
	fmt.Fprintf(w, "%d cores (%s), shared by client, server and database; %s; %.0f s a row; %d policy entries\n\n",
		r.Machine.Cores, r.Machine.CPU, r.Machine.Go, r.Duration, r.Entries)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "subject\tconnections\trequests/s\tp50 ms\tp99 ms\tserver µs CPU\tdatabase µs CPU\tof verify+sign\tothers\tfailures\t")
	for _, s := range r.Subjects {
		for _, l := range s.Levels {
			fmt.Fprintf(t, "%s\t%d\t%.0f\t%.2f\t%.2f\t%.0f\t%s\t%s\t%.0f %%\t%d\t\n", s.Subject, l.Connections, l.PerSecond, l.P50MS, l.P99MS,
				l.ServerCPU, orDash(l.DatabaseCPU), r.ratio(l), 100*l.Others, total(l.Failures))
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "subject\tready ms\twith files ms\tfirst start ms\tidle MiB\tpeak MiB\t")
	for _, s := range r.Subjects {
		if s.ReadyMS > 0 {
			fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t\n", s.Subject, s.ReadyMS, s.FilesReadyMS, s.FirstReadyMS, mebibytes(s.IdleKiB), mebibytes(s.PeakKiB))
		}
	}
	_ = t.Flush()
}

// ratio holds a level against one verify and one sign at as many connections.
func (r Result) ratio(l Level) string {
	for _, s := range r.Subjects {
		if s.Subject != subjectSign {
			continue
		}
		for _, other := range s.Levels {
			if other.Connections == l.Connections && other.PerSecond > 0 {
				return fmt.Sprintf("%.0f %%", 100*l.PerSecond/other.PerSecond)
			}
		}
	}
	return "–"
}

func orDash(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", *v)
}

func mebibytes(kib int) float64 { return float64(kib) / 1024 }

func total(f failures) (n int) {
	for _, count := range f {
		n += count
	}
	return n
}
