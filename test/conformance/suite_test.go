package conformance

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// programs lists what a category needs in the tree's bin, where that is not one
// program with the category's name.
var programs = map[string][]string{
	"datemail":        {"datemail", "sendmail", "qmail-inject"},
	"ext-fastforward": {"fastforward", "setforward", "printforward", "setmaillist", "newinclude", "newaliases"},
	"ext-tcprules":    {"tcprules", "tcprulescheck"},
	"ext-tcpserver":   {"tcpserver", "tcprules", "qmail-smtpd"},
	"mailsubj":        {"mailsubj", "qmail-inject"},
	"qmail-local":     {"qmail-local", "bouncesaying", "condredirect", "except", "forward", "preline", "qreceipt"},
	"qmail-qread":     {"qmail-qread", "qmail-qstat", "sendmail"},
	"sendmail":        {"sendmail", "qmail-inject"},
}

// later lists the categories of programs that are not in the suite yet. While
// such a program is missing, its cases are counted and named; once it is there
// they run. Cases of any other missing program fail.
var later = []string{}

// needs returns the programs of a category.
func needs(cat string) []string {
	if p := programs[cat]; p != nil {
		return p
	}
	return []string{cat}
}

// isLater reports whether a category is in later.
func isLater(cat string) bool {
	for _, l := range later {
		if l == cat {
			return true
		}
	}
	return false
}

// runs reports whether a case of another category runs the program: its command
// or one of its files has the name as a word, as in "|qreceipt joe@x".
func (t *testCase) runs(program string) bool {
	re := regexp.MustCompile(`[|/ ;&"]` + regexp.QuoteMeta(program) + `[ ;&"\\]`)
	for _, field := range []string{"argv", "files", "pre"} {
		if re.Match(t.raw[field]) {
			return true
		}
	}
	return false
}

// reRow is a row of a Markdown table whose first cell looks like a case id.
var reRow = regexp.MustCompile(`^\|\s*` + "`?" + `([A-Za-z0-9-]+-[0-9a-f]{10})` + "`?" + `\s*\|\s*(.*?)\s*\|\s*$`)

// readExceptions reads, from the section "Conformance cases" of a Markdown
// page, the table of the cases that may fail: id and reason. A missing page or
// section has none.
func readExceptions(page []byte) (map[string]string, error) {
	reasons := map[string]string{}
	in := false
	for n, line := range bytes.Split(page, []byte("\n")) {
		s := strings.TrimSpace(string(line))
		if strings.HasPrefix(s, "#") {
			in = strings.EqualFold(strings.TrimLeft(s, "# "), "conformance cases")
			continue
		}
		m := reRow.FindStringSubmatch(s)
		if !in || m == nil {
			continue
		}
		if m[2] == "" {
			return nil, fmt.Errorf("line %d: case %s has no reason", n+1, m[1])
		}
		if _, ok := reasons[m[1]]; ok {
			return nil, fmt.Errorf("line %d: case %s is listed twice", n+1, m[1])
		}
		reasons[m[1]] = m[2]
	}
	return reasons, nil
}

// differencesPage is where exceptions are listed.
const differencesPage = "../../docs/DIFFERENCES.md"

// exceptions reads differencesPage.
func exceptions() (map[string]string, error) {
	page, err := os.ReadFile(differencesPage)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := readExceptions(page)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", differencesPage, err)
	}
	return m, nil
}
