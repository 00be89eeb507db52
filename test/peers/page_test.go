//go:build e2e

package peers

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A page is docs/SUPERVISORS.md: the commands and files it shows, word for word,
// are what the tests run and write. Everything else is in the tree's boot.
type page struct {
	files    map[string]string // blocks below a line "`/path`:"
	commands []string          // lines of blocks below a line that ends in "as root:"
	used     map[string]bool   // commands that were asked for
}

var (
	fileLine    = regexp.MustCompile("^`(/[^`]+)`.*:$")
	commandLine = regexp.MustCompile(`(?i)as root:$`)
)

// readPage reads the page. A block is indented by four blanks.
func readPage(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/SUPERVISORS.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{files: map[string]string{}, used: map[string]bool{}}
	intro, inIntro := "", false // the last paragraph, which may go on
	var block []string
	end := func() {
		whole := strings.Join(block, "\n") + "\n"
		switch m := fileLine.FindStringSubmatch(intro); {
		case len(block) == 0:
		case m != nil:
			p.files[m[1]] = whole
		case commandLine.MatchString(intro):
			for line := range strings.Lines(strings.ReplaceAll(whole, "\\\n", "")) {
				line, _, _ = strings.Cut(line, "#")
				if line = strings.TrimSpace(line); line != "" {
					p.commands = append(p.commands, line)
				}
			}
		default:
			t.Fatalf("SUPERVISORS.md: nothing says what to do with the block %q", whole)
		}
		block = nil
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch rest, ok := strings.CutPrefix(line, "    "); {
		case ok:
			block = append(block, rest)
			inIntro = false
		case line == "":
			inIntro = false
		case inIntro:
			intro += " " + line
		default:
			end()
			intro, inIntro = line, true
		}
	}
	end()
	return p
}

// install writes a file of the page where the page says.
func (b *bed) install(path string) {
	b.Helper()
	text, ok := b.page.files[path]
	if !ok {
		b.Fatalf("SUPERVISORS.md has no %s", path)
	}
	b.write(path, text, 0o644)
}

// firstStart does what comes before the first start, whatever starts.
func (b *bed) firstStart() {
	b.Helper()
	for _, file := range []string{"defaultdelivery", "tcp.smtp", "tcp.qmqp"} {
		b.command(ownPath, "test -f "+home+"/control/"+file+" ")
	}
	b.command(ownPath, home+"/boot/service cdb")
}

// shown returns the one command of the page that begins as given. The page
// shows some commands once for each supervisor: they must be the same.
func (b *bed) shown(prefix string) string {
	b.Helper()
	found := ""
	for _, c := range b.page.commands {
		switch {
		case !strings.HasPrefix(c+" ", prefix) || c == found:
		case found != "":
			b.Fatalf("SUPERVISORS.md has %q and %q", found, c)
		default:
			found = c
		}
	}
	if found == "" {
		b.Fatalf("SUPERVISORS.md has no command %q", prefix)
	}
	b.page.used[found] = true
	return found
}

// allUsed checks that the test has asked for all commands of the page that match.
func (b *bed) allUsed(pattern string) {
	b.Helper()
	re := regexp.MustCompile(pattern)
	for _, c := range b.page.commands {
		if re.MatchString(c) && !b.page.used[c] {
			b.Errorf("SUPERVISORS.md has the command %q, which no test runs", c)
		}
	}
}

// command runs the page's command that begins as given, by sh, and returns what
// it printed.
func (b *bed) command(path, prefix string) string {
	b.Helper()
	return b.run(path, "sh", "-c", b.shown(prefix))
}
