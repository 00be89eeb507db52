//go:build e2e

package crash

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/testkit"
)

// A kind is a file system that can be tested.
type kind struct {
	name string
	mkfs []string // the path of the image is added
	env  string
	mib  int64  // size of an image
	copy string // mount options for a copy beside the original

	// unordered says that after a loss of power changes of different
	// directories may be there in another order than they were made, unless one
	// was flushed before the next was made.
	unordered bool
}

// kinds are the file systems that queues are on. Their sizes are the smallest
// with which mkfs makes a usual one.
var kinds = []kind{
	{"ext4", []string{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"}, "", 48, "", false},
	// mkfs.xfs refuses less than 300 MiB but for tests of its own
	{"xfs", []string{"mkfs.xfs", "-q", "-f"}, "TEST_DIR=x TEST_DEV=x QA_CHECK_FS=x", 64, "nouuid", false},
	{"btrfs", []string{"mkfs.btrfs", "-q", "-f", "-m", "single"}, "", 128, "", true},
}

// needDisk returns a need of onBed: loop devices, the outer file system, and the
// kind.
func needDisk(k kind) func() string {
	return func() string {
		fd, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			var n uint
			n, err = freeLoop(fd)
			_ = unix.Close(fd) // nothing was written
			if err == nil {
				_, err = os.Stat("/sys/block/loop" + strconv.Itoa(int(n)))
			}
		}
		if err != nil {
			return "a free loop device (" + err.Error() + ")"
		}
		for _, k := range []kind{kinds[0], k} {
			known, err := os.ReadFile("/proc/filesystems")
			if err != nil || !strings.Contains(string(known), "\t"+k.name+"\n") {
				return k.name + " in the kernel"
			}
			if _, err := exec.LookPath(k.mkfs[0]); err != nil {
				return k.mkfs[0]
			}
		}
		return ""
	}
}

// freeLoop asks for a loop device that nobody uses.
func freeLoop(control int) (uint, error) {
	n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(control), unix.LOOP_CTL_GET_FREE, 0)
	if e != 0 {
		return 0, e
	}
	return uint(n), nil
}

// loopMajor is the device number of loop devices, loopControl that of their
// control.
const loopMajor = 7

var loopControl = int(unix.Mkdev(10, 237))

// attach makes a block device of a file and returns its path. It goes when
// nothing has it mounted.
func attach(file string, direct bool) (dev string, release func(), err error) {
	const node = "/dev/loop-control"
	if _, err := os.Stat(node); err != nil {
		if err := unix.Mknod(node, unix.S_IFCHR|0o600, loopControl); err != nil {
			return "", nil, fmt.Errorf("mknod %s: %w", node, err)
		}
	}
	control, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = unix.Close(control) }() // nothing was written
	fd, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = unix.Close(fd) }() // the device has it
	for range 50 {
		n, err := freeLoop(control)
		if err != nil {
			return "", nil, err
		}
		dev = "/dev/loop" + strconv.Itoa(int(n))
		if err := unix.Mknod(dev, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, uint32(n)))); err != nil && !errors.Is(err, unix.EEXIST) {
			return "", nil, err
		}
		block, err := unix.Open(dev, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", nil, err
		}
		conf := unix.LoopConfig{Fd: uint32(fd)}
		conf.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		if direct {
			conf.Info.Flags |= unix.LO_FLAGS_DIRECT_IO
		}
		err = unix.IoctlLoopConfigure(block, &conf)
		if err == nil {
			return dev, func() { _ = unix.Close(block) }, nil // the mount has it
		}
		_ = unix.Close(block) // another process was faster, or it cannot
		if !errors.Is(err, unix.EBUSY) {
			return "", nil, fmt.Errorf("%s: %w", dev, err)
		}
	}
	return "", nil, fmt.Errorf("no loop device stays free")
}

// mount shows the file system in an image at dir.
func (b *bed) mount(image, dir, fstype, options string, direct bool) {
	b.Helper()
	dev, release, err := attach(image, direct)
	b.must(err)
	defer release()
	if direct {
		dio, err := os.ReadFile("/sys/block/" + filepath.Base(dev) + "/loop/dio")
		if err != nil || strings.TrimSpace(string(dio)) != "1" {
			b.Fatalf("%s has no direct I/O: a copy would not be what is on the disk", dev)
		}
	}
	b.must(os.MkdirAll(dir, 0o755))
	if err := unix.Mount(dev, dir, fstype, 0, options); err != nil {
		b.Fatalf("mount %s (%s) at %s: %v", image, fstype, dir, err)
	}
}

// unmount waits for those who still use it.
func (b *bed) unmount(dir string) {
	b.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Unmount(dir, 0)
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			b.Fatalf("unmount %s: %v", dir, err)
		}
	}
}

// outerDir is where the file system is that holds the disks.
const outerDir = "/mnt/outer"

// makeOuter makes the file system that holds the disks and nothing else.
func (b *bed) makeOuter(mib int64) {
	b.Helper()
	const image = "/mnt/outer.img"
	b.sparse(image, mib)
	b.mkfs(kind{mkfs: []string{"mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0"}}, image)
	b.mount(image, outerDir, "ext4", "", false)
}

// makeDisk makes a disk with a file system of the kind and mounts it.
func (b *bed) makeDisk(k kind, name, dir string) {
	b.Helper()
	image := outerDir + "/" + name
	f, err := os.OpenFile(image, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	b.must(err)
	zero := make([]byte, 1<<20) // written, so that the outer file system has no more to do than move bytes
	for range k.mib {
		_, err = f.Write(zero)
		b.must(err)
	}
	b.must(f.Sync())
	b.must(f.Close())
	b.mkfs(k, image)
	b.mount(image, dir, k.name, "", true)
}

// sparse makes a file of a size.
func (b *bed) sparse(path string, mib int64) {
	b.Helper()
	b.must(os.WriteFile(path, nil, 0o600))
	b.must(os.Truncate(path, mib<<20))
}

// mkfs makes a file system in an image.
func (b *bed) mkfs(k kind, image string) {
	b.Helper()
	cmd := exec.Command(testkit.LookTool(b, k.mkfs[0]), append(k.mkfs[1:], image)...)
	cmd.Env = append(os.Environ(), strings.Fields(k.env)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// lose is the loss of power: copies of the disks, all as of one instant.
func (b *bed) lose(to string, names ...string) {
	b.Helper()
	fd, err := unix.Open(outerDir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	b.must(err)
	defer func() { _ = unix.Close(fd) }() // only frozen
	b.must(os.MkdirAll(to, 0o755))
	b.must(unix.IoctlSetInt(fd, fifreeze, 0))
	defer func() { b.must(unix.IoctlSetInt(fd, fithaw, 0)) }()
	for _, name := range names {
		b.must(copySparse(outerDir+"/"+name, to+"/"+name))
	}
}

const (
	fifreeze = 0xc0045877 // FIFREEZE of linux/fs.h
	fithaw   = 0xc0045878 // FITHAW
)

// copySparse copies a file and leaves out blocks of zeros.
func copySparse(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buf, zero := make([]byte, 64<<10), make([]byte, 64<<10)
	var at int64
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 && string(buf[:n]) != string(zero[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out.Truncate(at)
		}
		if err != nil {
			return err
		}
	}
}
