//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

// The harness of make bench, with few messages: every scenario works, and says
// so. The figures are of no interest here. It makes its own namespaces.
func TestBench(t *testing.T) {
	testkit.NeedRoot(t)
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/", "../../tools/bench", "../../tools/benchfloor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	bench := func(args ...string) (string, error) {
		args = append([]string{"../../scripts/with-accounts", dir + "/bench", "-scratch", dir, "-n", "1"}, args...)
		out, err := exec.Command("sh", args...).CombinedOutput()
		return string(out), err
	}
	tree := installed.Tree(t)

	text, err := bench("-scale", "0.01", "-burst", "100ms", "-deep", "0,50", "-by",
		"-only", `smtp_in|local/c10$|remote/c20|list|inject|burst|deep|pop3`,
		"new=qmail:"+tree, "floor=floor:"+dir+"/benchfloor")
	if err != nil {
		t.Fatalf("bench: %v\n%s", err, text)
	}
	for _, name := range []string{"smtp_in/s1-one", "smtp_in/s1-many", "smtp_in/s20-one", "smtp_in/s20-many", "local/c10", "remote/c20",
		"list/2000-c20", "inject/c1", "inject/c8", "burst", "deep/0", "deep/50", "pop3"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no figures of %s in\n%s", name, text)
		}
	}
	if left, _ := filepath.Glob(dir + "/goqmail-bench.*"); len(left) != 0 {
		t.Errorf("the runs left %q", left)
	}

	if text, err := bench("-scale", "0.01", "-only", "inject/c1", "bad=floor:/bin/false"); err == nil {
		t.Errorf("a program that refuses every message is no error:\n%s", text)
	}
}
