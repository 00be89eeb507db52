package mailtools

import (
	"bytes"
	"strings"
	"testing"

	"goqmail/internal/address"
	"goqmail/internal/testkit"
)

// noticeField begins the header field that asks for a receipt.
const noticeField = "Notice-Requested-Upon-Delivery-To: "

func TestQreceipt(t *testing.T) {
	const head = "From: DELIVERY NOTICE SYSTEM <s@x>\nTo: <s@x>\nSubject: success notice\n\n" +
		"Hi! This is the qreceipt program. Your message was delivered to the\nfollowing address: me@h. Thanks for asking.\n"
	wrong := func(field string) result {
		return result{100, "", "qreceipt: fatal: unable to parse this: " + field}
	}
	tests := []struct {
		name string
		in   string
		want result
		text string // of the receipt
	}{
		{"asked", noticeField + "me@h\n\nbody\n", result{}, head},
		{"not asked", "Subject: x\n\n" + noticeField + "me@h\n", result{}, ""},
		{"no header", "", result{}, ""},
		{"end of the message", noticeField + "me@h", result{}, head},
		{"no header field", noticeField + "me@h\nno field\n", result{}, head},
		{"any case of the name", "NOTICE-requested-upon-delivery-to \t: me@h\nmessage-ID:x\n\ty\n\n", result{}, head + "Your message-ID:x\n\ty\n"},
		{"the last Message-ID", "Message-ID: <1>\n" + noticeField + "me@h\nMessage-ID: <2>\nTo: x\n", result{}, head + "Your Message-ID: <2>\n"},
		{"another case of the address", noticeField + "Me@h\n", result{}, ""},
		{"a part", noticeField + "me@h.x, xme@h, me\n", result{}, ""},
		{"second of a folded list", noticeField + "a@b,\n me@h\n", result{}, head},
		{"second field", noticeField + "a@b\n" + noticeField + "Me <\"m\\e\" @ h (x)>\n", result{}, head},
		{"group", noticeField + "g: a, me@h;\n", result{}, head},
		{"no addresses", noticeField + "<>, g:;\n", result{}, ""},
		{"no list", noticeField + "@r:me@h\n\n", wrong(noticeField + "@r:me@h\n"), ""},
		{"no tokens", noticeField + "me@h\n" + noticeField + "(me\n @h", wrong(noticeField + "(me\n @h\n"), ""},
		{"wrong field", noticeField + "me@h >\nTo: x\n", wrong(noticeField + "me@h >\n"), ""},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		record(t, h, "0")
		got := call(t, Qreceipt, h.Dir, tt.in, []string{"SENDER=s@x", "PATH=/bin:/usr/bin"}, "qreceipt", "me@h", "ignored")
		if got != tt.want {
			t.Errorf("%s = %+v, want %+v", tt.name, got, tt.want)
		}
		text, queued := h.Read("got/0")
		if text != tt.text || queued != (tt.text != "") {
			t.Errorf("%s: receipt %q, want %q", tt.name, text, tt.text)
		}
		if env, _ := h.Read("got/1"); queued && env != "F\x00Ts@x\x00\x00" {
			t.Errorf("%s: envelope %q", tt.name, env)
		}
	}
}

func TestQreceiptSender(t *testing.T) {
	usage := result{100, "", "qreceipt: usage: qreceipt deliveryaddress\n"}
	tests := []struct {
		env    []string
		argv   []string
		status string
		want   result
		to     string // second line of the receipt
	}{
		{[]string{"SENDER=a b@c"}, []string{"me@h"}, "0", result{}, "To: <\"a b\"@c>"},
		{[]string{"SENDER=s"}, []string{"me@h"}, "0", result{}, "To: <s>"},
		{[]string{"SENDER="}, []string{"me@h"}, "0", result{}, ""},
		{[]string{"SENDER=#@[]"}, []string{"me@h"}, "0", result{}, ""},
		{[]string{"SENDER=s"}, nil, "0", usage, ""},
		{[]string{"NEWSENDER=s"}, []string{"me@h"}, "0", usage, ""},
		{[]string{"SENDER=s"}, []string{"me@h"}, "31", result{100, "", "qreceipt: fatal: permanent qmail-queue error\n"}, "To: <s>"},
		{[]string{"SENDER=s"}, []string{"me@h"}, "53", result{111, "", "qreceipt: fatal: temporary qmail-queue error\n"}, "To: <s>"},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		record(t, h, tt.status)
		got := call(t, Qreceipt, h.Dir, noticeField+"me@h\n", append(tt.env, "PATH=/bin:/usr/bin"), append([]string{"qreceipt"}, tt.argv...)...)
		if got != tt.want {
			t.Errorf("%q, %q = %+v, want %+v", tt.env, tt.argv, got, tt.want)
		}
		text, _ := h.Read("got/0")
		if _, text, _ = strings.Cut(text, "\n"); !strings.HasPrefix(text, tt.to) || (text == "") != (tt.to == "") {
			t.Errorf("%q: receipt %q, want %q in it", tt.env, text, tt.to)
		}
	}
}

func TestQreceiptUnreadable(t *testing.T) {
	got := call(t, ofDirectory(t, Qreceipt), "", "", []string{"SENDER=s"}, "qreceipt", "me@h")
	if want := (result{111, "", "qreceipt: fatal: read error\n"}); got != want {
		t.Errorf("qreceipt of a directory = %+v, want %+v", got, want)
	}
}

// Whatever the local part is, a field with it in quotes asks for it.
func FuzzQreceiptRequest(f *testing.F) {
	for _, local := range []string{"me", "", "a b", `"`, `a\b`, "(x", "\r", "m\xe9", "a\x00b", "a\n b"} {
		f.Add(local)
	}
	f.Fuzz(func(t *testing.T, local string) {
		if strings.Contains(local, "\n") {
			return // would need a header of two lines
		}
		field := append(address.AppendQuoted([]byte(noticeField), local), "@h\n"...)
		r := request{address: local + "@h"}
		if err := eachField(bytes.NewReader(field), r.field); err != nil || !r.wanted {
			t.Errorf("%q asks for %q: %v, %v, want true", field, r.address, r.wanted, err)
		}
	})
}
