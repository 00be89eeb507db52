package mailtools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// The script finds qmail-inject beside itself, also when it is called by a link
// from elsewhere.
func TestMailsubj(t *testing.T) {
	script, err := os.ReadFile("../../scripts/mailsubj")
	if err != nil {
		t.Fatal(err)
	}
	h := testkit.NewHome(t)
	testkit.Script(t, h.Path("bin/mailsubj"), strings.TrimPrefix(string(script), "#!/bin/sh\n"))
	testkit.Recorder(t, h.Path("bin/qmail-inject"), h.Path("got"), "100")
	link := filepath.Join(t.TempDir(), "m")
	if err := os.Symlink(h.Path("bin/mailsubj"), link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		args []string
		want string
	}{
		{h.Path("bin/mailsubj"), []string{"two  words", "a", "b c", "-f"}, "Subject: two  words\nTo: a b c -f\n\nbody\n"},
		{link, []string{"-n"}, "Subject: -n\nTo:\n\nbody\n"},
		{link, []string{"*", "* $HOME"}, "Subject: *\nTo: * $HOME\n\nbody\n"},
	}
	for _, tt := range tests {
		cmd := exec.Command(tt.path, tt.args...)
		cmd.Stdin = strings.NewReader("body\n")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 100 || len(out) > 0 {
			t.Errorf("mailsubj %q: %v, %q, want exit 100", tt.args, err, out)
		}
		if got, _ := h.Read("got/0"); got != tt.want {
			t.Errorf("mailsubj %q gives %q, want %q", tt.args, got, tt.want)
		}
		if got, _ := h.Read("got/args"); got != "" {
			t.Errorf("mailsubj %q: qmail-inject has arguments %q", tt.args, got)
		}
	}
}
