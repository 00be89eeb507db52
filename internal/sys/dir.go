package sys

import (
	"bytes"
	"encoding/binary"
	"io"
	"sort"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Flags for Open, as open(2) has them.
const (
	ReadOnly  = unix.O_RDONLY
	WriteOnly = unix.O_WRONLY
	ReadWrite = unix.O_RDWR
	Create    = unix.O_CREAT
	Exclusive = unix.O_EXCL
	Append    = unix.O_APPEND
	Truncate  = unix.O_TRUNC
	NonBlock  = unix.O_NONBLOCK
	NoFollow  = unix.O_NOFOLLOW
)

// An Info describes a file. Times are whole Unix seconds.
type Info struct {
	Mode                uint32 // type and permission bits, as stat(2)
	UID, GID            uint32
	Size                int64
	Dev, Ino, Nlink     uint64
	Atime, Mtime, Ctime int64
	MtimeNano           int64 // the nanoseconds of Mtime
	CtimeNano           int64 // and of Ctime
}

func info(st *unix.Stat_t) Info {
	return Info{
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Size: st.Size,
		Dev: uint64(st.Dev), Ino: st.Ino, Nlink: uint64(st.Nlink),
		Atime: int64(st.Atim.Sec), Mtime: int64(st.Mtim.Sec), Ctime: int64(st.Ctim.Sec),
		MtimeNano: int64(st.Mtim.Nsec), CtimeNano: int64(st.Ctim.Nsec),
	}
}

// A Version tells whether a file is still the one that it was, with the same
// content: two are equal only then.
type Version struct {
	Dev, Ino         uint64
	Size             int64
	Mtime, MtimeNano int64
	Ctime, CtimeNano int64
}

// Version is the version of the file that was looked at.
func (i Info) Version() Version {
	return Version{i.Dev, i.Ino, i.Size, i.Mtime, i.MtimeNano, i.Ctime, i.CtimeNano}
}

// IsRegular tells whether the file is a regular file.
func (i Info) IsRegular() bool { return i.Mode&unix.S_IFMT == unix.S_IFREG }

// IsDir tells whether the file is a directory.
func (i Info) IsDir() bool { return i.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsFIFO tells whether the file is a named pipe.
func (i Info) IsFIFO() bool { return i.Mode&unix.S_IFMT == unix.S_IFIFO }

// IsSymlink tells whether the file is a symbolic link (from Lstat).
func (i Info) IsSymlink() bool { return i.Mode&unix.S_IFMT == unix.S_IFLNK }

// Perm is the twelve permission bits.
func (i Info) Perm() uint32 { return i.Mode & 0o7777 }

// A Dir is an open directory; names given to its methods are looked up below
// it (an absolute name or one with .. is not kept inside).
type Dir struct{ fd int }

// Cwd stands for the current directory.
func Cwd() *Dir { return &Dir{unix.AT_FDCWD} }

// OpenDir opens the directory at path, close-on-exec.
func OpenDir(path string) (*Dir, error) { return Cwd().OpenDir(path) }

// OpenDir opens a directory below d.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	fd, err := d.Open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{int(fd)}, nil
}

// Close closes the directory. It does nothing on Cwd().
func (d *Dir) Close() error {
	if d.fd == unix.AT_FDCWD {
		return nil
	}
	return FD(d.fd).Close()
}

// FD is the directory's own descriptor.
func (d *Dir) FD() FD { return FD(d.fd) }

// Open opens a file, close-on-exec. mode counts only with Create, under the
// process's umask.
func (d *Dir) Open(name string, flags int, mode uint32) (FD, error) {
	for {
		fd, err := openat(d.fd, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return FD(fd), fail("open", name, err)
		}
	}
}

// CreateUnnamed makes a new file for writing that has no name yet, on the file
// system of a directory below d in which the caller may make files
// (O_TMPFILE). Until LinkOpen names it nobody else finds it, and it goes when it
// is closed. Not every file system and kernel has such files, and the error
// number does not say reliably that it is that: what to do without them is to be
// tried whatever the error.
func (d *Dir) CreateUnnamed(dir string, mode uint32) (FD, error) {
	return d.Open(dir, unix.O_WRONLY|unix.O_TMPFILE, mode)
}

// LinkOpen makes name, below d, a name of an open file, one of CreateUnnamed
// among them. The file is named to the kernel by its descriptor, which Linux
// before 6.10 lets only the powerful do, and otherwise by /proc; so ENOENT is
// also the error where neither works.
func (d *Dir) LinkOpen(fd FD, name string) error {
	err := linkat(int(fd), "", d.fd, name, unix.AT_EMPTY_PATH)
	if err == unix.ENOENT || err == unix.EINVAL {
		err = linkat(unix.AT_FDCWD, fd.ProcPath(), d.fd, name, unix.AT_SYMLINK_FOLLOW)
	}
	return fail("link", name, err)
}

// Link makes new another name of old.
func (d *Dir) Link(old, new string) error {
	return fail("link", new, linkat(d.fd, old, d.fd, new, 0))
}

// Symlink makes name a symbolic link with the text target.
func (d *Dir) Symlink(target, name string) error {
	return fail("symlink", name, unix.Symlinkat(target, d.fd, name))
}

// Readlink reads the text of a symbolic link.
func (d *Dir) Readlink(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(d.fd, name, buf)
	if err != nil {
		return "", fail("readlink", name, err)
	}
	return string(buf[:n]), nil
}

// Unlink removes a file's name.
func (d *Dir) Unlink(name string) error { return fail("unlink", name, unlinkat(d.fd, name, 0)) }

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) error {
	return fail("rmdir", name, unlinkat(d.fd, name, unix.AT_REMOVEDIR))
}

