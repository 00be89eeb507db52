package pipe

import (
	"reflect"
	"strings"
	"testing"
)

func TestWorkerName(t *testing.T) {
	if got := WorkerName("bin/qmail-local", 3); got != "bin/qmail-local worker=3" {
		t.Errorf("WorkerName = %q", got)
	}
	tests := []struct {
		in, program string
		fd          int
		ok          bool
	}{
		{"bin/qmail-local worker=3", "bin/qmail-local", 3, true},
		{"a worker=4 worker=17", "a worker=4", 17, true},
		{"bin/qmail-local", "bin/qmail-local", 0, false},
		{"x worker=", "x worker=", 0, false},
		{"x worker=2", "x worker=2", 0, false},
		{"x worker=03", "x worker=03", 0, false},
		{"x worker=+3", "x worker=+3", 0, false},
		{"x worker=3 ", "x worker=3 ", 0, false},
		{"x worker=99999999999999999999", "x worker=99999999999999999999", 0, false},
		{"", "", 0, false},
	}
	for _, tt := range tests {
		if program, fd, ok := ParseWorkerName(tt.in); program != tt.program || fd != tt.fd || ok != tt.ok {
			t.Errorf("ParseWorkerName(%q) = %q, %d, %v", tt.in, program, fd, ok)
		}
	}
}

func TestJob(t *testing.T) {
	packet, ok := Job{Number: 0x01020304, Args: []string{"a", "", "b c"}}.Append(nil)
	if want := "\x01\x02\x03\x04a\x00\x00b c\x00"; !ok || string(packet) != want {
		t.Errorf("Append = %q, %v; want %q", packet, ok, want)
	}
	for _, args := range [][]string{{"a\x00b"}, {strings.Repeat("x", JobMax)}} {
		if packet, ok := (Job{Args: args}).Append(nil); ok || packet != nil {
			t.Errorf("Append of a job that does not fit: %d bytes, %v", len(packet), ok)
		}
	}
	for _, bad := range []string{"", "abc", "abcdx", "abcdx\x00y", strings.Repeat("\x00", JobMax+1)} {
		if _, err := ParseJob([]byte(bad)); err != ErrFormat {
			t.Errorf("ParseJob(%.10q) = %v, want ErrFormat", bad, err)
		}
	}
}

func TestJobAnswer(t *testing.T) {
	packet := JobAnswer{Number: 5, Code: 111, Retire: true, Text: "t\x00u"}.Append(nil)
	if want := "\x00\x00\x00\x05o\x01t\x00u"; string(packet) != want {
		t.Errorf("Append = %q, want %q", packet, want)
	}
	if n := len(JobAnswer{Text: strings.Repeat("x", 2*AnswerMax)}.Append(nil)); n != AnswerMax {
		t.Errorf("a long answer has %d bytes", n)
	}
	for _, bad := range []string{"", "abcde", "abcde\x02", strings.Repeat("\x00", AnswerMax+1)} {
		if _, err := ParseJobAnswer([]byte(bad)); err != ErrFormat {
			t.Errorf("ParseJobAnswer(%.10q) = %v, want ErrFormat", bad, err)
		}
	}
}

func FuzzJob(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x01\x6f\x01text"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if j, err := ParseJob(in); err == nil {
			if out, ok := j.Append(nil); !ok || string(out) != string(in) {
				t.Errorf("job %q encodes to %q", in, out)
			}
		}
		if a, err := ParseJobAnswer(in); err == nil {
			out := a.Append(nil)
			again, err := ParseJobAnswer(out)
			if string(out) != string(in) || err != nil || !reflect.DeepEqual(a, again) {
				t.Errorf("answer %q encodes to %q", in, out)
			}
		}
	})
}
