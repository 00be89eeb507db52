package testkit

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// peersTree makes what scripts/fetch-peers makes, with one program in it, and
// names it in the environment.
func peersTree(t *testing.T) {
	t.Helper()
	if Inside() {
		return
	}
	top := t.TempDir()
	bin := filepath.Join(top, "usr", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	Script(t, filepath.Join(bin, "goqmail-peer"), "echo peer")
	t.Setenv(PeersVariable, top)
}

// The peers are in /usr of a world, beside the machine's own programs, and
// cannot be written to.
func TestPeers(t *testing.T) {
	peersTree(t)
	InWorld(t, World{}, func(t *testing.T) {
		if got := LookTool(t, "goqmail-peer"); got != "/usr/bin/goqmail-peer" {
			t.Errorf("LookTool(goqmail-peer) = %s, want it in /usr/bin", got)
		}
		LookTool(t, "env")
		if err := os.WriteFile("/usr/bin/goqmail-new", nil, 0o644); !errors.Is(err, syscall.EROFS) {
			t.Errorf("writing to /usr/bin: %v, want EROFS", err)
		}
	})
}

// A bare world has only what the machine has.
func TestNoPeers(t *testing.T) {
	peersTree(t)
	InWorld(t, World{Bare: true}, func(t *testing.T) {
		if _, err := os.Stat("/usr/bin/goqmail-peer"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("stat of a peer in a bare world: %v, want none", err)
		}
	})
}

// Programs find sendmail where they look for it.
func TestSendmailLinks(t *testing.T) {
	peersTree(t)
	InWorld(t, World{Sendmail: true}, func(t *testing.T) {
		LookTool(t, "goqmail-peer")
		for _, l := range sendmailLinks {
			if to, err := os.Readlink(l.name); to != l.target {
				t.Errorf("%s is a link to %q (%v)", l.name, to, err)
			}
		}
	})
}
