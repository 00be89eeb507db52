package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// SourcesDir is where UseSources puts the project's sources.
const SourcesDir = "/tmp/src"

// sourceDirs are the directories that building needs, by what go env calls
// them: where they are kept in a world, and where it has its copies.
var sourceDirs = []struct{ name, kept, use string }{
	{"", "/mnt/project", SourcesDir},
	{"GOCACHE", "/mnt/gocache", "/tmp/gocache"},
	{"GOMODCACHE", "/mnt/gomod", "/tmp/gomod"},
}

// gorootVar tells a world where the machine has Go.
const gorootVar = "GOQMAIL_TESTKIT_GOROOT"

// goEnv asks the machine's go command for a variable.
func goEnv(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// AddSources adds the project, whose top directory is given, and what Go needs to
// build it to a world. It is called before InWorld, on the machine itself.
func (w *World) AddSources(t *testing.T, top string) {
	t.Helper()
	top, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(gorootVar, goEnv(t, "GOROOT"))
	for _, d := range sourceDirs {
		from := top
		if d.name != "" {
			from = goEnv(t, d.name)
		}
		w.Binds = append(w.Binds, Bind{From: from, To: d.kept})
	}
}

// UseSources makes what AddSources has added usable in the world: the sources in
// SourcesDir, which can be written without anything on the machine changing, Go in
// the PATH, and no settings of the machine's user.
func UseSources(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"GOFLAGS": "", "MAKEFLAGS": "", "MAKELEVEL": "0", "HOME": "/root",
		"PATH": os.Getenv(gorootVar) + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	} {
		t.Setenv(name, value)
	}
	for _, d := range sourceDirs {
		Overlay(t, d.kept, d.use)
		if d.name != "" {
			t.Setenv(d.name, d.use)
		}
	}
}

// Overlay mounts, in a world, a copy of a read-only directory that can be
// written. What is written is in memory.
func Overlay(t testing.TB, lower, at string) {
	t.Helper()
	layer := "/tmp/layers/" + filepath.Base(at)
	for _, d := range []string{at, layer + "/up", layer + "/work"} {
		Must(t, os.MkdirAll(d, 0o755))
	}
	err := unix.Mount("overlay", at, "overlay", 0, "lowerdir="+lower+",upperdir="+layer+"/up,workdir="+layer+"/work")
	if err != nil {
		t.Fatalf("mount an overlay of %s on %s: %v", lower, at, err)
	}
}
