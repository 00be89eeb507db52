//go:build e2e

package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerVar) != "" {
		os.Exit(workerMain())
	}
	// Programs of other packages would answer in the suite's place.
	if err := os.Unsetenv(testkit.PeersVariable); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := installed.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// A tally counts how cases ended.
type tally struct {
	verdicts [passedSpec + 1]int
	excepted int            // failed, as docs/DIFFERENCES.md says
	later    map[string]int // cases of programs that are not in the suite yet
}

// String is the line shown at the end.
func (y *tally) String() string {
	s := fmt.Sprintf("conformance: %d cases as notqmail 1.09, %d as netqmail 1.06, %d as the specification asks, %d listed exceptions, %d failed",
		y.verdicts[passed], y.verdicts[passedAlt], y.verdicts[passedSpec], y.excepted, y.verdicts[failed])
	n := 0
	for _, c := range y.later {
		n += c
	}
	if n > 0 {
		names := slices.Sorted(maps.Keys(y.later))
		s += fmt.Sprintf("\nconformance: not in this suite yet: %d cases of %s", n, strings.Join(names, ", "))
	}
	return s
}

// A suite is one run over the cases.
type suite struct {
	bin     string
	pool    *pool
	only    *regexp.Regexp
	strict  bool
	reasons map[string]string // exceptions by id
	results *json.Encoder     // where every result goes, or nil
	tally   tally
}

// TestPublic runs all case files, each as a subtest.
func TestPublic(t *testing.T) {
	testkit.NeedRoot(t)
	files, err := caseFiles()
	if err != nil {
		t.Fatal(err)
	}
	s := newSuite(t)
	ids := map[string]bool{}
	for _, f := range files {
		cases, err := loadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if ids[c.ID] {
				t.Errorf("%s: the id %s occurs twice", f, c.ID)
			}
			ids[c.ID] = true
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".jsonl"), func(t *testing.T) { s.file(t, cases) })
	}
	for id := range s.reasons {
		if !ids[id] {
			t.Errorf("%s lists the case %s, which does not exist", differencesPage, id)
		}
	}
	if err := s.pool.stop(); err != nil {
		t.Error(err)
	}
	fmt.Println(&s.tally)
}

// newSuite reads the environment and starts the workers.
func newSuite(t *testing.T) *suite {
	tree := installed.Tree(t)
	jobs := min(4, runtime.NumCPU())
	if j := os.Getenv("QMAIL_JOBS"); j != "" {
		n, err := strconv.Atoi(j)
		if err != nil || n < 1 {
			t.Fatalf("QMAIL_JOBS=%q is no number of workers", j)
		}
		jobs = n
	}
	s := &suite{bin: tree + "/bin", strict: os.Getenv("QMAIL_STRICT") != ""}
	s.tally.later = map[string]int{}
	if o := os.Getenv("QMAIL_ONLY"); o != "" {
		re, err := regexp.Compile(o)
		if err != nil {
			t.Fatalf("QMAIL_ONLY: %v", err)
		}
		s.only = re
	}
	if name := os.Getenv("QMAIL_RESULTS"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		s.results = json.NewEncoder(f)
	}
	var err error
	if s.reasons, err = exceptions(); err != nil {
		t.Fatal(err)
	}
	s.pool = newPool(tree, jobs)
	return s
}

// file runs the cases of one file.
func (s *suite) file(t *testing.T, cases []*testCase) {
	cases = slices.DeleteFunc(slices.Clone(cases), func(c *testCase) bool {
		return s.only != nil && !s.only.MatchString(c.ID)
	})
	if len(cases) == 0 {
		return
	}
	cat := cases[0].Cat
	for _, p := range needs(cat) {
		if _, err := os.Stat(s.bin + "/" + p); err == nil {
			continue
		}
		if isLater(cat) {
			s.tally.later[cat] += len(cases)
			return
		}
		t.Errorf("%s/%s is missing: %d cases could not run", s.bin, p, len(cases))
		s.tally.verdicts[failed] += len(cases)
		return
	}
	for i, got := range s.pool.runAll(cases) {
		s.judge(t, cases[i], got)
	}
}

// wantsLater reports whether a case that failed runs a program that is not in
// the suite yet, and counts it among that program's.
func (s *suite) wantsLater(c *testCase) bool {
	for _, p := range later {
		if _, err := os.Stat(s.bin + "/" + p); err != nil && c.runs(p) {
			s.tally.later[p]++
			return true
		}
	}
	return false
}

// judge reports one result.
func (s *suite) judge(t *testing.T, c *testCase, got *result) {
	if got == nil {
		got = &result{RC: "no result", Out: "", Err: ""}
	}
	if s.results != nil {
		if err := s.results.Encode(map[string]any{"id": c.ID, "result": got}); err != nil {
			t.Fatal(err)
		}
	}
	v, d, err := c.check(got, s.strict)
	if err != nil {
		t.Error(err)
	}
	reason, listed := s.reasons[c.ID]
	switch {
	case v == failed && !listed && s.wantsLater(c):
		return
	case listed && v == failed:
		s.tally.excepted++
		return
	case listed && !s.strict:
		t.Errorf("%s passes, but %s lists it as an exception (%s)", c.ID, differencesPage, reason)
	case v == failed:
		t.Error(strings.TrimSuffix(c.describe(d), "\n"))
	}
	s.tally.verdicts[v]++
}
