package testkit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"syscall"

	"golang.org/x/sys/unix"
)

// A treeCopy makes /var/qmail of a world out of an installed tree. Programs,
// manual pages and documents are shown where they are, read-only; everything
// that a running suite changes is copied, with owners and modes.
type treeCopy struct {
	ids   idMap
	empty bool // leave out the files in control, users, alias and all messages
}

// all copies the tree src to dst, which is an empty directory.
func (c *treeCopy) all(src, dst string) error {
	names, err := readNames(src)
	if err != nil {
		return err
	}
	if err := c.meta(src, dst); err != nil {
		return err
	}
	for _, name := range names {
		a, b := src+"/"+name, dst+"/"+name
		switch name {
		case "bin", "boot", "doc", "man":
			err = c.show(a, b)
		case "control", "users", "alias":
			err = c.dir(a, b, !c.empty)
		case "queue":
			err = c.queue(a, b)
		default:
			err = c.any(a, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// show binds a directory that nobody writes to, unless its owners have other
// numbers in the world.
func (c *treeCopy) show(src, dst string) error {
	if !c.ids.same() {
		return c.dir(src, dst, true)
	}
	if err := c.meta(src, mkdir(dst)); err != nil {
		return err
	}
	if err := bind(src, dst); err != nil {
		return err
	}
	// the tree may be on a file system that ignores the setuid bit
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC}
	if err := unix.MountSetattr(unix.AT_FDCWD, dst, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mount %s without nosuid: %w", dst, err)
	}
	return nil
}

// queue copies the queue's directories and lock files, and its messages unless
// the copy is to be empty. Message numbers would no longer be inode numbers, so
// a queue with messages is refused.
func (c *treeCopy) queue(src, dst string) error {
	if err := c.dir(src, dst, false); err != nil {
		return err
	}
	subs, err := readNames(src)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := c.dir(src+"/"+sub, dst+"/"+sub, sub == "lock"); err != nil {
			return err
		}
		names, err := readNames(src + "/" + sub)
		if err != nil {
			return err
		}
		for _, name := range names {
			fi, err := os.Lstat(src + "/" + sub + "/" + name)
			switch {
			case err != nil:
				return err
			case sub == "lock":
			case fi.IsDir():
				err = c.dir(src+"/"+sub+"/"+name, dst+"/"+sub+"/"+name, false)
			case !c.empty:
				err = fmt.Errorf("%s/%s: the queue is not empty", sub, name)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// dir copies a directory, and what is in it if deep is set.
func (c *treeCopy) dir(src, dst string, deep bool) error {
	if err := c.meta(src, mkdir(dst)); err != nil || !deep {
		return err
	}
	names, err := readNames(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.any(src+"/"+name, dst+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// any copies whatever src is.
func (c *treeCopy) any(src, dst string) error {
	fi, err := os.Lstat(src)
	if err != nil {
		return err
	}
	switch fi.Mode().Type() {
	case fs.ModeDir:
		return c.dir(src, dst, true)
	case fs.ModeSymlink:
		to, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return os.Symlink(to, dst)
	case fs.ModeNamedPipe:
		if err := syscall.Mkfifo(dst, 0o600); err != nil {
			return err
		}
	case 0:
		if err := copyFile(src, dst); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s: unexpected type %v", src, fi.Mode())
	}
	return c.meta(src, dst)
}

// meta gives dst owner, group and mode of src.
func (c *treeCopy) meta(src, dst string) error {
	var st unix.Stat_t
	if err := unix.Stat(src, &st); err != nil {
		return fmt.Errorf("stat %s: %w", src, err)
	}
	uid, gid, err := c.ids.owner(int(st.Uid), int(st.Gid))
	if err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	if err := os.Lchown(dst, uid, gid); err != nil {
		return err
	}
	return unix.Chmod(dst, st.Mode&0o7777) // after chown, which clears the setuid bit
}

// mkdir makes a directory that may be there and returns its name; what uses it
// next reports a failure.
func mkdir(path string) string {
	_ = os.Mkdir(path, 0o700)
	return path
}

// readNames lists a directory in order.
func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	sort.Strings(names)
	return names, errors.Join(err, f.Close())
}

// copyFile copies the content of a regular file.
func copyFile(src, dst string) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	syscall.ForkLock.RLock()          // see writeExecutable
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(filepath.Clean(dst), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