// Rename gives old the name new, replacing what had it.
func (d *Dir) Rename(old, new string) error {
	return fail("rename", new, unix.Renameat(d.fd, old, d.fd, new))
}

// Mkdir makes a directory, mode under the umask.
func (d *Dir) Mkdir(name string, mode uint32) error {
	return fail("mkdir", name, unix.Mkdirat(d.fd, name, mode))
}

// Mkfifo makes a named pipe, mode under the umask.
func (d *Dir) Mkfifo(name string, mode uint32) error {
	return fail("mkfifo", name, unix.Mknodat(d.fd, name, mode|unix.S_IFIFO, 0))
}

// Stat describes a file, following links.
func (d *Dir) Stat(name string) (Info, error) { return d.stat(name, 0) }

// Lstat describes a file itself, links included.
func (d *Dir) Lstat(name string) (Info, error) { return d.stat(name, unix.AT_SYMLINK_NOFOLLOW) }

func (d *Dir) stat(name string, flags int) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, flags); err != nil {
		return Info{}, fail("stat", name, err)
	}
	return info(&st), nil
}

// Chmod sets a file's mode bits, following links.
func (d *Dir) Chmod(name string, mode uint32) error {
	return fail("chmod", name, unix.Fchmodat(d.fd, name, mode, 0))
}

