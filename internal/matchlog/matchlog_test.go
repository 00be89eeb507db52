package matchlog

import (
	"bytes"
	"testing"
)

// The first line of each kind was written by the classic matchup
// (spec/logs.md section 4).
var deliveries = []string{
	"d k 1795201397.030000 1795201397.040000 1795201397.100000 260 <s@mx.example.test> local.f6joe@mx.example.test 6121 0 did_1+0+0/",
	"d z 5 5 6 0 ? remote.a@b ? ? report_mangled",
	"d d 5.5 6.000000001 7 1 <> local. 1 2 ",
}

var messages = []string{
	"m 1795201397.030000 1795201397.120000 260 1 0 0 <s@mx.example.test> 6121 0",
	"m 1 2 166 0 3 18446744073709551615 <> 1 2",
}

var extras = []string{"extra 5 1 2 3", "extra 18446744073709551615 0 0 0"}

var bad = []string{
	"", "d", "m", "x 1 2", "? d k", "d k 1 2 3 4 <> a b",
	"d x 1 2 3 4 <> local.a 1 2 r", "d kk 1 2 3 4 <> local.a 1 2 r", "dk 1 2 3 4 <> local.a 1 2 r",
	"d k x 2 3 4 <> local.a 1 2 r", "d k 1 x 3 4 <> local.a 1 2 r", "d k 1 2 x 4 <> local.a 1 2 r", "d k 1 2 3 x <> local.a 1 2 r",
	"m x 2 3 4 5 6 <> 1 2", "m 1 x 3 4 5 6 <> 1 2", "m 1 2 x 4 5 6 <> 1 2", "m 1 2 3 x 5 6 <> 1 2",
	"m 1 2 3 4 x 6 <> 1 2", "m 1 2 3 4 5 x <> 1 2", "m 1 2 3 4 5 6 <> 1", "mm 1 2 3 4 5 6 <> 1 2",
	"extra 1 2 3", "extra x 1 2 3", "extra 1 x 2 3", "extra 1 2 x 3", "extra 1 2 3 x",
}

// back reads a line of any kind and writes it again.
func back(line []byte) (out []byte, ok bool) {
	if d, ok := ParseDelivery(line); ok {
		return d.Append(nil), true
	}
	if m, ok := ParseMessage(line); ok {
		return m.Append(nil), true
	}
	e, ok := ParseExtra(line)
	return e.Append(nil), ok
}

func TestLines(t *testing.T) {
	for _, list := range [][]string{deliveries, messages, extras} {
		for _, line := range list {
			if got, ok := back([]byte(line)); !ok || string(got) != line+"\n" {
				t.Errorf("%q became %q, %v", line, got, ok)
			}
		}
	}
	for _, line := range bad {
		if got, ok := back([]byte(line)); ok {
			t.Errorf("%q was taken for %q", line, got)
		}
	}
}

// TestFields: which number is which.
func TestFields(t *testing.T) {
	m, _ := ParseMessage([]byte("m 1 2 3 4 5 6 <a> 7 8"))
	if m.Success != 4 || m.Failure != 5 || m.Deferral != 6 || m.Bytes != 3 {
		t.Errorf("%+v", m)
	}
	e, _ := ParseExtra([]byte("extra 9 4 6 5"))
	if e.Counts != m.Counts || e.ID != 9 {
		t.Errorf("%+v, want %+v", e, m.Counts)
	}
	d, _ := ParseDelivery([]byte("d\tz  @400000006b00997f01c9c380 2 3 4 <a> local.b 7 8 r more"))
	if d.Result != Deferral || d.Birth.String() != "1795201397.030000000" || d.Start.Sec != 2 || d.Done.Sec != 3 || d.Bytes != 4 ||
		string(d.Sender) != "<a>" || string(d.Recipient) != "local.b" || string(d.QP) != "7" || string(d.UID) != "8" || string(d.Reason) != "r" {
		t.Errorf("%+v", d)
	}
	var c Counts
	for _, r := range []Result{Success, Failure, Failure, Deferral, Deferral, Deferral, 'x'} {
		c.Add(r)
	}
	if c != (Counts{1, 2, 3}) {
		t.Errorf("%+v", c)
	}
}

// What is written for a line is read as the same.
func FuzzLines(f *testing.F) {
	for _, list := range [][]string{deliveries, messages, extras, bad} {
		for _, line := range list {
			f.Add([]byte(line))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		once, ok := back(line)
		if !ok {
			return
		}
		twice, ok := back(bytes.TrimSuffix(once, []byte("\n")))
		if !ok || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, then %q, %v", line, once, twice, ok)
		}
	})
}
