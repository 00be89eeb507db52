package sendlog

import (
	"bytes"
	"reflect"
	"testing"

	"goqmail/internal/queue"
)

// parseTests has lines of notqmail 1.09 (spec/logs.md sections 2 and 4), of the
// first versions of qmail, and what is no line of the log.
var parseTests = []struct {
	line string
	want Line
}{
	{"new msg 10004122", Line{Kind: NewMsg, ID: 10004122}},
	{"info msg 10004122: bytes 260 from <s@mx.example.test> qp 6121 uid 0",
		Line{Kind: InfoMsg, ID: 10004122, Bytes: 260, Sender: []byte("s@mx.example.test"), QP: 6121}},
	{"info msg 7: bytes 1 from <> qp 2 uid 3 more", Line{Kind: InfoMsg, ID: 7, Bytes: 1, Sender: []byte(""), QP: 2, UID: 3}},
	{"info msg 7: bytes 1 from <a<>b\">> qp 2 uid 3", Line{Kind: InfoMsg, ID: 7, Bytes: 1, Sender: []byte("a<>b\">"), QP: 2, UID: 3}},
	{"starting delivery 1: msg 10004122 to local f6joe@mx.example.test",
		Line{Kind: StartDel, Delivery: 1, ID: 10004122, Channel: []byte("local"), Recipient: []byte("f6joe@mx.example.test")}},
	{"starting delivery 1: msg 5 to remote ", Line{Kind: StartDel, Delivery: 1, ID: 5, Channel: []byte("remote")}},
	{"status: local 1/10 remote 0/20", Line{Kind: StatusMsg}},
	{"status: exiting", Line{Kind: StatusMsg}},
	{"number of jobs 3", Line{Kind: StatusMsg}},
	{"delivery 1: success: did_1+0+0/", Line{Kind: EndDel, Delivery: 1, Result: Success, Text: []byte("did_1+0+0/")}},
	{"delivery 1: success: ", Line{Kind: EndDel, Delivery: 1, Result: Success}},
	{"delivery 2: failure: x y", Line{Kind: EndDel, Delivery: 2, Result: Failure, Text: []byte("x")}},
	{"delivery 3: deferral: z", Line{Kind: EndDel, Delivery: 3, Result: Deferral, Text: []byte("z")}},
	{"delivery 3: deferred z", Line{Kind: EndDel, Delivery: 3, Result: Deferral, Text: []byte("z")}},
	{"delivery 4: report mangled, will defer", Line{Kind: EndDel, Delivery: 4, Result: Deferral, Text: textMangled}},
	{"end msg 10004122", Line{Kind: EndMsg, ID: 10004122}},
	{"\t end  msg\t5", Line{Kind: EndMsg, ID: 5}},
	{"warning: unable to stat mess/1/24", Line{Kind: NoticeMsg}},
	{"alert: out of memory, sleeping...", Line{Kind: NoticeMsg}},
	{"running", Line{Kind: Restart}},
	{"exiting", Line{Kind: Restart}},

	{"", Line{}},
	{" \t", Line{}},
	{"bounce msg 10014465 qp 13727", Line{}},
	{"triple bounce: discarding bounce/5", Line{}},
	{"new msg", Line{}},
	{"new msg x", Line{}},
	{"new msg -1", Line{}},
	{"end msg 18446744073709551616", Line{}},
	{"info msg 7: bytes 1 from <> qp 2 uid", Line{}},
	{"info msg 7: bytes x from <> qp 2 uid 3", Line{}},
	{"info msg 7: bytes 1 from < qp 2 uid 3", Line{}},
	{"info msg 7: bytes 9223372036854775808 from <> qp 2 uid 3", Line{}},
	{"info msg 7: bytes 1 from a@b qp 2 uid 3", Line{}},
	{"starting delivery 1: msg 5 to", Line{}},
	{"starting delivery x: msg 5 to local a", Line{}},
	{"delivery 1: hmm: z", Line{}},
	{"delivery x: success: z", Line{}},
	{"delivery", Line{}},
	{"Delivery 1: success: z", Line{}},
	{"end\x00 msg 5", Line{}},
}

func TestParse(t *testing.T) {
	for _, tt := range parseTests {
		got := Parse([]byte(tt.line))
		if !equal(got, tt.want) {
			t.Errorf("Parse(%q) = %+v, want %+v", tt.line, got, tt.want)
		}
	}
}

// equal compares with nil and empty texts the same.
func equal(a, b Line) bool {
	for _, l := range []*Line{&a, &b} {
		for _, f := range []*[]byte{&l.Sender, &l.Channel, &l.Recipient, &l.Text} {
			if len(*f) == 0 {
				*f = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

// Every line that the writers make is read back.
func FuzzParse(f *testing.F) {
	for _, tt := range parseTests {
		f.Add([]byte(tt.line), uint64(1), uint64(2), uint64(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, n, m, o uint64) {
		text := Escape(string(b))
		for _, tt := range []struct {
			line []byte
			want Line
		}{
			{New(nil, queue.ID(n)), Line{Kind: NewMsg, ID: queue.ID(n)}},
			{End(nil, queue.ID(n)), Line{Kind: EndMsg, ID: queue.ID(n)}},
			{Info{queue.ID(n), int64(m >> 1), string(b), o, m}.Append(nil),
				Line{Kind: InfoMsg, ID: queue.ID(n), Bytes: int64(m >> 1), Sender: []byte(text), QP: o, UID: m}},
			{Starting(nil, n, queue.ID(m), queue.ChanRemote, string(b)),
				Line{Kind: StartDel, Delivery: n, ID: queue.ID(m), Channel: []byte("remote"), Recipient: []byte(text)}},
			{Delivery(nil, n, Failure, string(b)), Line{Kind: EndDel, Delivery: n, Result: Failure, Text: []byte(text)}},
			{Mangled(nil, n), Line{Kind: EndDel, Delivery: n, Result: Deferral, Text: textMangled}},
			{Exiting(nil), Line{Kind: StatusMsg}},
			{CannotOpen.Append(nil, "todo/1"), Line{Kind: NoticeMsg}},
			{StartMutex.Append(nil, ""), Line{Kind: NoticeMsg}},
			{Bounce(nil, queue.ID(n), int(m>>33)), Line{}},
			{Triple(nil, "bounce/1"), Line{}},
		} {
			got := Parse(bytes.TrimSuffix(tt.line, []byte("\n")))
			if !equal(got, tt.want) {
				t.Errorf("Parse(%q) = %+v, want %+v", tt.line, got, tt.want)
			}
		}
		if l := Parse(b); l.Kind == EndDel && l.Result == "" {
			t.Errorf("Parse(%q) has no result", b)
		}
	})
}
