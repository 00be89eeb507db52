// Package man_test checks the manual pages: a page for each installed program
// and each format, the same sections in the same order, no reference to a page
// that does not exist, and nothing for mandoc to complain about.
package man_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/control"
	"goqmail/internal/hier"
	"goqmail/internal/queue"
	"goqmail/internal/testkit"
)

// order is the order of sections in every page; no page has others. Mandoc
// wants the standard ones of them in this order.
var order = []string{
	"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "DESCRIPTORS", "CONTROL FILES",
	"ENVIRONMENT", "FILES", "SIGNALS", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS",
	"SEE ALSO", "STANDARDS", "HISTORY", "CAVEATS", "SECURITY CONSIDERATIONS",
}

// formats are the pages that are not about one program.
var formats = []string{
	"addresses.5", "dot-qmail.5", "envelopes.5", "maildir.5", "mbox.5", "qmail-control.5",
	"qmail-header.5", "qmail-log.5", "qmail-passwords.5", "qmail-queue.5", "qmail-users.5", "tcp-environ.5",
	"forgeries.7", "qmail-limits.7", "qmail-workers.7", "qmail.7", "qmail-command.8",
}

// foreign are the pages of other packages that ours may refer to.
var foreign = []string{
	"getent.1", "true.1", "flock.2", "fcntl.2", "inetd.conf.5", "passwd.5", "services.5", "shadow.5", "systemd.socket.5", "syslogd.8",
}

// A page is one manual page.
type page struct {
	file     string // "qmail-send.8"
	text     string
	sections []string // headings in order
	names    []string // the .Nm lines of NAME
	title    string   // the arguments of .Dt
	refs     []string // "NAME.SECTION" of each .Xr
}

// section is the number in the page's file name.
func (p page) section() string { return p.file[len(p.file)-1:] }

// body is the text of one section, without its heading.
func (p page) body(section string) string {
	_, rest, _ := strings.Cut(p.text, "\n.Sh "+section+"\n")
	body, _, _ := strings.Cut(rest, "\n.Sh ")
	return body
}

// parse reads the lines that the tests look at.
func parse(file, text string) page {
	p := page{file: file, text: text}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case ".Sh":
			p.sections = append(p.sections, strings.Join(f[1:], " "))
		case ".Dt":
			p.title = strings.Join(f[1:], " ")
		case ".Nm":
			if len(p.sections) == 1 {
				p.names = append(p.names, f[1])
			}
		case ".Xr":
			if len(f) > 2 {
				p.refs = append(p.refs, f[1]+"."+f[2])
			}
		}
	}
	return p
}

// pages reads all pages of this directory.
func pages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob("*.[1-8]")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	var out []page
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parse(f, string(b)))
	}
	return out
}

// programs are the names installed in bin.
func programs() []string {
	var out []string
	for _, it := range hier.Programs() {
		out = append(out, it.Name)
	}
	return out
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func TestEveryProgramHasAPage(t *testing.T) {
	for _, name := range programs() {
		if exists(name+".1") == exists(name+".8") {
			t.Errorf("%s: want exactly one of %s.1 and %s.8", name, name, name)
		}
	}
	for _, file := range formats {
		if !exists(file) {
			t.Errorf("%s is missing", file)
		}
	}
}

// TestEveryCommandFolder looks from the other side: what cmd/ has is either
// installed and so has a page, or is named here.
func TestEveryCommandFolder(t *testing.T) {
	folders, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	installed := programs()
	for _, d := range folders {
		if d.IsDir() && !slices.Contains(installed, d.Name()) {
			t.Errorf("cmd/%s is not in hier.Programs, so it is not installed and has no page", d.Name())
		}
	}
}

func TestEveryPageIsInstalled(t *testing.T) {
	known := programs()
	for _, p := range pages(t) {
		name := p.file[:len(p.file)-2]
		if _, ok := hier.ManPage(p.file); !ok {
			t.Errorf("%s: hier has no directory for it", p.file)
		}
		if !slices.Contains(known, name) && !slices.Contains(formats, p.file) {
			t.Errorf("%s: neither about a program nor in the list of formats", p.file)
		}
	}
}

func TestHead(t *testing.T) {
	date := regexp.MustCompile(`^\.Dd [A-Z][a-z]+ [0-9]{1,2}, [0-9]{4}\n\.Dt `)
	for _, p := range pages(t) {
		name := p.file[:len(p.file)-2]
		if want := strings.ToUpper(name) + " " + p.section(); p.title != want {
			t.Errorf("%s: .Dt %s, want %s", p.file, p.title, want)
		}
		if len(p.names) == 0 || p.names[0] != name {
			t.Errorf("%s: NAME is %q, want %s first", p.file, p.names, name)
		}
		if !date.MatchString(p.text) {
			t.Errorf("%s does not begin with .Dd MONTH DAY, YEAR and .Dt", p.file)
		}
	}
}

func TestSections(t *testing.T) {
	for _, p := range pages(t) {
		want := []string{"NAME", "DESCRIPTION", "SEE ALSO"}
		switch p.section() {
		case "1", "8":
			want = append(want, "SYNOPSIS", "EXIT STATUS", "SECURITY CONSIDERATIONS")
		}
		for _, s := range want {
			if !slices.Contains(p.sections, s) {
				t.Errorf("%s has no section %s", p.file, s)
			}
		}
		last := -1
		for _, s := range p.sections {
			i := slices.Index(order, s)
			if i <= last {
				t.Errorf("%s: section %s is unknown, repeated or out of order", p.file, s)
			}
			last = max(last, i)
			if s != "NAME" && strings.TrimSpace(p.body(s)) == "" {
				t.Errorf("%s: section %s is empty", p.file, s)
			}
		}
	}
}

func TestReferences(t *testing.T) {
	for _, p := range pages(t) {
		for _, ref := range p.refs {
			switch {
			case ref == p.file:
				t.Errorf("%s refers to itself", p.file)
			case !exists(ref) && !slices.Contains(foreign, ref):
				t.Errorf("%s refers to %s, which is neither ours nor in the list of foreign pages", p.file, ref)
			}
		}
	}
}

// TestLint needs mandoc. Where it is missing the test is counted as left out;
// for root that is a failure.
func TestLint(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		testkit.NeedRoot(t)
		t.Fatal("mandoc is missing")
	}
	args := []string{"-T", "lint", "-W", "warning"}
	for _, p := range pages(t) {
		args = append(args, p.file)
	}
	out, err := exec.Command(mandoc, args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("mandoc %s: %v\n%s", strings.Join(args[:4], " "), err, out)
	}
}

