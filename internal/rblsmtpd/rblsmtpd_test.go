package rblsmtpd

import (
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"goqmail/internal/dns"
	"goqmail/internal/prog"
	"goqmail/internal/testkit/progtest"
)

// A zone answers look-ups: "NAME A" or "NAME TXT", values separated by |; "soft"
// cannot tell, "panic" is a bug of ours. What is not in it does not exist.
type zone map[string]string

func (z zone) look(key string) ([]string, error) {
	switch v, ok := z[key]; {
	case !ok:
		return nil, dns.ErrNotFound
	case v == "soft":
		return nil, dns.ErrTemporary
	case v == "panic":
		panic("a bug")
	default:
		return strings.Split(v, "|"), nil
	}
}

func (z zone) TXT(name string) ([]string, error) { return z.look(name + " TXT") }

func (z zone) A(host string) (ips []netip.Addr, err error) {
	list, err := z.look(host + " A")
	for _, s := range list {
		ips = append(ips, netip.MustParseAddr(s))
	}
	return ips, err
}

var testZone = zone{
	"2.0.0.127.r TXT": "listed", "2.0.0.127.q TXT": "second", "2.0.0.127.a A": "127.0.0.2",
	"3.0.0.127.r TXT": "soft", "3.0.0.127.q TXT": "second", "3.0.0.127.a A": "soft",
	"4.0.0.127.r TXT": "one|two",
	"5.0.0.127.r TXT": "",
	"6.0.0.127.r A":   "127.0.0.4", "6.0.0.127.q A": "127.255.255.254", "6.0.0.127.w A": "192.0.2.1",
	"7.0.0.127.r TXT": "panic",
	"8.0.0.127.r TXT": "x\r\n250 ok\x00\xff\x7f\t", "9.0.0.127.r TXT": strings.Repeat("x", 150) + strings.Repeat("y", 100),
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.r TXT": "six",
}

func TestDecide(t *testing.T) {
	tests := []struct{ ip, args, want string }{ // want: the reply, "" for the program
		{"127.0.0.2", "-r r", "451 listed"},
		{"127.0.0.99", "-r r -r q", ""},
		{"127.0.0.2", "", ""},
		{"127.0.0.2", "-b -r r", "553 listed"},
		{"127.0.0.2", "-r r -b", "451 listed"},
		{"127.0.0.2", "-bB -r r", "451 listed"},
		{"127.0.0.2", "-r q -r r", "451 second"},
		{"127.0.0.2", "-a a -r r", ""},
		{"127.0.0.2", "-r r -a a", "451 listed"},
		{"127.0.0.2", "-r .r", "451 listed"},
		{"::ffff:127.0.0.2", "-r r", "451 listed"},
		{"2001:db8::1", "-r r", "451 six"},
		{"2001:db8::1%1", "-r r", "451 six"},
		{"127.0.0.4", "-r r", "451 onetwo"},
		{"127.0.0.5", "-r r", ""},
		// A list that cannot tell.
		{"127.0.0.3", "-r r", ""},
		{"127.0.0.3", "-b -r r -r q", "451 second"},
		{"127.0.0.3", "-b -r q -r r", "553 second"},
		{"127.0.0.3", "-c -r r -r q", "451 temporary RBL lookup error"},
		{"127.0.0.3", "-bc -r r", "451 temporary RBL lookup error"},
		{"127.0.0.3", "-cC -r r", ""},
		{"127.0.0.3", "-a a -r q", ""},
		{"127.0.0.3", "-cb -a a -r q", "451 second"},
		{"127.0.0.3", "-c -a a", ""},
		{"127.0.0.7", "-c -r r", "451 temporary RBL lookup error"},
		// A records.
		{"127.0.0.6", "-r r:%IP%=%IP%", "451 127.0.0.6=127.0.0.6"},
		{"127.0.0.6", "-br r:", "553 "},
		{"127.0.0.6", "-r q:x", ""},
		{"127.0.0.6", "-cr q:x", "451 temporary RBL lookup error"},
		{"127.0.0.6", "-r w:x", ""},
		{"127.0.0.6", "-a w -r r:x", ""},
		// Hostile texts.
		{"127.0.0.8", "-r r", "451 x??250 ok????"},
		{"127.0.0.9", "-r r", "451 " + strings.Repeat("x", 150) + strings.Repeat("y", 50)},
		// No address.
		{"", "-r r", ""},
		{"junk", "-c -r r", ""},
		{"127.0.0.2x", "-r r", ""},
	}
	for _, tt := range tests {
		o, bad := parseOptions(append(strings.Fields(tt.args), "prog"))
		v := o.judge(&prog.Process{}, tt.ip, func() resolver { return testZone })
		got := ""
		if v.refused {
			got = v.reply()
		}
		if bad != "" || got != tt.want {
			t.Errorf("%s %s: %q %q, want %q", tt.ip, tt.args, bad, got, tt.want)
		}
	}
}

