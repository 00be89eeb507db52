//go:build e2e

package peers

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// generated is a log of n lines as the suite writes them, and of others: empty,
// longer than what patterns see, with every byte. The last has no newline.
func generated(n int) []byte {
	r := rand.New(rand.NewSource(1)) // the same every time
	var b bytes.Buffer
	for i := range n {
		switch r.Intn(12) {
		case 0:
			fmt.Fprintf(&b, "status: local %d/10 remote %d/20", r.Intn(11), r.Intn(21))
		case 1:
			fmt.Fprintf(&b, "new msg %d", r.Intn(1000))
		case 2:
			fmt.Fprintf(&b, "info msg %d: bytes %d from <%s@far.test> qp %d uid 7791", i, r.Intn(100000), strings.Repeat("x", r.Intn(300)), r.Intn(40000))
		case 3:
			fmt.Fprintf(&b, "alert: unable to append to bounce message; HELP! sleeping...")
		case 4:
			fmt.Fprintf(&b, "delivery %d: deferral: Connected_to_192.0.2.1_but_%s/", i, strings.Repeat("the_", r.Intn(50)))
		case 5: // empty
		case 6:
			b.WriteString(strings.Repeat("0123456789", 90+r.Intn(30)))
		case 7:
			b.WriteString("* + - * " + strings.Repeat("*", r.Intn(4)))
		case 8:
			for range r.Intn(60) {
				if c := byte(r.Intn(256)); c != '\n' {
					b.WriteByte(c)
				}
			}
		case 9:
			if r.Intn(20) == 0 {
				b.WriteString(strings.Repeat("very long ", r.Intn(1500)))
			}
		default:
			fmt.Fprintf(&b, "end msg %d", r.Intn(1000))
		}
		b.WriteByte('\n')
	}
	b.WriteString("the end")
	return b.Bytes()
}

// anyTime finds stamps.
var anyTime = regexp.MustCompile(`(?m)^@[0-9a-f]{24} `)

// tree describes what multilog has left below a directory: for each file, in
// order, its name (a number instead of a stamp), mode and content, without
// stamps.
func (b *bed) tree(dir string) string {
	b.Helper()
	name := regexp.MustCompile(`@[0-9a-f]{24}\.`)
	var out strings.Builder
	old := 0
	b.must(filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel := strings.TrimPrefix(path, dir+"/")
		if name.MatchString(rel) {
			old++
			rel = name.ReplaceAllString(rel, fmt.Sprintf("@%04d.", old))
		}
		fmt.Fprintf(&out, "== %s %v\n", rel, fi.Mode())
		if fi.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		out.Write(anyTime.ReplaceAll(text, []byte("STAMP ")))
		return err
	}))
	return out.String()
}

// multilog runs a multilog of a path in a directory, and returns what it said
// and its exit code.
func (b *bed) multilog(path, dir string, input []byte, script []string) string {
	b.Helper()
	cmd := command(path, append([]string{"multilog"}, script...)...)
	cmd.Dir = dir
	// from a file, so that both read the same pieces
	b.must(os.WriteFile("/tmp/input", input, 0o644))
	in, err := os.Open("/tmp/input")
	b.must(err)
	defer func() { _ = in.Close() }() // only read
	cmd.Stdin = in
	out, _ := cmd.CombinedOutput() // the exit code is in the state
	return fmt.Sprintf("exit %d\n%s", cmd.ProcessState.ExitCode(), anyTime.ReplaceAll(out, []byte("STAMP ")))
}

// difference shows the first lines that are not the same.
func difference(own, peer string) string {
	a, c := strings.Split(own, "\n"), strings.Split(peer, "\n")
	for i := range min(len(a), len(c)) {
		if a[i] != c[i] {
			return fmt.Sprintf("line %d: ours %.200q, Debian's %.200q", i+1, a[i], c[i])
		}
	}
	return fmt.Sprintf("%d lines, Debian's %d", len(a), len(c))
}