// TestQueueExitCodes holds qmail-queue(8) against the table in internal/queue:
// each code with a text of its own has a row, and the text is there.
func TestQueueExitCodes(t *testing.T) {
	b, err := os.ReadFile("qmail-queue.8")
	if err != nil {
		t.Fatal(err)
	}
	body := parse("qmail-queue.8", string(b)).body("EXIT STATUS")
	for code := 1; code < 256; code++ {
		text := queue.Result(code, false, "")[1:]
		if text == queue.Result(255, false, "")[1:] || text == queue.Result(40, false, "")[1:] {
			continue
		}
		if !strings.Contains(body, "\n.It "+strconv.Itoa(code)+" Ta ") {
			t.Errorf("qmail-queue.8 has no row for exit code %d", code)
		}
		if !strings.Contains(body, text) {
			t.Errorf("qmail-queue.8 has not the text %q of exit code %d", text, code)
		}
	}
}

// TestLogLines holds qmail-log(5) against package sendlog: each line that
// qmail-send can write has an item.
func TestLogLines(t *testing.T) {
	b, err := os.ReadFile("qmail-log.5")
	if err != nil {
		t.Fatal(err)
	}
	var items []string
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, ".It "); ok {
			items = append(items, plain(rest))
		}
	}
	notices := 0
	for name, text := range stringConstants(t, "../internal/sendlog") {
		if !strings.Contains(text, " ") || name == "formAsap" {
			continue
		}
		notices++
		want := strings.NewReplacer(" ", "", "%", "*").Replace(text)
		if name == "formStarting" { // an item for each channel
			want = "startingdelivery*:msg*tolocal*"
		}
		if name == "formDelivery" { // an item for each result
			want = "delivery*:success:*"
		}
		if name == "formTriple" {
			want = "triplebounce:discardingbounce/*"
		}
		if name == "formInfo" {
			want = strings.Replace(want, "<*>", "*", 1)
		}
		if !slices.Contains(items, want) {
			t.Errorf("qmail-log.5 has no item for %s, %q (%s)", name, text, want)
		}
	}
	if notices < 40 {
		t.Errorf("only %d lines found in package sendlog", notices)
	}
}

// plain is an item's text without macros and blanks, each argument a star.
func plain(item string) string {
	var out strings.Builder
	words := strings.Fields(item)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "Li", "Ns", "No":
		case "Ar":
			out.WriteByte('*')
			i++
		default:
			out.WriteString(strings.TrimPrefix(words[i], `\&`))
		}
	}
	return out.String()
}

// stringConstants are the constants of a package that are string literals.
func stringConstants(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no Go files: %v", dir, err)
	}
	out := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			for i := 0; ok && i < len(v.Values); i++ {
				if lit, isLit := v.Values[i].(*ast.BasicLit); isLit && lit.Kind == token.STRING {
					out[v.Names[i].Name], _ = strconv.Unquote(lit.Value)
				}
			}
			return true
		})
	}
	return out
}

// TestControlFiles holds qmail-control(5) against the table that qmail-showctl
// prints: each file has a row with its default.
func TestControlFiles(t *testing.T) {
	b, err := os.ReadFile("qmail-control.5")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range control.Files {
		_, row, ok := strings.Cut(string(b), "\n.It Pa "+f.Name+" Ta ")
		row, _, _ = strings.Cut(row, "\n")
		switch {
		case f.Name == "tcp.smtp": // explained with its cdb file
		case !ok:
			t.Errorf("qmail-control.5 has no row for %s", f.Name)
		case f.Kind == control.KindInt && !strings.Contains(row, " Ta "+f.Default+" Ta "):
			t.Errorf("qmail-control.5: row for %s is %q, want the default %s", f.Name, row, f.Default)
		case f.Kind == control.KindLineOrMe && !strings.Contains(row, " Ta me"):
			t.Errorf("qmail-control.5: row for %s is %q, want me", f.Name, row)
		}
	}
}

// TestSMTPAnswers: every answer of qmail-smtpd stands in its page.
func TestSMTPAnswers(t *testing.T) {
	b, err := os.ReadFile("qmail-smtpd.8")
	if err != nil {
		t.Fatal(err)
	}
	answers := 0
	for name, text := range stringConstants(t, "../internal/smtp") {
		if !strings.HasPrefix(name, "Answer") {
			continue
		}
		answers++
		if !strings.Contains(string(b), "\n.It Li \""+text+"\"\n") {
			t.Errorf("qmail-smtpd.8 has no item for %s, %q", name, text)
		}
	}
	if answers < 15 {
		t.Errorf("only %d answers found in package smtp", answers)
	}
}
