package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// elsewhere are the pages that other tests run, with the folder of the tests.
var elsewhere = map[string]string{
	"DURABILITY.md":  "test/crash",
	"SUPERVISORS.md": "test/peers",
}

// without are the pages that have no commands.
var without = map[string]bool{
	"ARCHITECTURE.md": true,
	"DIFFERENCES.md":  true,
}

// names lists the pages of a project, README.md first.
func names(top string) ([]string, error) {
	list, err := filepath.Glob(top + "/docs/*.md")
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("no pages in %s/docs", top)
	}
	sort.Strings(list)
	return append([]string{top + "/README.md"}, list...), nil
}

// readPage reads a page of the project's that this test runs.
func readPage(path string) (page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return page{}, err
	}
	name := filepath.Base(path)
	p, err := parse(name, string(text))
	if err == nil && !p.proves() && !without[name] {
		err = fmt.Errorf("%s: nothing says what should come of its commands", name)
	}
	return p, err
}
