//go:build e2e

package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// A selfCase is a program that a test makes up, a case for it, and the fields
// that the runner must find different from what is expected.
type selfCase struct {
	name    string
	program string // shell script, bin/p of the tree
	line    string // fields of the case besides id, cat and argv
	differ  string // "" is passed
}

// Each kind of case, and each thing that is recorded, with a program that does
// what the case says and one that does not.
var selfCases = []selfCase{
	{"exit status", `exit 3`, `"expect": {"rc": 3, "out": "", "err": ""}`, ""},
	{"another exit status", `exit 4`, `"expect": {"rc": 3, "out": "", "err": ""}`, "rc"},
	{"killed", `kill -9 $$`, `"expect": {"rc": -9, "out": "", "err": ""}`, ""},
	{"output", `printf 'a\351'; printf e >&2`, `"expect": {"rc": 0, "out": "a\u00e9", "err": "e"}`, ""},
	{"other output", `printf 'a'; printf f >&2`, `"expect": {"rc": 0, "out": "a\u00e9", "err": "e"}`, "out err"},
	{"date of now", `LC_ALL=C date -u '+%d %b %Y %H:%M:%S -0000'`, `"expect": {"rc": 0, "out": "<DATE -0000>\n", "err": ""}`, ""},
	{"old date", `echo '20 Nov 2001 19:03:56 -0000'`, `"expect": {"rc": 0, "out": "<DATE -0000>\n", "err": ""}`, "out"},
	{"pipe", `[ -p /dev/stdin ] && cat`, `"in": ["x", ["y", 3]], "expect": {"rc": 0, "out": "xyyy", "err": ""}`, ""},
	{"file", `[ -f /dev/stdin ] && cat && cat`, `"kind": "file", "in": "x", "expect": {"rc": 0, "out": "x", "err": ""}`, ""},
	{"hold", `head -c 3`, `"kind": "hold", "in": "abc", "expect": {"rc": 0, "out": "abc", "err": ""}`, ""},
	{"waits for the end of input", `cat`, `"kind": "hold", "timeout": 0.3, "in": "abc", "expect": {"rc": 0, "out": "abc", "err": ""}`, "rc"},
	{"env1", `cat; cat <&1 >q; cat q >&2; exit 0`, `"kind": "env1", "in": "msg", "in1": "env\u0000", "capture": ["q"],
		"expect": {"rc": 0, "out": "", "err": "cat: write error: Bad file descriptor\nenv\u0000", "files": {"q": "env\u0000"}}`, ""},
	{"env1 read", `cat <&1 >q`, `"kind": "env1", "in1": "env\u0000", "capture": ["q"], "expect": {"rc": 0, "out": "", "err": "", "files": {"q": "env\u0000"}}`, ""},
	{"descriptor 3", `cat <&3`, `"in3": "three", "expect": {"rc": 0, "out": "three", "err": ""}`, ""},
	{"tcp", `cat; echo x >&2`, `"kind": "tcp", "in": "hello", "expect": {"rc": 0, "out": "hello", "err": "x\n"}`, ""},
	{"tcp drops a byte", `head -c 4; cat >/dev/null`, `"kind": "tcp", "in": "hello", "expect": {"rc": 0, "out": "hello", "err": ""}`, "out"},
	{"no daemon", `exit 5`, `"kind": "daemon", "port": 20001, "conns": [{"in": "x"}], "expect": {"rc": 5, "out": "[x]", "err": ""}`, "out"},
	{"user", `id -u; id -g; id -G; umask; pwd`, `"user": "vt2", "cwd": "home", "umask": "077", "files": {"home": {"d": 1}},
		"expect": {"rc": 0, "out": "5002\n5002\n5002\n0077\n/mnt/t/home\n", "err": ""}`, ""},
	{"a home its user cannot enter", `pwd`, `"user": "vt2:vtg1", "cwd": "home", "files": {"home": {"d": 1, "m": "0700"}}, "expect": {"rc": 0, "out": "/mnt/t/home\n", "err": ""}`, ""},
	{"environment", `env | grep -v -e ^PWD -e ^_ | sort`, `"env": {"A": "b\u00e9", "TZ": null},
		"expect": {"rc": 0, "out": "A=b\u00e9\nPATH=/var/qmail/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin\n", "err": ""}`, ""},
	{"control and files", `cat /var/qmail/control/me a/b; ls -ln a | grep -c '^-rw-r----- 1 5001 5002'; readlink l`,
		`"control": {"me": "m\n"}, "files": {"a/b": {"c": "x", "m": "0640", "o": "5001:vtg2"}, "l": {"l": "/to"}},
		"expect": {"rc": 0, "out": "m\nx1\n/to\n", "err": ""}`, ""},
	{"nothing of the last case", `ls -A /var/qmail/control /mnt/t`, `"expect": {"rc": 0, "out": "/mnt/t:\n\n/var/qmail/control:\n", "err": ""}`, ""},
	{"capture", `mkdir d d/e; echo x >d/f; ln -s y d/l; mkfifo d/p`, `"capture": ["d", "none"],
		"expect": {"rc": 0, "out": "", "err": "", "files": {"none": null, "d/e": {"v": "", "k": "dir"}, "d/f": "x\n", "d/l": {"v": "y", "k": "link"}, "d/p": {"v": "", "k": "fifo"}}}`, ""},
	{"capture of something else", `mkdir d; echo y >d/f; echo >d/g`, `"capture": ["d"],
		"expect": {"rc": 0, "out": "", "err": "", "files": {"d/f": "x\n", "d/h": ""}}`, "d/f d/g d/h"},
	{"modes", `mkdir -m 711 d; echo x >d/f; chmod 4600 d/f`, `"capture": ["d"], "stat": 1,
		"expect": {"rc": 0, "out": "", "err": "", "files": {"d": {"v": "", "k": "dir", "s": "0711 root:root"}, "d/f": {"v": "x\n", "s": "4600 root:root"}}}`, ""},
	{"wrong mode", `mkdir -m 700 d`, `"capture": ["d"], "stat": 1, "expect": {"rc": 0, "out": "", "err": "", "files": {"d": {"v": "", "k": "dir", "s": "0711 root:root"}}}`, "d"},
	{"equal unique names", `mkdir d; n=$(date +%s); echo b >d/$n.2.vhost.example; echo a >d/$n.3.vhost.example`, `"capture": ["d"],
		"expect": {"rc": 0, "out": "", "err": "", "files": {"d/<UNIQ>.vhost.example #1": "a\n", "d/<UNIQ>.vhost.example #2": "b\n"}}`, ""},
	{"what is left behind", `(sleep 0.2; echo late >f) >/dev/null 2>&1 & exit 0`, `"capture": ["f"], "expect": {"rc": 0, "out": "", "err": "", "files": {"f": "late\n"}}`, ""},
	{"qq", `printf 'Fa\000Tb\000\000' >e; echo msg | $QMAILQUEUE 1<e; exit $?`, `"qq": true, "env": {"QQRC": "31"},
		"expect": {"rc": 31, "out": "", "err": "", "files": {"qq.msg": "msg\n", "qq.env": "Fa\u0000Tb\u0000\u0000"}}`, ""},
	{"qq without an end", `printf 'Fa\000Tb\000' >e; echo msg | $QMAILQUEUE 1<e`, `"qq": true,
		"expect": {"rc": 0, "out": "", "err": "", "files": {"qq.env": "<nothing queued>"}}`, ""},
	{"no qq", `exit 0`, `"qq": true, "expect": {"rc": 0, "out": "", "err": "", "files": {"qq.msg": "x", "qq.env": "F\u0000\u0000"}}`, "qq.env qq.msg"},
	{"queue", queueScript, `"queue": true, "snapq": true, "expect": {"rc": 0, "out": "", "err": "", "files": {
		"queue/mess/S/N1": {"v": "m (qmail <PID> invoked by x); <DATE -0000>\n", "s": "0644 root:root links=1"},
		"queue/todo/N1": {"v": "u5\u0000p<PID>\u0000", "s": "0644 root:root links=1"}}}`, ""},
	{"queue, wrong directory", strings.Replace(queueScript, "n%23", "n%23+1", 1), `"queue": true, "snapq": true, "expect": {"rc": 0, "out": "", "err": "", "files": {
		"queue/mess/S/N1": {"v": "m (qmail <PID> invoked by x); <DATE -0000>\n", "s": "0644 root:root links=1"},
		"queue/todo/N1": {"v": "u5\u0000p<PID>\u0000", "s": "0644 root:root links=1"}}}`, "queue/mess/S/N1 queue/mess/WRONGSPLIT/N1"},
	{"raw queue", `echo x >/var/qmail/queue/pid/77; mkdir /var/qmail/queue/todo/5`, `"queue": true, "snapq": "raw",
		"expect": {"rc": 0, "out": "", "err": "", "files": {"queue/pid/77": {"v": "x\n", "s": "0644 root:root links=1"}}}`, ""},
	{"empty queue again", `[ -d /var/qmail/queue/todo/5 ] && exit 9`, `"queue": true, "snapq": true, "expect": {"rc": 1, "out": "", "err": ""}`, ""},
	{"pre and post", `cat f`, `"pre": ["echo pre >f"], "post": ["echo post >f"], "capture": ["f"], "expect": {"rc": 0, "out": "pre\n", "err": "", "files": {"f": "post\n"}}`, ""},
	{"server not asked", `exit 0`, `"server": {"port": 20002, "wait": 0.1, "reply": "x"}, "expect": {"rc": 0, "out": "", "err": "", "files": {"<server>": "x"}}`, "<server>"},
	{"cannot be executed", `exit 0`, `"pre": ["cp /var/qmail/bin/p x; chmod 600 x"], "argv": ["/mnt/t/x"], "expect": {"rc": "exec: Permission denied", "out": "", "err": ""}`, ""},
	{"sorted output", `echo b; echo a`, `"sortout": 1, "expect": {"rc": 0, "out": "a\nb\n", "err": ""}`, ""},
}