// scripts are what our multilog and Debian's must do in the same way.
var scripts = []struct {
	name  string
	input []byte
	files map[string]string // there before, mode 0644
	args  []string
}{
	{"one directory", generated(3000), nil, []string{"./log"}},
	{"stamps", generated(3000), nil, []string{"t", "./log"}},
	{"short files, few", generated(3000), nil, []string{"t", "s4096", "n3", "./log"}},
	{"short files, many", generated(3000), nil, []string{"s5000", "n1000", "./log"}},
	{"numbers out of range", generated(1000), nil, []string{"t", "s1", "n0", "./log"}},
	{"numbers without digits", generated(1000), nil, []string{"s", "n", "./log"}},
	{"without status lines", generated(2000), nil, []string{"t", "-* status: *", "./log"}},
	{"alerts apart", generated(2000), nil, []string{"t", "-* status: *", "s10000", "n20", "./send", "-*", "+* alert: *", "+* warning: *", "n5", "./alert"}},
	{"patterns", generated(2000), nil, []string{"-*", "+status: *", "+*: deferral: *_the_*", "+* +* *", "-*8", "+", "+end msg 1*1", "./log"}},
	{"stars at every place", generated(2000), nil, []string{"-*", "+**", "-* ***", "-* *", "+*7*7*", "-*9", "./log"}},
	{"descriptor 2 and status file", generated(500), nil, []string{"t", "-* end msg *", "e", "-* status: *", "=./status", "./log", "-*", "=./never"}},
	{"other arguments", generated(10), nil, []string{"zzz", "T", "_", "", "./log", "t"}},
	{"processor", generated(2000), nil, []string{"s4096", "n1000", "!tr a-z A-Z; cat <&4 >&5; echo once more >&5", "./log"}},
	{"two processors", generated(1000), nil, []string{"t", "s4096", "!head -n 1", "./a", "!tail -n 1", "./b"}},
	{"after a crash", generated(100), map[string]string{
		"log/current": "half a l", "log/previous": "older\n", "log/processed": "lost\n", "log/state": "s", "log/newstate": "n",
	}, []string{"./log"}},
	{"nothing to read", nil, nil, []string{"t", "./log"}},
	{"no directory", generated(10), nil, []string{"t", "./missing/log"}},
	{"a file for a directory", generated(10), map[string]string{"log": ""}, []string{"t", "./log"}},
	{"no status file", generated(10), nil, []string{"=./missing/status"}},
	{"no arguments", generated(10), nil, nil},
}

// Our multilog does what Debian's does, byte for byte but for the time.
func TestMultilog(t *testing.T) {
	onBed(t, func(b *bed) {
		for i, tt := range scripts {
			var said, left [2]string
			for j, path := range []string{ownPath, peerPath} {
				dir := fmt.Sprintf("/tmp/%d/%d", i, j)
				b.must(os.MkdirAll(dir, 0o755))
				for name, text := range tt.files {
					b.write(dir+"/"+name, text, 0o644)
				}
				said[j] = b.multilog(path, dir, tt.input, tt.args)
				left[j] = b.tree(dir)
			}
			if said[0] != said[1] {
				t.Errorf("%s: multilog %q says %s", tt.name, tt.args, difference(said[0], said[1]))
			}
			if left[0] != left[1] {
				t.Errorf("%s: multilog %q leaves %s", tt.name, tt.args, difference(left[0], left[1]))
			}
		}
	})
}

// Each multilog goes on where the other has ended: the same files, whoever
// begins.
func TestMultilogTakesOver(t *testing.T) {
	onBed(t, func(b *bed) {
		script := []string{"t", "s20000", "n100", "./log"}
		var left [2]string
		for j := range left {
			dir := fmt.Sprintf("/tmp/%d", j)
			b.must(os.Mkdir(dir, 0o755))
			for i := range 6 {
				path := ownPath
				if i%2 == j {
					path = peerPath
				}
				if said := b.multilog(path, dir, generated(300+i), script); said != "exit 0\n" {
					t.Errorf("multilog of %s: %s", path, said)
				}
			}
			left[j] = b.tree(dir)
		}
		if left[0] != left[1] {
			t.Errorf("a directory that both use: %s", difference(left[0], left[1]))
		}
	})
}
