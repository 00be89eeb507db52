package testkit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PeersVariable names, in the environment, the directory of programs that tests
// need and that must not be installed, since they would start services:
// scripts/fetch-peers makes it. In a world that is not Bare its usr lies over
// the machine's, so that these programs are where their packages put them, and
// what the directory lacks is the machine's own.
const PeersVariable = "PEERS"

// peerDirs are the parts of usr that are looked at.
var peerDirs = []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/share"}

// Peers returns the directory that PeersVariable names, "" if there is none.
func Peers() string { return os.Getenv(PeersVariable) }

// keepPeers opens the peers' directories before they can be covered.
func (w *World) keepPeers(k *kept) error {
	top := Peers()
	if top == "" || w.Bare {
		return nil
	}
	if _, err := os.Stat(top + "/usr"); err != nil {
		return fmt.Errorf("%s=%s is not what scripts/fetch-peers makes: %w", PeersVariable, top, err)
	}
	for _, d := range peerDirs {
		fd, err := unix.Open(top+d, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", top+d, err)
		}
		k.fds[top+d] = fd
	}
	return nil
}

// showPeers lays the peers' directories over the machine's.
func (w *World) showPeers(k *kept) error {
	for _, d := range peerDirs {
		over := Peers() + d
		if _, ok := k.fds[over]; !ok {
			continue
		}
		// two layers without an upper one can only be read
		if err := unix.Mount("overlay", d, "overlay", 0, "lowerdir="+k.path(over)+":"+d); err != nil {
			return fmt.Errorf("mount an overlay of %s on %s: %w", over, d, err)
		}
	}
	return nil
}
