//go:build e2e

package peers

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// Both packages' dot-forward.
const (
	ownDotForward  = home + "/bin/dot-forward"
	peerDotForward = "/usr/bin/dot-forward"
)

// dotForwards are files that both must take alike.
var dotForwards = []string{
	"bob", "ann\n", `\ann`, `\Ann, bob@x.y` + "\n", "ann@" + hostName, "Ann <ANN@" + hostName + ">\n", `"ann"`, "ann, ann", "ann-ext",
	"a, b\nJoe Shmoe <shmoe@heaven.test.it>, c\n", "a <b> c", "a b", "a@b c@d", "a,,b", "bob,\n fred\n", "bob\n\tfred", "a\r\nb\r\n",
	"bob (the postmaster) @heaven.test", `"spaced out"@h.x`, `"b\"ob"`, "a . b @ c . d", "a@b+", "a@[1.2.3.4]", "bob)", "\xe9@x.y",
	"# comment\nbob\n", "#only\n", "", "\n\n", "  \n", " #a\n", "<>", `""`, "(c)",
	`"|cat; echo $SENDER"`, `"|cat", bob`, "\"|echo 1\", \"|echo 2\"\n\"|cat >/dev/null; echo 3\"\nbob", `"|head -1", ann`, `<"|echo x y">`, "|pwd",
	`"|a@b"@c.d`, "|a@b", `"|exit 1", bob`, `"|exit 64", bob`, `"|exit 99", bob`, `"|exit 100", bob`, `"|exit 111", bob`, `"|exit 112"`, `"|kill -9 $$"`,
	"/a@b", "./mbox", `":include:/x"`, "/var/mail/ann", `bob, "/x y"`, "bob\n\"bob\n", "a@b.c (x", "bob (a\n b)", "x@[1.2",
}

// dotForward runs one of the programs on the file, with a message.
func (b *bed) dotForward(program string, args ...string) (result [4]string) {
	b.Helper()
	b.must(os.RemoveAll("/tmp/queued"))
	b.must(os.Mkdir("/tmp/queued", 0o755))
	cmd := exec.Command(program, args...)
	cmd.Dir = "/tmp"
	cmd.Env = []string{"PATH=/bin:/usr/bin", "USER=ann", "HOST=" + hostName, "LOCAL=ann", "SENDER=s@x", "NEWSENDER=ns@x", "QMAILQUEUE=/tmp/recorder",
		"UFLINE=From s@x\n", "RPLINE=Return-Path: <s@x>\n", "DTLINE=Delivered-To: ann@" + hostName + "\n"}
	b.write("/tmp/message", "Subject: s\n\nbody\n", 0o644)
	in, err := os.Open("/tmp/message")
	b.must(err)
	defer func() { _ = in.Close() }()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	queued := ""
	for _, name := range []string{"0", "1"} {
		text, _ := os.ReadFile("/tmp/queued/" + name)
		queued += string(text) + "|"
	}
	text := regexp.MustCompile(`qp \d+`).ReplaceAllString(errs.String(), "qp N")
	text = strings.ReplaceAll(text, "\n\n", "\n") // Debian's shows a wrong line with its newline
	return [4]string{cmd.ProcessState.String(), out.String(), text, queued}
}

// Debian's dot-forward and ours do the same with the same files.
func TestDotForward(t *testing.T) {
	onBed(t, func(b *bed) {
		testkit.Recorder(b, "/tmp/recorder", "/tmp/queued", "0")
		b.must(os.MkdirAll("/var/lib/qmail/bin", 0o755)) // Debian's home
		b.must(os.Symlink(home+"/control", "/var/lib/qmail/control"))
		b.must(os.Symlink("/tmp/recorder", "/var/lib/qmail/bin/qmail-queue"))
		b.write(home+"/control/defaultdomain", "dd.example\n", 0o644)
		b.write(home+"/control/plusdomain", "pd.example\n", 0o644)
		b.write("/tmp/empty", "# nothing\n", 0o644)
		compare := func(args ...string) {
			b.Helper()
			own, peer := b.dotForward(ownDotForward, args...), b.dotForward(peerDotForward, args...)
			if own != peer {
				file, _ := os.ReadFile("/tmp/file")
				t.Errorf("dot-forward %q with %q = %q, Debian's %q", args, file, own, peer)
			}
		}
		for _, file := range dotForwards {
			b.write("/tmp/file", file, 0o644)
			compare("-N", "file")
			if !strings.HasPrefix(file, "bob\n\"") { // Debian's prints what stands before the wrong line
				compare("-n", "empty", "file")
			}
		}
		b.write("/tmp/file", "bob\n", 0o644)
		for _, args := range [][]string{{}, {"-n"}, {"absent"}, {"absent", "file"}, {"-n", "empty"}, {"empty", "file"}, {"file/x", "file"},
			{"."}, {"-z", "file"}, {"-nN", "file"}, {"--", "file"}, {"/tmp/file"}} {
			compare(args...)
		}
		// Files of random pieces.
		pieces := []string{"ann", `\ann`, "bob", "Joe", "joe@x.y", "joe@x", "a.b@c+", "<carl>", `"d e"@f.g`, "(comment)", `"|echo 1"`, `<"|echo 2">`,
			"Name <joe@[1.2.3.4]>", "ann@" + hostName}
		random := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			var file strings.Builder
			for range 1 + random.IntN(5) {
				file.WriteString(pieces[random.IntN(len(pieces))] + []string{", ", ",", "\n", "\n# c\n", " , \n"}[random.IntN(5)])
			}
			b.write("/tmp/file", file.String(), 0o644)
			compare("-n", "file")
		}
	})
}
