package single

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func TestSingle(t *testing.T) {
	switch runtime.GOARCH {
	case "amd64", "arm64", "386":
	default:
		t.Skip("no entry for " + runtime.GOARCH)
	}
	path := t.TempDir() + "/probe"
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-E goqmail_single", "-o", path, "./testdata/probe")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	const added = "GOMAXPROCS=1"
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("V%d=%s", i, strings.Repeat("x", i))
	}
	tests := []struct {
		name      string
		args, env []string
		want      []string // the environment that the program sees
		procs     int
	}{
		{"nothing", nil, []string{}, []string{added}, 1},
		{"short ones", []string{"a", ""}, []string{"A=", "B=b"}, []string{added, "A=", "B=b"}, 1},
		{"an odd number", []string{"a"}, []string{"A=1"}, []string{added, "A=1"}, 1},
		{"much", many, many, append([]string{added}, many...), 1},
		{"somebody's choice", nil, []string{"A=1", "GOMAXPROCS=3", "B=2"}, []string{"A=1", "GOMAXPROCS=3", "B=2"}, 3},
		{"a like name", nil, []string{"GOMAXPR=3", "XGOMAXPROCS=4"}, []string{added, "GOMAXPR=3", "XGOMAXPROCS=4"}, 1},
	}
	for _, tt := range tests {
		cmd := exec.Command(path, tt.args...)
		cmd.Env = tt.env
		out, err := cmd.CombinedOutput()
		args := append([]string{}, tt.args...)
		want := fmt.Sprintf("args %q env %q at once %d entered %v page %d\n", args, tt.want, tt.procs, tt.want[0] == added, os.Getpagesize())
		if err != nil || string(out) != want {
			t.Errorf("%s: %v, output\n%.600s\nwant\n%.600s", tt.name, err, out, want)
		}
	}
}

// Whoever forgets the linker flag gets a program that works without.
func TestWithout(t *testing.T) {
	if Entered() {
		t.Error("entered in a program without it")
	}
}
