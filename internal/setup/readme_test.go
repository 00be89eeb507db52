package setup

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"goqmail/internal/hier"
)

// TestReadmeListsPrograms: README's table of programs has exactly those that
// setup installs.
func TestReadmeListsPrograms(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "\n## Programs\n")
	if !ok {
		t.Fatal("README.md has no section Programs")
	}
	var listed []string
	for _, row := range strings.Split(table, "\n") {
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			listed = append(listed, m[1])
		}
	}
	var installed []string
	for _, it := range hier.Programs() {
		installed = append(installed, it.Name)
	}
	slices.Sort(listed)
	slices.Sort(installed)
	if !slices.Equal(listed, installed) {
		t.Errorf("README.md lists   %v\nsetup installs %v", listed, installed)
	}
}
