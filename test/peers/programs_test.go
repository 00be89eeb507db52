//go:build e2e

package peers

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// programs are those of scripts/fetch-peers that say who they are, or at least
// how they want to be called, each with a part of that.
var programs = []struct{ command, want string }{
	{"dovecot --version", "2."},
	{"doveconf", "dovecot.conf"},
	{"dot-forward", ""},
	{"fastforward", "fastforward: usage: "},
	{"fetchmail -V", "This is fetchmail release "},
	{"formail -v", "formail v"},
	{"maildrop -v", "maildrop "},
	{"mpop --version", "mpop version "},
	{"mutt -v", "Mutt "},
	{"newinclude", "newinclude: usage: "},
	{"printforward", ""},
	{"procmail -v", "procmail v"},
	{"echo a: b | reformail -x a:", "b\n"},
	{"s-nail -V", "s-nail v"},
	{"setforward", "setforward: usage: "},
	{"swaks --version", "swaks version "},
	{"vacation -h", "vacation: "},
}

// Every program that scripts/fetch-peers brings finds its libraries, modules
// and files in a world, although nothing is installed.
func TestPrograms(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		// where the programs of Debian's qmail have their home
		if err := os.MkdirAll("/var/lib/qmail/control", 0o755); err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			out, err := exec.Command("/bin/sh", "-c", p.command).CombinedOutput()
			missing := &exec.ExitError{}
			if errors.As(err, &missing) && missing.ExitCode() == 127 || !strings.Contains(string(out), p.want) {
				t.Errorf("%s printed %q (%v), want %q in it", p.command, out, err, p.want)
			}
		}
	})
}
