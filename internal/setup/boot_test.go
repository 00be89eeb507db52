package setup

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goqmail/internal/hier"
	"goqmail/internal/tree"
)

// TestBootFiles: everything below boot is installed, as what it is: scripts can
// be executed.
func TestBootFiles(t *testing.T) {
	t.Chdir("../..")
	var here []string
	err := filepath.WalkDir("boot", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			here = append(here, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var installed []string
	dirs := map[string]bool{}
	for _, it := range hier.Directories() {
		dirs[it.Dir] = true
	}
	for _, it := range hier.BootFiles() {
		installed = append(installed, it.Source)
		if it.Path() != it.Source || !dirs[it.Dir] {
			t.Errorf("%s is installed as %s", it.Source, it.Path())
		}
		text, err := os.ReadFile(it.Source)
		if err != nil {
			t.Fatal(err)
		}
		if isScript := strings.HasPrefix(string(text), "#!/bin/sh\n"); isScript != (it.Type == hier.Program) || isScript != (it.Mode == 0o755) {
			t.Errorf("%s: script %v, mode %o", it.Source, isScript, it.Mode)
		}
	}
	slices.Sort(here)
	slices.Sort(installed)
	if !slices.Equal(here, installed) {
		t.Errorf("boot has  %v\nsetup has %v", here, installed)
	}
}

// TestBootRules: the rules to be copied are those of a first configuration.
func TestBootRules(t *testing.T) {
	text, err := os.ReadFile("../../boot/tcp.smtp")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != tree.DefaultRules {
		t.Errorf("boot/tcp.smtp is %q, a first configuration has %q", text, tree.DefaultRules)
	}
}
