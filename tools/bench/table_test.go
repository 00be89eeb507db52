package main

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMedianAndQuantile(t *testing.T) {
	for _, tt := range []struct {
		in          []float64
		median, q95 float64
	}{
		{nil, 0, 0},
		{[]float64{4}, 4, 4},
		{[]float64{4, 1}, 2.5, 4},
		{[]float64{9, 1, 5}, 5, 9},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
			31, 32, 33, 34, 35, 36, 37, 38, 39, 40}, 20.5, 39},
	} {
		before := append([]float64(nil), tt.in...)
		if got := median(tt.in); got != tt.median {
			t.Errorf("median(%v) = %v, want %v", tt.in, got, tt.median)
		}
		if got := quantile(tt.in, 0.95); got != tt.q95 {
			t.Errorf("quantile(%v, 0.95) = %v, want %v", tt.in, got, tt.q95)
		}
		for i := range before {
			if tt.in[i] != before[i] {
				t.Errorf("%v was changed to %v", before, tt.in)
			}
		}
	}
}

// A ratio is one of the same repetition: a machine that is slow for one of them
// is slow for both systems.
func TestRatiosArePaired(t *testing.T) {
	a := map[int]float64{0: 100, 1: 10, 2: 50, 3: 7}
	b := map[int]float64{0: 50, 1: 5, 2: 25, 4: 9, 3: 0}
	got := ratios(a, b)
	if len(got) != 3 {
		t.Fatalf("ratios = %v, want three", got)
	}
	for _, r := range got {
		if r != 2 {
			t.Errorf("ratios = %v, want 2 each", got)
		}
	}
}

func TestTable(t *testing.T) {
	tab := &table{subjects: []Subject{{Name: "new"}, {Name: "old"}, {Name: "floor"}}}
	tab.begin(variant{name: "x/y", figures: []string{fRate, fCPU, "never measured"}})
	tab.add(0, "new", Result{Figures: figures{fRate: 200, fCPU: 1.5, messages: 10}, By: map[string]float64{"qmail-send": 0.02, "nothing": 0},
		PSS: map[string]float64{"qmail-send": 3000}, Running: map[string]float64{"qmail-send": 1}})
	tab.add(0, "old", Result{Figures: figures{fRate: 100, fCPU: 3}})
	tab.add(1, "new", Result{Figures: figures{fRate: 400, fCPU: 1.5, messages: 10}, By: map[string]float64{"qmail-send": 0.03}})
	tab.add(1, "old", Result{Figures: figures{fRate: 5, fCPU: 3}, Error: "mail was lost"})
	var out strings.Builder
	tab.print(&out)
	tab.printBy(&out)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"scenario figure new old floor new/old new/floor",
		"x/y rate /s 300 100 - 2.00 (2.00..2.00) -",
		"x/y CPU ms/message 1.50 3.00 - 0.50 (0.50..0.50) -",
		"x/y, new CPU ms/msg PSS KiB processes qmail-send 2.500 3000 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, bad := range []string{"never", "nothing"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q in\n%s", bad, out.String())
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args string
		ok   bool
	}{
		{"new=qmail:/x", true},
		{"-n 2 -only local -deep 0,5 -hold 1s new=qmail:/x pf=postfix:/ f=floor:/y", true},
		{"", false},
		{"new=qmail", false},
		{"new:qmail", false},
		{"new=exchange:/x", false},
		{"-n 0 new=qmail:/x", false},
		{"-scale 0 new=qmail:/x", false},
		{"-deep 1,x new=qmail:/x", false},
		{"-deep -1 new=qmail:/x", false},
		{"-only ( new=qmail:/x", false},
		{"-home /opt/qmail new=qmail:/x", false},
		{"-perhaps new=qmail:/x", false},
		{"-control classic= -control remoteshare=0 new=qmail:/x", true},
		{"-control classic new=qmail:/x", false},
		{"-control ../x=y new=qmail:/x", false},
	} {
		if _, err := quietly(tt.args); (err == nil) != tt.ok {
			t.Errorf("%q: %v, want it good: %v", tt.args, err, tt.ok)
		}
	}
	p, err := quietly("-n 2 -only ^local -deep 0,5 a=qmail:/x b=floor:/y")
	if err != nil {
		t.Fatal(err)
	}
	if p.times != 2 || len(p.Deep) != 2 || p.Deep[1] != 5 || p.Floor != "/y" || len(p.subjects) != 2 || !p.only.MatchString("local/c10") {
		t.Errorf("plan = %+v", p)
	}
}

