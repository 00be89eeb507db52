package shield

import (
	"bytes"
	"os/exec"
	"runtime"
	"testing"
)

// build makes the probe, linked with the given flags.
func build(t *testing.T, ldflags string) string {
	t.Helper()
	path := t.TempDir() + "/probe"
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", path, "./testdata/probe")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func TestShield(t *testing.T) {
	switch runtime.GOARCH {
	case "amd64", "arm64", "386":
	default:
		t.Skip("no shield for " + runtime.GOARCH)
	}
	path := build(t, "-E goqmail_shield")
	tests := []struct {
		name             string
		env              []string
		args             []string
		wantOut, wantErr string
	}{
		{"no environment", []string{}, nil, "args [] env [] active true stdin closed false\n", "for the caller\n"},
		{
			"run-time's variables", []string{"GOMAXPROCS=1000000", "GOMEMLIMIT=1", "GOGC=1", "GODEBUG=gctrace=1,inittrace=1", "GOTRACEBACK=crash", "A=b"},
			[]string{"x", ""}, "args [\"x\" \"\"] env [\"GOMAXPROCS=1\"] active true stdin closed false\n", "for the caller\n",
		},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		cmd := exec.Command(path, tt.args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = tt.env, &out, &errs
		_ = cmd.Run() // it panics
		if out.String() != tt.wantOut || errs.String() != tt.wantErr {
			t.Errorf("%s: output %q, on descriptor 2 %q, want %q, %q", tt.name, out.String(), errs.String(), tt.wantOut, tt.wantErr)
		}
	}
	for redirect, want := range map[string]string{"<&-": "true", "<>/dev/null": "false", "</dev/null": "false"} {
		out, _ := exec.Command("/bin/sh", "-c", path+" "+redirect).Output() // it panics
		if !bytes.HasSuffix(out, []byte(" active true stdin closed "+want+"\n")) {
			t.Errorf("started with %s: output %q, want closed %s", redirect, out, want)
		}
	}
}

// Whoever forgets the linker flag gets a program that works without a shield.
func TestWithout(t *testing.T) {
	if Active() || Stderr() != 2 {
		t.Errorf("Active() = %v, Stderr() = %d in a program without it", Active(), Stderr())
	}
}
