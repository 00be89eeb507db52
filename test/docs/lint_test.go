package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"goqmail/internal/hier"
)

const top = "../.."

var (
	linkTarget = regexp.MustCompile(`\]\(([^)]+)\)`)
	manPage    = regexp.MustCompile(`\b([a-z][a-z0-9.+-]*)\(([1-8])\)`)
	inTree     = regexp.MustCompile(`/var/qmail/(bin|boot)/([a-zA-Z0-9+/._-]*[a-zA-Z0-9])`)
	program    = regexp.MustCompile(`(?:^|[^.a-z/-])(qmail-[a-z0-9]+)`)
)

// texts reads all pages by their paths.
func texts(t *testing.T) map[string]string {
	t.Helper()
	list, err := names(top)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Every page keeps to the rules, and says what should come of its commands. The
// commands themselves need root: TestPages.
func TestRules(t *testing.T) {
	for name := range texts(t) {
		if elsewhere[filepath.Base(name)] != "" {
			continue
		}
		if _, err := readPage(name); err != nil {
			t.Error(err)
		}
	}
}

// Pages that other tests run, or that have no commands, exist.
func TestLists(t *testing.T) {
	for name, test := range elsewhere {
		if !exists(top+"/docs/"+name) || !exists(top+"/"+test) {
			t.Errorf("docs/%s or %s is missing", name, test)
		}
	}
	for name := range without {
		p, err := readPage(top + "/docs/" + name)
		if err != nil {
			t.Error(err)
		}
		for _, b := range p.blocks {
			if b.kind != picture {
				t.Errorf("%s:%d: a block of kind %s in a page without commands", name, b.line, b.kind)
			}
		}
	}
}

// Links lead somewhere, and README.md leads to every page.
func TestLinks(t *testing.T) {
	all := texts(t)
	for name, text := range all {
		for _, m := range linkTarget.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || target == "" {
				continue
			}
			if !exists(filepath.Join(filepath.Dir(name), target)) {
				t.Errorf("%s: the link to %s leads nowhere", filepath.Base(name), target)
			}
		}
	}
	for name := range all {
		if base := filepath.Base(name); base != "README.md" && !strings.Contains(all[top+"/README.md"], "](docs/"+base+")") {
			t.Errorf("README.md has no link to docs/%s", base)
		}
	}
}

// Manual pages that pages refer to exist, here or on the machine.
func TestManualPages(t *testing.T) {
	foreign := map[string]bool{"syslog(3)": true, "systemd.exec(5)": true}
	for name, text := range texts(t) {
		for _, m := range manPage.FindAllStringSubmatch(text, -1) {
			if !foreign[m[0]] && !exists(top+"/man/"+m[1]+"."+m[2]) {
				t.Errorf("%s: there is no manual page %s", filepath.Base(name), m[0])
			}
		}
	}
}

// Programs and scripts that pages name are installed.
func TestNames(t *testing.T) {
	known := map[string]bool{}
	for _, it := range hier.Programs() {
		known["bin/"+it.Name] = true
	}
	for name, text := range texts(t) {
		base := filepath.Base(name)
		for _, m := range inTree.FindAllStringSubmatch(text, -1) {
			path := m[1] + "/" + m[2]
			if known[path] || m[1] == "boot" && exists(top+"/"+path) || strings.HasSuffix(path, "NAME") {
				continue
			}
			t.Errorf("%s: /var/qmail/%s is not installed", base, path)
		}
		p, err := parse(base, text)
		if err != nil {
			continue // TestRules says it, or another test runs the page
		}
		for _, b := range p.blocks {
			for _, n := range program.FindAllStringSubmatch(b.text, -1) {
				if b.kind == picture && !known["bin/"+n[1]] {
					t.Errorf("%s:%d: the picture has %s, which is not installed", base, b.line, n[1])
				}
			}
		}
	}
}
