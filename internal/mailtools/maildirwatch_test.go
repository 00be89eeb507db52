package mailtools

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// looks runs maildirwatch for some looks; before each but the first between is
// called.
func looks(t *testing.T, n int, env []string, between func(), argv ...string) result {
	t.Helper()
	type stop struct{}
	return call(t, at(func(p *prog.Process) (code int) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(stop); !ok {
					panic(r)
				}
			}
		}()
		return watch(p, func(d time.Duration) {
			if d != 30*time.Second {
				t.Errorf("it waits %v", d)
			}
			if n--; n == 0 {
				panic(stop{})
			}
			between()
		})
	}), "", "", env, append([]string{"maildirwatch"}, argv...)...)
}

func TestMaildirwatch(t *testing.T) {
	b := newBox(t)
	b.put("Maildir/new/2", "Return-Path: <s@x>\nDelivered-To: joe@y\nFrom: \x1b]0;S <s@x>\nSubject: he\x1b[31mllo\n\nbody\n"+strings.Repeat("z", 300)+"\n", 10)
	b.put("Maildir/new/1", "Return-Path: <\x07\x9b>\nDelivered-To: \x1b\n\nbody\n", 20)
	b.put("Maildir/new/.x", "Subject: no\n\n", 20)
	b.put("Maildir/new/future", "Subject: no\n\n", 1000000000-1795201437)
	b.put("Maildir/cur/3", "Subject: no\n\n", 20)
	b.put("Maildir/tmp/old", "", 0)
	b.put("Maildir/new/long", "From: "+strings.Repeat("f", 5000)+"\n", 5)
	old := time.Unix(0, 0)
	err := os.Mkdir(b.path("Maildir/new/dir"), 0o700)
	if err == nil {
		err = syscall.Mkfifo(b.path("Maildir/new/fifo"), 0o600)
	}
	for _, name := range []string{"dir", "fifo"} {
		if err == nil {
			err = os.Chtimes(b.path("Maildir/new/"+name), old, old)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	const clear = "\x1b[;H\x1b[;J"
	want := "FROM <??> TO <?>\n/body/\n\n" +
		"FROM <s@x> TO <joe@y>\n\x1b[1mFrom: /]0;S <s@x>\x1b[0m\nhe/[31mllo//body/" + strings.Repeat("z", 158-len("he/[31mllo//body/")) + "\n\n" +
		"FROM ? TO <?>\n\x1b[1mFrom: " + strings.Repeat("f", 998-len("From: ")) + "\x1b[0m\n\n\n"
	got := looks(t, 1, nil, nil, b.path("Maildir"))
	if want := (result{0, clear + want, ""}); got != want {
		t.Errorf("maildirwatch = %d, %q, %q, want %q", got.Code, got.Out, got.Err, want.Out)
	}
	if _, err := os.Stat(b.path("Maildir/tmp/old")); !os.IsNotExist(err) {
		t.Errorf("what is old in tmp is still there: %v", err)
	}
	// The second look shows what there is then.
	got = looks(t, 2, []string{"MAILDIR=" + b.path("Maildir")}, func() {
		names, _ := filepath.Glob(b.path("Maildir/new/*"))
		for _, name := range names {
			_ = os.Remove(name)
		}
		b.put("Maildir/new/4", "Subject: four\n\n", 1)
	})
	if want := (result{0, clear + want + clear + "FROM ? TO <?>\nfour//\n\n", ""}); got != want {
		t.Errorf("second look: %d, %q, %q, want %q", got.Code, got.Out, got.Err, want.Out)
	}
}

func TestMaildirwatchFailures(t *testing.T) {
	b := newBox(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	half := t.TempDir()
	fatal := "maildirwatch: fatal: "
	tests := []struct {
		name string
		env  []string
		argv []string
		want result
	}{
		{"no name", nil, nil, result{111, "", fatal + "MAILDIR not set\n"}},
		{"absent", []string{"MAILDIR=/absent"}, nil, result{111, "", fatal + "unable to chdir to /absent: file does not exist\n"}},
		{"no Maildir", []string{"MAILDIR=/absent"}, []string{half}, result{111, "", fatal + "unable to scan $MAILDIR/new: file does not exist\n"}},
	}
	for _, tt := range tests {
		if got := looks(t, 1, tt.env, nil, tt.argv...); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	got := call(t, at(func(p *prog.Process) int {
		p.FDs[1] = sys.FD(full.Fd())
		return watch(p, func(time.Duration) { t.Error("it goes on without a screen") })
	}), "", "", b.env, "maildirwatch")
	if want := (result{111, "", fatal + "unable to write: out of disk space\n"}); got != want {
		t.Errorf("without a screen: %+v, want %+v", got, want)
	}
}
