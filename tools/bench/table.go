package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// A run is one Result with where it belongs.
type run struct {
	Scenario, Subject string
	Round             int
	Result
}

// A table collects runs and prints those of one scenario after the other.
type table struct {
	subjects []Subject
	all      []run
	now      variant
	header   bool
}

func (t *table) begin(v variant) { t.now = v }

func (t *table) add(round int, subject string, r Result) {
	t.all = append(t.all, run{Scenario: t.now.name, Subject: subject, Round: round, Result: r})
}

// values are a subject's figures of a scenario by repetition. Runs that went
// wrong are not among them.
func (t *table) values(scenario, subject, figure string) map[int]float64 {
	v := map[int]float64{}
	for _, r := range t.all {
		if r.Scenario != scenario || r.Subject != subject || r.Error != "" {
			continue
		}
		if x, ok := r.Figures[figure]; ok {
			v[r.Round] = x
		}
	}
	return v
}

func list(v map[int]float64) []float64 {
	var l []float64
	for _, x := range v {
		l = append(l, x)
	}
	return l
}

// ratios are a's figures divided by b's of the same repetition.
func ratios(a, b map[int]float64) []float64 {
	var l []float64
	for round, x := range a {
		if y, ok := b[round]; ok && y > 0 {
			l = append(l, x/y)
		}
	}
	return l
}

// median of no values is 0.
func median(l []float64) float64 {
	if len(l) == 0 {
		return 0
	}
	l = append([]float64(nil), l...)
	sort.Float64s(l)
	m := len(l) / 2
	if len(l)%2 == 1 {
		return l[m]
	}
	return (l[m-1] + l[m]) / 2
}

// quantile is the value below which the part q of l lies.
func quantile(l []float64, q float64) float64 {
	if len(l) == 0 {
		return 0
	}
	l = append([]float64(nil), l...)
	sort.Float64s(l)
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// short prints a figure with three digits that count.
func short(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// print writes the lines of the scenario that was begun last.
func (t *table) print(w io.Writer) {
	first := t.subjects[0].Name
	if !t.header {
		t.header = true
		fmt.Fprintf(w, "%-16s %-22s", "scenario", "figure")
		for _, s := range t.subjects {
			fmt.Fprintf(w, " %9s", s.Name)
		}
		for _, s := range t.subjects[1:] {
			fmt.Fprintf(w, "  %-22s", first+"/"+s.Name)
		}
		fmt.Fprintln(w)
	}
	for _, f := range t.now.figures {
		line := fmt.Sprintf("%-16s %-22s", t.now.name, f)
		known := false
		for _, s := range t.subjects {
			cell := "-"
			if l := list(t.values(t.now.name, s.Name, f)); len(l) > 0 {
				cell, known = short(median(l)), true
			}
			line += fmt.Sprintf(" %9s", cell)
		}
		for _, s := range t.subjects[1:] {
			cell := "-"
			l := ratios(t.values(t.now.name, first, f), t.values(t.now.name, s.Name, f))
			if len(l) > 0 {
				cell = fmt.Sprintf("%s (%s..%s)", short(median(l)), short(quantile(l, 0)), short(quantile(l, 1)))
			}
			line += fmt.Sprintf("  %-22s", cell)
		}
		if known {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
		}
	}
}

// printBy writes CPU by program, where it was asked for.
func (t *table) printBy(w io.Writer) {
	seen := map[string]bool{}
	for _, r := range t.all {
		key := r.Scenario + " " + r.Subject
		if seen[key] || len(r.By) == 0 {
			continue
		}
		seen[key] = true
		t.printOneBy(w, r.Scenario, r.Subject)
	}
}

func (t *table) printOneBy(w io.Writer, scenario, subject string) {
	cpu, pss, running := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for _, r := range t.all {
		if r.Scenario != scenario || r.Subject != subject {
			continue
		}
		for name, s := range r.By {
			cpu[name] = append(cpu[name], 1000*s/max(1, r.Figures[messages]))
		}
		for name := range r.PSS {
			pss[name] = append(pss[name], r.PSS[name])
			running[name] = append(running[name], r.Running[name])
		}
	}
	var names []string
	for name := range cpu {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return median(cpu[names[i]]) > median(cpu[names[j]]) })
	fmt.Fprintf(w, "\n%-40s %12s %9s %10s\n", scenario+", "+subject, "CPU ms/msg", "PSS KiB", "processes")
	for _, name := range names {
		if c, kib := median(cpu[name]), median(pss[name]); c >= 0.005 || kib > 0 {
			fmt.Fprintf(w, "  %-38s %12.3f %9.0f %10.0f\n", name, c, kib, median(running[name]))
		}
	}
}
