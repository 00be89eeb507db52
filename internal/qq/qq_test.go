package qq

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake makes a home whose bin/qmail-queue is the given shell script.
func fake(t *testing.T, script string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin/qmail-queue"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

func send(t *testing.T, c Config) string {
	t.Helper()
	m, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = m.Write([]byte("Subject: x\n\nbody\n"))
	m.From("s@a")
	m.To("r@b")
	m.To("q@c")
	return m.Close()
}

func TestResults(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"queued", "cat >/dev/null; cat <&1 >/dev/null; exit 0", ""},
		{"disk full", "cat >/dev/null; exit 53", "Zqq write error or disk full (#4.3.0)"},
		{"killed", "kill -9 $$", "Zqq crashed (#4.3.0)"},
		{"custom", "cat >/dev/null; cat <&1 >/dev/null; printf Dnot-here >&6; exit 82", "Dnot-here"},
		{"custom too short", "cat >/dev/null; printf D >&6; exit 82", "Zqq temporary problem (#4.3.0)"},
		{"custom cut", "cat >/dev/null; printf %0300d 0 >&6; exit 82", "Z" + strings.Repeat("0", 254)},
		{"permanent", "exit 33", "Dqq permanent problem (#5.3.0)"},
	}
	for _, tt := range tests {
		if got := send(t, Config{Home: fake(t, tt.script), Env: []string{"PATH=/bin:/usr/bin"}}); got != tt.want {
			t.Errorf("%s: Close() = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBytes(t *testing.T) {
	home := fake(t, "cat >msg; cat <&1 >env; echo $0 >name; ls /proc/self/fd >fds")
	if got := send(t, Config{Home: home, Env: []string{"PATH=/bin:/usr/bin", "GOMAXPROCS=1"}, NoStderr: true}); got != "" {
		t.Fatalf("Close() = %q", got)
	}
	for name, want := range map[string]string{
		"msg": "Subject: x\n\nbody\n", "env": "Fs@a\x00Tr@b\x00Tq@c\x00\x00", "name": "bin/qmail-queue\n", "fds": "0\n1\n2\n3\n6\n",
	} {
		if got, _ := os.ReadFile(filepath.Join(home, name)); string(got) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestTrouble(t *testing.T) {
	if got := send(t, Config{Home: "/nonexistent"}); got != "Zqq trouble in home directory (#4.3.0)" {
		t.Errorf("no home: %q", got)
	}
	if got := send(t, Config{Home: t.TempDir()}); got != "Zunable to exec qq (#4.3.0)" {
		t.Errorf("no program: %q", got)
	}
	if got := send(t, Config{Home: t.TempDir(), Env: []string{"QMAILQUEUE=/bin/true"}}); got != "" && got != "Zqq read error (#4.3.0)" {
		t.Errorf("QMAILQUEUE=/bin/true: %q", got)
	}
}

// A home that can be searched but not listed is enough, as for C.
func TestSearchable(t *testing.T) {
	home := fake(t, "cat >/dev/null; cat <&1 >/dev/null")
	if err := os.Chmod(home, 0o311); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(home, 0o755) }) // or an ordinary user cannot remove it
	if got := send(t, Config{Home: home, Env: []string{"PATH=/bin:/usr/bin"}}); got != "" {
		t.Errorf("Close() = %q", got)
	}
}

func TestFail(t *testing.T) {
	home := fake(t, "cat >/dev/null; cat <&1 >env; exit 54")
	m, err := Open(Config{Home: home, Env: []string{"PATH=/bin:/usr/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	m.Fail()
	m.From("s@a")
	m.To("r@b")
	if got := m.Close(); got != "Zqq read error (#4.3.0)" {
		t.Errorf("Close() after Fail = %q", got)
	}
	if b, _ := os.ReadFile(filepath.Join(home, "env")); len(b) != 0 {
		t.Errorf("envelope after Fail = %q", b)
	}
}
