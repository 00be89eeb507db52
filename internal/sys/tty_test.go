package sys

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsTerminal(t *testing.T) {
	null, err := Cwd().Open("/dev/null", ReadWrite|NoCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	st, err := null.Stat()
	if err != nil || !st.IsCharDevice() || null.IsTerminal() {
		t.Errorf("/dev/null: %+v, %v, a terminal: %v", st, err, null.IsTerminal())
	}
	if st, err := Cwd().Stat("."); err != nil || st.IsCharDevice() {
		t.Errorf("a directory is a character device: %+v, %v", st, err)
	}
	if FD(-1).IsTerminal() {
		t.Error("no descriptor is a terminal")
	}
	master, err := Cwd().Open("/dev/ptmx", ReadWrite|NoCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer func() { _ = master.Close() }()
	n, err := unix.IoctlGetInt(int(master), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := Cwd().Open("/dev/pts/"+strconv.Itoa(n), ReadWrite|NoCTTY|NonBlock, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tty.Close() }()
	if st, err := tty.Stat(); err != nil || !st.IsCharDevice() || !tty.IsTerminal() {
		t.Errorf("/dev/pts/%d is no terminal: %+v, %v", n, st, err)
	}
}
