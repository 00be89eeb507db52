package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// rowMax is the longest row of a table of differences, in characters.
const rowMax = 300

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName = regexp.MustCompile(`^(?:Test|Fuzz)\w+\*?$`)
)

// testsOf are the tests of the package that a row names: one below internal/, or
// below test/; nil if there is none.
func testsOf(t *testing.T, name string) []string {
	t.Helper()
	for _, dir := range [...]string{"internal/" + name, "test/" + name, name} {
		files, err := filepath.Glob(top + "/" + dir + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		tests := []string{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
				tests = append(tests, m[1])
			}
		}
		if len(files) > 0 {
			return tests
		}
	}
	return nil
}

// hasTest tells whether name is one of tests; one that ends in * is the
// beginning of some.
func hasTest(tests []string, name string) bool {
	prefix, many := strings.CutSuffix(name, "*")
	for _, t := range tests {
		if t == prefix || many && strings.HasPrefix(t, prefix) {
			return true
		}
	}
	return false
}

// TestDifferences: every row of docs/DIFFERENCES.md is short, and the tests that
// its last column names exist.
func TestDifferences(t *testing.T) {
	text, err := os.ReadFile(top + "/docs/DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		row, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		cells := strings.Split(strings.TrimSuffix(row, "|"), " | ")
		if !ok || len(cells) != 3 || cells[2] == "test " {
			continue // prose, or a table without tests
		}
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > rowMax {
			t.Errorf("line %d has %d characters, more than %d", number, n, rowMax)
		}
		var tests []string // of the package that was named last
		for _, ref := range strings.FieldsFunc(cells[2], func(c rune) bool { return strings.ContainsRune(" ,;|", c) }) {
			if ref == "vectors" {
				continue
			}
			if !testName.MatchString(ref) {
				if tests = testsOf(t, ref); tests == nil {
					t.Errorf("line %d: there is no package %s", number, ref)
				}
				continue
			}
			if !hasTest(tests, ref) {
				t.Errorf("line %d: there is no test %s in the package named before it", number, ref)
			}
		}
	}
}