// queueScript puts one message into the queue.
const queueScript = `cd /var/qmail/queue
echo "m (qmail $$ invoked by x); $(LC_ALL=C date -u '+%d %b %Y %H:%M:%S -0000')" >pid/x
n=$(stat -c %i pid/x); mv pid/x mess/$((n%23))/$n
printf 'u5\000p%d\000' $$ >todo/$n`

// The runner sees what it must see: every self case gives the differences it is
// said to give, no more and no less.
func TestRunner(t *testing.T) {
	testkit.NeedRoot(t)
	for _, sc := range selfCases {
		t.Run(sc.name, func(t *testing.T) {
			tree := t.TempDir()
			makeTree(t, tree)
			testkit.Script(t, filepath.Join(tree, "bin", "p"), sc.program)
			text := `{"id": "x-0", "cat": "x", ` + sc.line + `}`
			if !strings.Contains(sc.line, `"argv"`) {
				text = `{"id": "x-0", "cat": "x", "argv": ["p"], ` + sc.line + `}`
			}
			c, fx, err := parseLine([]byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			tc, err := join(c, fx)
			if err != nil {
				t.Fatal(err)
			}
			p := newPool(tree, 1)
			// the second time finds what the first left behind
			for i, got := range p.runAll([]*testCase{tc, tc}) {
				if got == nil {
					t.Fatalf("run %d: no result: %v", i+1, p.stop())
				}
				_, diff, err := tc.check(got, false)
				if err != nil {
					t.Fatal(err)
				}
				var fields []string
				for _, d := range diff {
					fields = append(fields, d.field)
				}
				if f := strings.Join(fields, " "); f != sc.differ {
					t.Errorf("run %d: differences in %q, want %q\n%s", i+1, f, sc.differ, tc.describe(diff))
				}
			}
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// makeTree makes an installed tree without programs.
func makeTree(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"bin", "control", "users", "alias"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := testkit.MakeQueue(filepath.Join(dir, "queue")); err != nil {
		t.Fatal(err)
	}
}
