package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// tables are for eyes; results.json has everything.
func (r *Result) tables(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores (%s), shared by client, server and database; %s; %d × %.1f s a row; %d policy entries; binary %.1f MB\n",
		r.Begun.Format(time.DateOnly), r.Machine.Cores, r.Machine.CPU, r.Machine.Go, r.Rounds, r.Duration, r.Entries, float64(r.BinaryKiB)*1024/1e6)
	r.rows(w)
	r.starts(w)
	r.comparisons(w)
	r.policies(w)
	r.overloads(w)
	r.scales(w)
}

// table begins one, after an empty line.
func table(w io.Writer, heading string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\n%s\t\n", heading)
	return t
}

func (r *Result) rows(w io.Writer) {
	if len(r.Rows) == 0 {
		return
	}
	t := table(w, "path\tsubject\tconnections\trequests/s\tp50 ms\tp99 ms\tserver µs CPU\tdatabase µs CPU\tMiB\tof yardstick\tVault calls\tothers\tfailures")
	for _, l := range r.Rows {
		database, ratio, calls := "–", "–", "–"
		if l.DatabaseCPU != nil {
			database = fmt.Sprintf("%.0f", *l.DatabaseCPU)
		}
		if l.VaultCalls != nil {
			calls = fmt.Sprintf("%.2f", *l.VaultCalls)
		}
		if l.OfYardstick > 0 {
			ratio = fmt.Sprintf("%.0f %%", 100*l.OfYardstick)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%.2f\t%.2f\t%.0f\t%s\t%.0f\t%s\t%s\t%.0f %%\t%d\t\n", l.Path, l.Subject, l.Connections, l.PerSecond, l.P50MS, l.P99MS,
			l.ServerCPU, database, mebibytes(l.RSSKiB), ratio, calls, 100*l.Others, total(l.Failures))
	}
	_ = t.Flush()
}

func (r *Result) starts(w io.Writer) {
	t := table(w, "subject\tready ms\twith files ms\tfirst start ms\tidle MiB\tpeak MiB")
	for _, s := range r.Started {
		if s.ReadyMS > 0 {
			fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t\n", s.Subject, s.ReadyMS, s.FilesReadyMS, s.FirstReadyMS, mebibytes(s.IdleKiB), mebibytes(s.PeakKiB))
		}
	}
	_ = t.Flush()
}

func (r *Result) comparisons(w io.Writer) {
	if len(r.Comparisons) == 0 {
		return
	}
	t := table(w, "against Keycloak\tconnections\trequests/s\tCPU\tp99")
	for _, c := range r.Comparisons {
		fmt.Fprintf(t, "%s\t%d\t%.2f ×\t%.2f ×\t%.2f ×\t\n", c.Path, c.Connections, c.Rate, c.CPU, c.P99)
	}
	_ = t.Flush()
}

func (r *Result) policies(w io.Writer) {
	if len(r.Policies) == 0 {
		return
	}
	t := table(w, "policy\tentries\tpath\tgrants\tdecision µs\tanswer µs\tshare")
	for _, v := range r.Policies {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%.0f\t%.0f\t%.1f %%\t\n", v.What, v.Entries, v.Path, v.Grants, v.Decision, v.Answer, 100*v.Share)
	}
	_ = t.Flush()
}

func (r *Result) overloads(w io.Writer) {
	if len(r.Overload) == 0 {
		return
	}
	t := table(w, "overload\tconnections\tin flight\tpeak/s\tgoodput/s\tof peak\tp99 ms\t503\tother failures\tprobes\tnot ready\tslowest ms")
	for _, v := range r.Overload {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.0f\t%.0f %%\t%.0f\t%d\t%d\t%d\t%d\t%.0f\t\n", v.What, v.Connections, v.InFlight, v.Peak, v.Goodput,
			100*v.Ratio, v.P99MS, v.Shed, total(v.Failures), v.Probes, v.NotReady, v.SlowestMS)
	}
	_ = t.Flush()
}

func (r *Result) scales(w io.Writer) {
	if len(r.Scale) == 0 {
		return
	}
	t := table(w, "scale\tsmall\tlarge\tpath\tsmall/s\tlarge/s\tratio\tsmall µs CPU\tlarge µs CPU\tready ms\tidle MiB\tafter MiB\tothers")
	for _, v := range r.Scale {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%.0f\t%.0f\t%.0f %%\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f %%\t\n", v.What, v.Small, v.Large, v.Path, v.SmallRate, v.LargeRate,
			100*v.Ratio, v.SmallCPU, v.LargeCPU, v.ReadyMS, mebibytes(v.IdleKiB), mebibytes(v.AfterKiB), 100*v.Others)
	}
	_ = t.Flush()
}

func mebibytes(kib int) float64 { return float64(kib) / 1024 }

func total(f failures) (n int) {
	for _, count := range f {
		n += count
	}
	return n
}