// All lists are asked at once: each waits until the others are asked too.
type meeting struct {
	zone
	all *sync.WaitGroup
}

func (m meeting) TXT(name string) ([]string, error) {
	m.all.Done()
	m.all.Wait()
	return m.zone.TXT(name)
}

func TestAtOnce(t *testing.T) {
	var all sync.WaitGroup
	all.Add(3)
	lists := []list{{base: "nobody"}, {base: "q"}, {base: "r"}}
	v := decide(lists, netip.MustParseAddr("127.0.0.2"), func() resolver { return meeting{testZone, &all} })
	if v.text != "second" {
		t.Errorf("decided %+v, want by the second list", v)
	}
}

// $RBLSMTPD decides before any list.
func TestVariable(t *testing.T) {
	tests := []struct{ value, want string }{
		{"", ""},
		{"hello", "451 hello"},
		{"-hello", "553 hello"},
		{"-", "553 "},
		{"--x", "553 -x"},
		{"a\r\nb\xff", "451 a??b?"},
		{strings.Repeat("x", 300), "451 " + strings.Repeat("x", 200)},
	}
	for _, tt := range tests {
		o, _ := parseOptions([]string{"-b", "-r", "r", "prog"})
		p := &prog.Process{Env: prog.NewEnv([]string{"RBLSMTPD=" + tt.value})}
		v := o.judge(p, "127.0.0.2", func() resolver { t.Error("a list was asked"); return testZone })
		if v.refused != (tt.want != "") || v.refused && v.reply() != tt.want {
			t.Errorf("RBLSMTPD=%s: %+v, want %q", tt.value, v, tt.want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	o, bad := parseOptions(strings.Fields("-t5x -r a.test -cb -a b.test -Br c.test:some -C -r d.test -- prog -r x"))
	want := options{timeout: 5 * time.Second, argv: []string{"prog", "-r", "x"}, lists: []list{
		{base: "a.test"}, {base: "b.test", clears: true, never: true, closed: true},
		{base: "c.test", text: "some", byA: true, closed: true}, {base: "d.test"},
	}}
	if bad != "" || !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, %q, want %+v", o, bad, want)
	}
}

// Whole calls. Texts recorded from Debian's ucspi-tcp-ipv6 0.88-7.
func TestRun(t *testing.T) {
	const greeting, quit = "220 rblsmtpd.local\r\n", "221 rblsmtpd.local\r\n"
	const ok, no = "250 rblsmtpd.local\r\n", "451 x\r\n"
	tests := []struct {
		args, env []string
		in, out   string
		err       string
		code      int
	}{
		{nil, nil, "", "", usage + "\n", 100},
		{[]string{"-r", "r"}, nil, "", "", usage + "\n", 100},
		{[]string{"-z"}, nil, "", "", "rblsmtpd: illegal option -- z\n" + usage + "\n", 100},
		{[]string{"-R", "true"}, nil, "", "", "rblsmtpd: illegal option -- R\n" + usage + "\n", 100},
		{[]string{"-t"}, nil, "", "", "rblsmtpd: option requires an argument -- t\n" + usage + "\n", 100},
		{[]string{"no such"}, nil, "", "", "rblsmtpd: fatal: unable to run no such: file does not exist\n", 111},
		{[]string{""}, []string{"RBLSMTPD="}, "", "", "rblsmtpd: fatal: unable to run : access denied\n", 111},
		{[]string{"true"}, []string{"RBLSMTPD=x"}, "QUIT\r\nNOOP\r\n", greeting + quit, "rblsmtpd:  pid PID: 451 x\n", 0},
		{[]string{"true"}, []string{"RBLSMTPD=x", "TCPREMOTEIP=1\n2\xff" + strings.Repeat("3", 100)}, "", greeting, "rblsmtpd: 1?2?" + strings.Repeat("3", 56) + " pid PID: 451 x\n", 0},
		{[]string{"-t0", "true"}, []string{"RBLSMTPD=x", "TCPREMOTEIP=::1"}, "QUIT\r\n", no, "rblsmtpd: ::1 pid PID: 451 x\n", 0},
		{[]string{"true"}, []string{"RBLSMTPD=x"}, "helo\nEhLo x y\r\nmail\nRSET\r\nNoop x\r\nRCPT TO:<x>\r\ndata\nhelp\nvrfy x\n\nfoo\n noop\nquit now\n",
			greeting + strings.Repeat(ok, 5) + strings.Repeat(no, 7) + quit, "rblsmtpd:  pid PID: 451 x\n", 0},
		{[]string{"true"}, []string{"RBLSMTPD=x"}, "noop\r\r\nno\x00op\r\nquit\x00x\r\nquit", greeting + no + no + no, "rblsmtpd:  pid PID: 451 x\n", 0},
		{[]string{"true"}, []string{"RBLSMTPD=x"}, "noop " + strings.Repeat("x", 1<<21) + "\r\nQUIT\r\n", greeting + ok + quit, "rblsmtpd:  pid PID: 451 x\n", 0},
	}
	for _, tt := range tests {
		r := progtest.Run(t, Run, progtest.Call{Args: append([]string{"rblsmtpd"}, tt.args...), Env: append(tt.env, "PATH=/bin:/usr/bin"), Stdin: tt.in})
		said := regexp.MustCompile(` pid \d+: `).ReplaceAllString(r.Err, " pid PID: ")
		if r.Code != tt.code || r.Out != tt.out || said != tt.err {
			t.Errorf("%q %q: %d, %q, %q\nwant %d, %q, %q", tt.args, tt.env, r.Code, r.Out, said, tt.code, tt.out, tt.err)
		}
	}
}

// The session ends with the time, for a client that is silent and for one that
// does not read.
func TestTime(t *testing.T) {
	for name, in := range map[string]string{"silent": "", "does not read": strings.Repeat("RCPT\n", 1<<16)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inR, inW, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			outR, outW, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				for _, f := range []*os.File{inR, inW, outR, outW} {
					_ = f.Close() // pipes
				}
			})
			go func() { _, _ = inW.WriteString(in) }() // as much as is read
			r := progtest.Run(t, Run, progtest.Call{Args: []string{"rblsmtpd", "-t1", "true"},
				Env: []string{"RBLSMTPD=x"}, FDs: map[int]int{0: int(inR.Fd()), 1: int(outW.Fd())}})
			if r.Code != 0 {
				t.Errorf("exit %d", r.Code)
			}
		})
	}
}