// quietly parses without the usage that the flag package prints.
func quietly(args string) (*plan, error) {
	old := os.Stderr
	defer func() { os.Stderr = old }()
	os.Stderr, _ = os.Open(os.DevNull) // nil will do as well
	return commandLine(strings.Fields(args))
}

func TestVariants(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range variants(&Options{Local: []int{10}, Remote: []int{20, 100}, List: []int{2000, 20000}, Deep: []int{0, 7}}) {
		if seen[v.name] || v.run == nil || len(v.figures) == 0 || v.kinds == "" {
			t.Errorf("variant %+v", v)
		}
		seen[v.name] = true
	}
	for _, name := range []string{"smtp_in/s20-one", "local/c10", "remote/c100", "list/20000-c20", "big/local", "inject/c8",
		"burst", "deep/7", "idle", "pop3"} {
		if !seen[name] {
			t.Errorf("no scenario %s", name)
		}
	}
}

func TestText(t *testing.T) {
	for _, size := range []int{usual, 20 << 20} {
		got := text(size, "\r\n")
		if len(got) > size || len(got) < size-100 || !strings.HasSuffix(string(got), "\r\n") || strings.Contains(string(got), "\r\n.") {
			t.Errorf("text(%d) has %d bytes and ends in %q", size, len(got), got[len(got)-5:])
		}
	}
}

func TestThrowAway(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct{ in, rest string }{
		{"a\r\n.\r\nQUIT\r\n", "QUIT\r\n"},
		{".\r\nQUIT\r\n", "QUIT\r\n"},
		{long + "\r\n.\r\nRSET\r\n", "RSET\r\n"},
		{strings.Repeat("y", 4096) + ".\r\n..\r\n.\r\nRSET\r\n", "RSET\r\n"}, // the dot ends a full buffer's line
	} {
		r := bufio.NewReaderSize(strings.NewReader(tt.in), 4096)
		ok := throwAway(r)
		rest, _ := r.ReadString('\n')
		if !ok || rest != tt.rest {
			t.Errorf("throwAway(%.20q...) = %v, leaves %q, want %q", tt.in, ok, rest, tt.rest)
		}
	}
	if throwAway(bufio.NewReader(strings.NewReader("cut of"))) {
		t.Error("a message without end was taken")
	}
}

func TestWatch(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := &arrivals{}
	if err := a.watch(dirs); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for i, d := range []string{dirs[0] + "/a", dirs[1] + "/b.with-a-longer-name", dirs[1] + "/c"} {
		if err := put(d, "x"); err != nil {
			t.Fatal(err)
		}
		if last, err := a.wait(i+1, 10*time.Second); err != nil || last.Before(start) {
			t.Fatalf("after %d files: %v, %v", i+1, last, err)
		}
	}
	if _, err := a.wait(4, 0); err == nil {
		t.Error("a delivery too many was counted")
	}
}

func TestEachStopsAtAnError(t *testing.T) {
	done, _, err := each(3, 1000, 0, func(_, i int) error {
		if i == 20 {
			return os.ErrInvalid
		}
		return nil
	})
	if err != os.ErrInvalid || done >= 1000 {
		t.Errorf("%d done, %v", done, err)
	}
	if done, _, err := each(3, 50, 0, func(_, _ int) error { return nil }); done != 50 || err != nil {
		t.Errorf("%d done, %v; want 50", done, err)
	}
}
