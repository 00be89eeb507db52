package sys

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTryRecordLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	fd, err := Cwd().Open(name, ReadWrite|Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fd.Close() }()
	if os.Getenv("RECORD_LOCK") != "" { // the other process
		other, err := Cwd().Open(os.Getenv("RECORD_LOCK"), ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.TryRecordLock(); !IsWouldBlock(err) {
			t.Errorf("another process takes the lock: %v", err)
		}
		return
	}
	for range 2 { // one's own lock is no obstacle
		if err := fd.TryRecordLock(); err != nil {
			t.Error(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTryRecordLock$")
	cmd.Env = append(os.Environ(), "RECORD_LOCK="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	ro, err := Cwd().Open(name, ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := ro.TryRecordLock(); err == nil || IsWouldBlock(err) {
		t.Errorf("lock for writing of what cannot be written: %v", err)
	}
	_ = ro.Close()
}

func TestProcessExists(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !ProcessExists(Getpid()) || !ProcessExists(1) || ProcessExists(cmd.Process.Pid) {
		t.Errorf("this process, the first, one that ended: %v, %v, %v", ProcessExists(Getpid()), ProcessExists(1), ProcessExists(cmd.Process.Pid))
	}
}
