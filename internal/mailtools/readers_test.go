package mailtools

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// The scripts elq, pinq and qail run maildir2mbox, found beside themselves, and
// then the mail reader, if that succeeds.
func TestReaders(t *testing.T) {
	for script, reader := range map[string]string{"elq": "elm", "pinq": "pine", "qail": "Mail"} {
		text, err := os.ReadFile("../../scripts/" + script)
		if err != nil {
			t.Fatal(err)
		}
		h := testkit.NewHome(t)
		testkit.Script(t, h.Path("bin/"+script), strings.TrimPrefix(string(text), "#!/bin/sh\n"))
		h.Write("path/other", "")
		testkit.Recorder(t, h.Path("path/"+reader), h.Path("got"), "7")
		link := h.Path("link")
		if err := os.Symlink(h.Path("bin/"+script), link); err != nil {
			t.Fatal(err)
		}
		run := func(path string) (code int, args string) {
			cmd := exec.Command(path, "-f", "a  b", "*")
			cmd.Env = []string{"PATH=" + h.Path("path") + ":/bin:/usr/bin", "MAIL=m"}
			out, err := cmd.CombinedOutput()
			if len(out) > 0 {
				t.Errorf("%s: %v, %q", script, err, out)
			}
			args, _ = h.Read("got/args")
			return cmd.ProcessState.ExitCode(), args
		}
		testkit.Script(t, h.Path("bin/maildir2mbox"), `test "$#" = 0 && test "$MAIL" = m || echo wrong; exit 111`)
		if code, args := run(h.Path("bin/" + script)); code != 111 || args != "" {
			t.Errorf("%s, maildir2mbox fails: %d, %s run with %q", script, code, reader, args)
		}
		testkit.Script(t, h.Path("bin/maildir2mbox"), `exit 0`)
		if code, args := run(link); code != 7 || args != "-f\na  b\n*\n" {
			t.Errorf("%s: %d, %s run with %q", script, code, reader, args)
		}
	}
}