// Chown sets owner and group of a file itself, not of what a link names.
func (d *Dir) Chown(name string, uid, gid int) error {
	return fail("chown", name, unix.Fchownat(d.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
}

// Chtimes sets atime and mtime to whole seconds.
func (d *Dir) Chtimes(name string, atime, mtime int64) error {
	var ts [2]unix.Timespec
	for i, t := range [...]int64{atime, mtime} {
		var err error
		if ts[i], err = unix.TimeToTimespec(time.Unix(t, 0)); err != nil {
			return fail("utime", name, err) // ERANGE where such times have 32 bits
		}
	}
	return fail("utime", name, unix.UtimesNanoAt(d.fd, name, ts[:], 0))
}

// SyncDir flushes a directory below d (or d itself, ".") to disk: names made
// and removed in it so far survive a loss of power.
func (d *Dir) SyncDir(name string) error {
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	err = sub.FD().Sync()
	_ = sub.Close() // nothing was written through it
	if err != nil {
		return fail("fsync", name, err)
	}
	return nil
}

// SyncAll flushes the file system that the directory is on: everything that was
// written to it before, by anybody. An error of any write since d was opened, or
// since the last SyncAll, is reported once (Linux 5.8). It does not work on a
// directory that was opened for looking names up only.
func (d *Dir) SyncAll() error { return fail("syncfs", "", unix.Syncfs(d.fd)) }

// Names lists a directory below d (or d itself, "."), without . and .., sorted
// as bytes. It reads the whole directory.
func (d *Dir) Names(name string) ([]string, error) {
	var out []string
	err := d.EachName(name, func(n string) bool { out = append(out, n); return true })
	sort.Strings(out)
	return out, err
}

// EachName calls f with every name of a directory below d, without . and ..,
// in the order the file system gives, until f returns false.
func (d *Dir) EachName(name string, f func(name string) bool) error {
	return d.EachNameBytes(name, func(n []byte) bool { return f(string(n)) })
}

// namesSize is how many bytes of a directory are read at once.
const namesSize = 32 << 10

// A Names reads directories again and again in the same memory. The zero Names is
// ready for use, by one goroutine at a time.
type Names struct{ buf []byte }

// Directory entries as getdents64(2) gives them, on every machine.
const (
	direntLength = 16 // offset of the entry's length, two bytes
	direntName   = 19 // offset of the name, which ends at a NUL
)

// EachNameBytes is EachName without memory for each name: f may keep none of
// them.
func (d *Dir) EachNameBytes(name string, f func(name []byte) bool) error {
	var n Names
	return n.Each(d, name, f)
}

// Each is Dir.EachNameBytes.
func (n *Names) Each(d *Dir, name string, f func(name []byte) bool) error {
	if n.buf == nil {
		n.buf = make([]byte, namesSize)
	}
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // read only
	buf := n.buf
	for {
		n, err := unix.ReadDirent(sub.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fail("readdir", name, err)
		}
		if n <= 0 {
			return nil
		}
		for b := buf[:n]; len(b) > direntName; {
			size := int(binary.NativeEndian.Uint16(b[direntLength:]))
			if size <= direntName || size > len(b) {
				break // the kernel does not make such
			}
			entry := b[direntName:size]
			b = b[size:]
			if i := bytes.IndexByte(entry, 0); i >= 0 {
				entry = entry[:i]
			}
			if s := string(entry); s != "." && s != ".." && !f(entry) {
				return nil
			}
		}
	}
}

// ReadFile reads a file of at most max bytes (EFBIG beyond it). A FIFO or device
// that has nothing to read at once is an error (EAGAIN), and one that nobody writes
// to is empty: it does not wait.
func (d *Dir) ReadFile(name string, max int) ([]byte, error) {
	fd, err := d.Open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = fd.Close() }() // read only
	b, err := fd.readAll(max, fd.readOnce)
	if err != nil {
		return nil, fail("read", name, err)
	}
	return b, nil
}

// ReadAll reads the rest of the descriptor, at most max bytes (EFBIG beyond it).
func (fd FD) ReadAll(max int) ([]byte, error) { return fd.readAll(max, fd.Read) }

// readAll is ReadAll by a way of reading.
func (fd FD) readAll(max int, read func([]byte) (int, error)) ([]byte, error) {
	size := 512
	if st, err := fd.Stat(); err == nil && st.IsRegular() && st.Size < int64(max) {
		size = int(st.Size) + 1
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := read(b[len(b):min(cap(b), len(b)+1<<20)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) > max {
			return nil, fail("read", "", unix.EFBIG)
		}
	}
}

// WriteFileDurable makes name hold data with the given mode, whatever happens:
// readers and a loss of power see the old file or the new one.
//
//	name.tmp written and fsynced   a crash leaves the old file and name.tmp
//	renamed to name                a crash leaves either
//	directory fsynced              the new file stays
//
// tmp is the temporary name; it must be in the same directory as name.
func (d *Dir) WriteFileDurable(name, tmp string, data []byte, mode uint32) error {
	fd, err := d.Open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = fd.Write(data)
	if err == nil {
		err = fd.Chmod(mode)
	}
	if err == nil {
		err = fd.Sync()
	}
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.Rename(tmp, name)
	}
	if err != nil {
		_ = d.Unlink(tmp) // best effort: the error above is what counts
		return fail("write", name, err)
	}
	return d.SyncDir(parent(name))
}

// parent is the directory part of name, "." if there is none.
func parent(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			if i == 0 {
				return "/"
			}
			return name[:i]
		}
	}
	return "."
}

// ProcPath names the file behind an open descriptor for programs that need a
// path.
func (fd FD) ProcPath() string { return "/proc/self/fd/" + strconv.Itoa(int(fd)) }
