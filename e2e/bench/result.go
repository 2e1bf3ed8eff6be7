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
	"time"
)

// Result is everything that was measured in one run, as results.json has it.
type Result struct {
	Machine     Machine      `json:"machine"`
	Begun       time.Time    `json:"begun"`
	Duration    float64      `json:"seconds_per_round"`
	Rounds      int          `json:"rounds"`
	Users       int          `json:"users"`
	Entries     int          `json:"policy_entries"`
	BinaryKiB   int          `json:"binary_kib"`
	Started     []Started    `json:"started"`
	Rows        []Row        `json:"rows"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Policies    []Policies   `json:"policies,omitempty"`
	Overload    []Overload   `json:"overload,omitempty"`
	Scale       []Scale      `json:"scale,omitempty"`
}

// Machine is where it was measured. Client, server and database share its cores.
type Machine struct {
	OS, Arch, Go, CPU string
	Cores             int
}

// Started is one subject: how long it took to be ready, and its memory.
type Started struct {
	Subject      string  `json:"subject"`
	FirstReadyMS float64 `json:"first_ready_ms,omitempty"` // with an empty database and objects in files
	FilesReadyMS float64 `json:"files_ready_ms,omitempty"` // with objects in files that the database has already
	ReadyMS      float64 `json:"ready_ms,omitempty"`       // with objects in the database only
	IdleKiB      int     `json:"idle_kib,omitempty"`
	PeakKiB      int     `json:"peak_kib"` // over all that it was asked since its last start
}

// Row is one path of one subject at one number of connections. CPU times are microseconds a request.
type Row struct {
	Path        string   `json:"path"`
	Subject     string   `json:"subject"`
	Connections int      `json:"connections"`
	Answers     int      `json:"answers"`
	Failures    failures `json:"failures,omitempty"`
	Seconds     float64  `json:"seconds"`
	PerSecond   float64  `json:"requests_per_second"`
	P50MS       float64  `json:"p50_ms"`
	P99MS       float64  `json:"p99_ms"`
	ServerCPU   float64  `json:"server_cpu_us"`
	DatabaseCPU *float64 `json:"database_cpu_us,omitempty"`
	RSSKiB      int      `json:"rss_kib"`
	VaultCalls  *float64 `json:"vault_calls,omitempty"` // an answer, of the Transit engine
	OfYardstick float64  `json:"of_yardstick,omitempty"`
	Others      float64  `json:"others_share"` // of the machine, used by neither server, database nor client
}

// Comparison is a path of ours on PostgreSQL against Keycloak's.
type Comparison struct {
	Path        string  `json:"path"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate_ratio"`
	CPU         float64 `json:"cpu_ratio"` // server and database
	P99         float64 `json:"p99_ratio"`
}

func (l load) row(path, subject string, connections int) Row {
	n := float64(max(1, l.answers))
	v := Row{
		Path: path, Subject: subject,
		Connections: connections, Answers: l.answers, Failures: l.failures, Seconds: l.elapsed.Seconds(), PerSecond: l.rate(),
		P50MS: milliseconds(quantile(l.latencies, 0.5)), P99MS: milliseconds(quantile(l.latencies, 0.99)),
		ServerCPU: float64(l.server.Microseconds()) / n, RSSKiB: l.rss, Others: l.others,
	}
	if l.vault >= 0 {
		calls := float64(l.vault) / n
		v.VaultCalls = &calls
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

// relate holds each row against its yardstick, and ours against Keycloak's.
func (r *Result) relate() {
	for i := range r.Rows {
		row := &r.Rows[i]
		yardstick := pathOf(row.Path).yardstick
		if other, ok := r.find(yardstick, yardstick, row.Connections); ok && other.PerSecond > 0 {
			row.OfYardstick = row.PerSecond / other.PerSecond
		}
		if row.Subject != subjectPostgres {
			continue
		}
		if other, ok := r.find(row.Path, subjectKeycloak, row.Connections); ok && other.PerSecond > 0 && other.cpu() > 0 && other.P99MS > 0 {
			r.Comparisons = append(r.Comparisons, Comparison{
				Path: row.Path, Connections: row.Connections,
				Rate: row.PerSecond / other.PerSecond, CPU: row.cpu() / other.cpu(), P99: row.P99MS / other.P99MS,
			})
		}
	}
}

func (r *Result) find(path, subject string, connections int) (Row, bool) {
	for _, row := range r.Rows {
		if row.Path == path && row.Subject == subject && row.Connections == connections {
			return row, true
		}
	}
	return Row{}, false
}

// cpu is the server's and the database's.
func (r Row) cpu() float64 {
	if r.DatabaseCPU == nil {
		return r.ServerCPU
	}
	return r.ServerCPU + *r.DatabaseCPU
}

// write prints the tables and leaves results.json and the plot in the folder.
func (r *Result) write(w io.Writer, folder string) error {
	if len(r.Rows)+len(r.Policies)+len(r.Overload)+len(r.Scale) == 0 {
		return errors.New("nothing was measured")
	}
	r.relate()
	r.tables(w)
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
		os.WriteFile(picture, []byte(plot(r.Rows)), 0o644),
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
