//go:build e2e

package peers

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The two packages of fastforward: where their programs are.
const (
	ownForward  = home + "/bin/"
	peerForward = "/usr/bin/"
)

// forwardDir is where these tests work.
const forwardDir = "/tmp/forward"

// A forwardRun is how a program of a package was called, and what came of it.
type forwardRun struct {
	code     int
	out, err string
	file     string // the content of the file it made, if it made one
}

// forward runs a program with text on descriptor 0, and takes away the file that
// it makes.
func (b *bed) forward(bin, name, text, file string, args ...string) forwardRun {
	b.Helper()
	if bin == peerForward && name == "newaliases" {
		bin, name = "/usr/sbin/", "qmail-newaliases"
	}
	cmd := exec.Command(bin+name, args...)
	cmd.Dir = forwardDir
	cmd.Env = []string{"RECIPIENT=a@h", "SENDER=s@t", "PATH=" + ownPath}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatalf("%s%s: %v", bin, name, err)
	}
	r := forwardRun{code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
	if file != "" {
		content, err := os.ReadFile(file)
		if err == nil {
			b.must(os.Remove(file))
		}
		r.file = string(content)
	}
	return r
}

// both runs a program of each package on the same input and compares.
func (b *bed) both(name, text, file string, args ...string) forwardRun {
	b.Helper()
	own := b.forward(ownForward, name, text, file, args...)
	peer := b.forward(peerForward, name, text, file, args...)
	if own != peer {
		b.Errorf("%s of %q = %d %q %q %.300q,\nDebian's %d %q %q %.300q", name, text, own.code, own.out, own.err, own.file,
			peer.code, peer.out, peer.err, peer.file)
	}
	return own
}

// forwardBed makes what both packages need: Debian's has its home elsewhere.
func (b *bed) forwardBed() {
	b.Helper()
	b.must(os.MkdirAll("/var/lib", 0o755))
	b.must(os.Symlink(home, "/var/lib/qmail"))
	b.must(os.Mkdir(forwardDir, 0o755))
	for name, value := range map[string]string{"defaulthost": "dh.example", "defaultdomain": "dd.example", "plusdomain": "pd.example"} {
		b.write(home+"/control/"+name, value+"\n", 0o644)
	}
}

// table is an alias table with most of what there is; instructions the same for
// setforward, members for setmaillist.
const (
	aliasTable = `# the aliases
postmaster: root
Root: alice, Bob Bell <bob@example.net> (the other)
prog: "|/usr/bin/prog2 a b", |short,
 fred

list: :include:/etc/stafflist, "spaced out"@host
owner-list: bill
info@Example.ORG: carl+, dora@sub+, eve@[192.0.2.1]
@catch.all: x@y
x y: q; r
`
	instructions = `# instructions
a@h: b@h, ./l.bin, &c@c, |prog\ arg, !prog2, ?owner@h;
b@h: d@d, B\,b@"q";
@h: all@z; user@: u@z;
owned@h: ?o@o; owned@h: x@x, a@h;
chain@h: a@h, owned@h, ./l.bin;
`
	members = "# members\n\nl1@x \t\n&l2@y\n./m.bin\n"
)

// The files of the two packages are the same to the byte, either reads the
// other's, and says the same of it.
func TestForwardFiles(t *testing.T) {
	onBed(t, func(b *bed) {
		b.forwardBed()
		b.write("/etc/aliases", aliasTable, 0o644)
		b.write(forwardDir+"/inc", strings.ReplaceAll(aliasTable, "|", ":include:"), 0o644)
		files := map[string]string{
			"aliases": b.both("newaliases", "", "/etc/aliases.cdb").file,
			"inc.bin": b.both("newinclude", "", forwardDir+"/inc.bin", "inc").file,
			"f.cdb":   b.both("setforward", instructions, forwardDir+"/f.cdb", "f.cdb", "f.tmp").file,
			"l.bin":   b.both("setmaillist", members, forwardDir+"/l.bin", "l.bin", "l.tmp").file,
			"m.bin":   b.both("setmaillist", "l1@x\nm@m\n", forwardDir+"/m.bin", "m.bin", "m.tmp").file,
		}
		for name, content := range files {
			if content == "" {
				t.Fatalf("%s was not made", name)
			}
			b.write(forwardDir+"/"+name, content, 0o644)
			program := "printforward"
			if strings.HasSuffix(name, ".bin") {
				program = "printmaillist"
			}
			if r := b.both(program, content, ""); r.code != 0 || r.out == "" {
				t.Errorf("%s of %s: %+v", program, name, r)
			}
		}
		for _, rcpt := range []string{"a@h", "A@H", "chain@h", "owned@h", "user@x", "any@h", "b@h"} {
			for _, options := range []string{"-n", "-np"} {
				b.plan(rcpt, options, "f.cdb")
			}
		}
		for _, sender := range []string{"", "#@[]", "s-@t-@[]"} {
			b.planFrom(sender, "a@h", "-n", "f.cdb")
		}
		for _, rcpt := range []string{"root@x", "PROG@x", "list@x", "info@example.org", "any@catch.all", "nobody@x", "x@"} {
			b.plan(rcpt, "-n", "aliases")
		}
	})
}

// plan compares what fastforward of the two packages would do.
func (b *bed) plan(rcpt, options, db string) {
	b.Helper()
	b.planFrom("s@t", rcpt, options, db)
}

