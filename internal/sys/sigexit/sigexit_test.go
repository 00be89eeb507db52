package sigexit

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"victim": victim}.Play()
	os.Exit(m.Run())
}

// victim asks for the exits, then does what its argument says.
func victim() int {
	debug.SetTraceback("crash")
	if Unblock() != nil || On(52, Alarm) != nil || On(81, Crash...) != nil {
		return 1
	}
	switch os.Args[1] {
	case "death":
		if Death(20*time.Millisecond) != nil {
			return 1
		}
	case "fault":
		var p *int
		fmt.Println(*p)
	case "panic":
		go panic("in a goroutine")
	case "kill":
		n, _ := strconv.Atoi(os.Args[2])
		if syscall.Kill(os.Getpid(), syscall.Signal(n)) != nil {
			return 1
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // blocks until the test gives up
	return 0
}

func TestOn(t *testing.T) {
	path := testkit.Fake(t, t.TempDir()+"/victim", "victim")
	tests := []struct {
		args string
		want int
	}{
		{"kill 14", 52}, {"death", 52},
		{"kill 4", 81}, {"kill 6", 81}, {"kill 7", 81}, {"kill 8", 81}, {"kill 11", 81}, {"kill 31", 81},
		{"fault", 81}, {"panic", 81}, // a panic with traceback "crash" ends in SIGABRT
	}
	for _, tt := range tests {
		cmd := exec.Command(path, strings.Split(tt.args, " ")...)
		hold, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Run()
		_ = hold.Close()
		if got := cmd.ProcessState.ExitCode(); got != tt.want {
			t.Errorf("%s: exit code %d, want %d (%v)", tt.args, got, tt.want, cmd.ProcessState)
		}
	}
}
