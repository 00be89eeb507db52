package testkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

// sendmailLinks are the names of World.Sendmail, and what they lead to.
var sendmailLinks = [...]struct{ name, target string }{
	{"/usr/sbin/sendmail", "/var/qmail/bin/sendmail"},
	{"/usr/lib/sendmail", "/var/qmail/bin/sendmail"},
	{"/usr/bin/mailq", "/var/qmail/bin/sendmail"},
	{"/usr/bin/newaliases", "/var/qmail/bin/newaliases"},
}

// linksTop is where these links are made.
const linksTop = "/mnt/.links"

// makeLinks makes the links below linksTop.
func makeLinks() error {
	for _, l := range sendmailLinks {
		dir := linksTop + filepath.Dir(l.name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Symlink(l.target, linksTop+l.name); err != nil {
			return err
		}
	}
	return nil
}

// showPeers lays the peers' directories over the machine's, and above them the
// sendmail links.
func (w *World) showPeers(k *kept) error {
	if w.Sendmail {
		if err := makeLinks(); err != nil {
			return err
		}
	}
	for _, d := range peerDirs {
		var layers []string // without an upper one they can only be read
		if _, err := os.Stat(linksTop + d); err == nil {
			layers = append(layers, linksTop+d)
		}
		over := Peers() + d
		if _, ok := k.fds[over]; ok {
			layers = append(layers, k.path(over))
		}
		if len(layers) == 0 {
			continue
		}
		if err := unix.Mount("overlay", d, "overlay", 0, "lowerdir="+strings.Join(append(layers, d), ":")); err != nil {
			return fmt.Errorf("mount an overlay of %s on %s: %w", strings.Join(layers, " and "), d, err)
		}
	}
	return nil
}