// planFrom is plan for another sender.
func (b *bed) planFrom(sender, rcpt, options, db string) {
	b.Helper()
	cmd := func(bin string) (forwardRun, string) {
		c := exec.Command(bin+"fastforward", options, db)
		c.Dir, c.Env = forwardDir, []string{"RECIPIENT=" + rcpt, "SENDER=" + sender}
		var errs bytes.Buffer
		c.Stderr = &errs
		_ = c.Run() // the code is compared
		return forwardRun{code: c.ProcessState.ExitCode(), err: errs.String()}, bin
	}
	own, _ := cmd(ownForward)
	peer, _ := cmd(peerForward)
	if own != peer || own.err == "" && own.code != 0 {
		b.Errorf("fastforward %s %s for %s: %+v,\nDebian's %+v", options, db, rcpt, own, peer)
	}
}

// Both packages say the same of any text, good or bad: made of these pieces, by
// chance, but the same every time.
func TestForwardTexts(t *testing.T) {
	pieces := map[string]string{
		"newaliases":  "t: |t: |a|b|A|x.y|owner-|include|:include:|/f|./g|\"¦p q\"|¦p|\"q r\"|[1.2]|@|.|,|:|;|<|>|(|)|(c)|\"|\\|[|]|+| |\t|\n|\n |\n#|#|\r|\x00|\x7f|\xe9|@h|@h.i|@h+|&|?|!|\"\"|<>|<a@b>|N <a@b>|al: |\nbl: |¦|/|, |a@b.c",
		"setforward":  "a:|a: |a|b|A@B|:|;|,|&|¦|!|?|.|/|#|\n| |\t|\\|\\ |x@y|\xff|\r|\x00|a: b;|c: d, e;\n|%",
		"setmaillist": "a|&|.|/|#|\n|\n| |\t|x@y|\x00|\xff|\r|¦|\na\n|&b\n",
	}
	onBed(t, func(b *bed) {
		b.forwardBed()
		random := rand.New(rand.NewPCG(0, 0))
		text := func(name string) string {
			p := strings.Split(pieces[name], "|")
			var s strings.Builder
			for range 1 + random.IntN(14) {
				s.WriteString(strings.ReplaceAll(p[random.IntN(len(p))], "¦", "|"))
			}
			return s.String()
		}
		for i := range 150 {
			end := [...]string{"\n", "\n", "\n", ""}[i%4]
			b.write("/etc/aliases", text("newaliases")+end, 0o644)
			b.write(forwardDir+"/inc", text("newaliases")+end, 0o644)
			b.both("newaliases", "", "/etc/aliases.cdb")
			b.both("newinclude", "", forwardDir+"/inc.bin", "inc")
			b.both("setforward", text("setforward")+[...]string{";", ""}[i%2], forwardDir+"/f.cdb", "f.cdb", "f.tmp")
			b.both("setmaillist", text("setmaillist"), forwardDir+"/l.bin", "l.bin", "l.tmp")
			if t.Failed() {
				t.Fatalf("in turn %d; /etc/aliases and inc were %q and %q", i, read(b, "/etc/aliases"), read(b, forwardDir+"/inc"))
			}
		}
	})
}

// read is the content of a file.
func read(b *bed, path string) string {
	b.Helper()
	text, err := os.ReadFile(path)
	b.must(err)
	return string(text)
}

// Any net of targets and lists gives the same recipients in the same order.
// A target has one spelling, and programs are left out: there the two differ
// (docs/DIFFERENCES.md).
func TestForwardPlans(t *testing.T) {
	onBed(t, func(b *bed) {
		b.forwardBed()
		random := rand.New(rand.NewPCG(0, 1))
		addresses := []string{"a@h", "b@h", "c@h", "f@h", "d@h", "e@h", "@h", "a@", "x@y"}
		address := func() string { return addresses[random.IntN(len(addresses))] }
		for i := range 150 {
			var table strings.Builder
			for _, n := range random.Perm(8)[:1+random.IntN(6)] {
				fmt.Fprintf(&table, "%s: ", addresses[n])
				for range random.IntN(6) {
					switch random.IntN(8) {
					case 0:
						fmt.Fprintf(&table, "./l%d, ", random.IntN(3))
					case 1:
						fmt.Fprintf(&table, "z%d@z, ", random.IntN(3))
					default:
						table.WriteString(address() + ", ")
					}
				}
				table.WriteString(";\n")
			}
			for n := range 3 {
				var list strings.Builder
				for range random.IntN(5) {
					if random.IntN(3) == 0 {
						fmt.Fprintf(&list, "./l%d\n", random.IntN(3))
					} else {
						list.WriteString("&" + address() + "\n")
					}
				}
				r := b.forward(ownForward, "setmaillist", list.String(), "", fmt.Sprintf("l%d", n), "t")
				if r.code != 0 {
					t.Fatalf("setmaillist: %+v", r)
				}
			}
			if i%3 == 0 {
				table.WriteString("c@h: ?o@h; d@h: ?o@h;")
			}
			if i%4 == 0 {
				table.WriteString("@h: ?all@h; a@: ?any@a;")
			}
			if r := b.forward(ownForward, "setforward", table.String(), "", "f.cdb", "t"); r.code != 0 {
				t.Fatalf("setforward of %q: %+v", table.String(), r)
			}
			for _, rcpt := range []string{"a@h", "b@h", "x@y", "q@h", "a@q"} {
				b.plan(rcpt, "-n", "f.cdb")
			}
			if t.Failed() {
				t.Fatalf("in turn %d, of %q", i, table.String())
			}
		}
	})
}