// FuzzReply: whatever a list says, the reply is one line of printable ASCII.
func FuzzReply(f *testing.F) {
	f.Add("x\r\n250 ok\x00\xff\t", true)
	f.Add(strings.Repeat("é", 300), false)
	f.Fuzz(func(t *testing.T, text string, never bool) {
		got := verdict{refused: true, never: never, text: text}.reply()
		if !regexp.MustCompile(`^(451|553) [ -~]{0,200}$`).MatchString(got) {
			t.Errorf("reply %q", got)
		}
		if clean(got, len(got)) != got {
			t.Errorf("not clean: %q", got)
		}
	})
}

// FuzzSession: every line is answered with one line, up to QUIT.
func FuzzSession(f *testing.F) {
	f.Add("HELO x\r\nRCPT\nquit\nnoop\n")
	f.Fuzz(func(t *testing.T, in string) {
		r := progtest.Run(t, Run, progtest.Call{Args: []string{"rblsmtpd", "true"}, Env: []string{"RBLSMTPD=x"}, Stdin: in})
		if r.Code != 0 || !regexp.MustCompile(`^220 rblsmtpd\.local\r\n((250 rblsmtpd\.local|451 x)\r\n)*(221 rblsmtpd\.local\r\n)?$`).MatchString(r.Out) {
			t.Errorf("%q is answered with %d, %q", in, r.Code, r.Out)
		}
		if n, most := strings.Count(r.Out, "\n")-1, strings.Count(in, "\n"); n > most {
			t.Errorf("%d answers for %d lines", n, most)
		}
	})
}
