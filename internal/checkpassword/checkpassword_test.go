package checkpassword

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/auth"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// hash is that of "openwall" (crypt(3) of libxcrypt).
const hash = "$1$abcdefgh$rhXHNwjuZXTTzv32v1LRD/"

func TestMain(m *testing.M) {
	testkit.Fakes{
		"system": func() int { return Run(prog.Self()) },
		"own":    func() int { return run(prog.Self(), ownStores(os.Getenv("STORES"))) },
	}.Play()
	if err := testkit.Enter(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// ownStores are those in a directory of a test.
func ownStores(dir string) *auth.Stores {
	return &auth.Stores{Passwords: dir + "/passwords", Passwd: dir + "/passwd", Shadow: dir + "/shadow", Owner: uint32(os.Getuid()), Day: 20000}
}

// files writes the stores of a test.
func files(t testing.TB, dir string) {
	t.Helper()
	testkit.Must(t, os.WriteFile(dir+"/passwd", []byte("joe:x:1001:1002::/home/joe:/bin/zsh\nodd:x:1001:1002::/home/joe:\n"), 0o600))
	testkit.Must(t, os.WriteFile(dir+"/shadow", []byte("joe:"+hash+":::::::\nodd:$odd$:::::::\n"), 0o600))
	testkit.Must(t, os.WriteFile(dir+"/passwords", []byte("box:{PLAIN}tanstaaf:1003:1004::/home/box:\n"), 0o600))
}

const login = "joe\x00openwall\x00<1.2@h>\x00"

// What ends before any program is run.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	files(t, dir)
	const usage = "checkpassword: usage: checkpassword [-n] program [arg ...]\n"
	const format = fatal + "no name and password on descriptor 3\n"
	fill := func(n int) string { return login + strings.Repeat("x", n-len(login)) }
	tests := []struct {
		name string
		args []string
		in   string
		code int
		err  string
	}{
		{"no argument", nil, login, 2, usage},
		{"only an option", []string{"-n"}, login, 2, usage},
		{"nothing", []string{"true"}, "", 2, format},
		{"no password", []string{"true"}, "joe\x00", 2, format},
		{"no NUL", []string{"true"}, "joe\x00openwall", 2, format},
		{"wrong password", []string{"true"}, "joe\x00openwal\x00<1.2@h>\x00", 1, ""},
		{"unknown", []string{"true"}, "jane\x00openwall\x00<1.2@h>\x00", 1, ""},
		{"empty name", []string{"true"}, "\x00openwall\x00\x00", 1, ""},
		{"empty password", []string{"true"}, "joe\x00\x00\x00", 1, ""},
		{"too long", []string{"true"}, fill(pipe.LoginMax + 1), 1, ""},
		{"much too long", []string{"true"}, fill(1 << 16), 1, ""},
		{"longest, but no program", []string{"-n", "/absent"}, fill(pipe.LoginMax), 111, fatal + "unable to run /absent: file does not exist\n"},
		{"program not in PATH", []string{"-n", "absent"}, login, 111, fatal + "unable to run absent: file does not exist\n"},
		{"not executable", []string{"-n", dir}, login, 111, fatal + "unable to run " + dir + ": access denied\n"},
		{"odd hash", []string{"true"}, "odd\x00x\x00\x00", 111, fatal + "password hash of an unknown kind, or too costly\n"},
	}
	for _, tt := range tests {
		name := filepath.Join(t.TempDir(), "3")
		testkit.Must(t, os.WriteFile(name, []byte(tt.in), 0o600))
		f, err := os.Open(name)
		testkit.Must(t, err)
		fd := dup(t, f)
		r := progtest.Run(t, func(p *prog.Process) int { return run(p, ownStores(dir)) },
			progtest.Call{Args: append([]string{"checkpassword"}, tt.args...), FDs: map[int]int{3: fd}})
		if want := (progtest.Result{Code: tt.code, Err: tt.err}); r != want {
			t.Errorf("%s: %+v, want %+v", tt.name, r, want)
		}
	}
}

// TestProgram runs it as a process of its own that only verifies.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	files(t, dir)
	self := testkit.Fake(t, dir+"/checkpassword", "own")
	testkit.Script(t, dir+"/show", `cat; echo "$1,$USER,$HOME,$SHELL"; for f in /proc/$$/fd/*; do echo ${f##*/}; done; exit 7`)
	t.Setenv("STORES", dir)
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	for _, name := range []string{"USER", "HOME", "SHELL"} {
		t.Setenv(name, "mine")
	}
	// The shell itself has its script as 10, and the directory that it lists as 3.
	const out = "input\na b,mine,mine,mine\n0\n1\n10\n2\n3\n"
	tests := []struct {
		name, in, want string
		code           int
	}{
		{"shadow", login, out, 7},
		{"secret", "box\x00tanstaaf\x00\x00", out, 7},
		{"APOP", "box\x00c4c9334bac560ecc979e58001b3e22fb\x00<1896.697170952@dbc.mtview.ca.us>\x00", out, 7},
		{"two fields", "box\x00tanstaaf\x00", out, 7},
		{"wrong", "box\x00tanstaa\x00", "", 1},
	}
	for _, tt := range tests {
		said, code := start(t, tt.in, self, "-n", "show", "a b")
		if said != tt.want || code != tt.code {
			t.Errorf("%s: exit %d, %q, want %d, %q", tt.name, code, said, tt.code, tt.want)
		}
	}
	// Descriptor 3 closed, and one that cannot be read.
	cmd := exec.Command("sh", "-c", `"$0" -n true 3<&-; echo $?; "$0" -n true 3>/dev/null; echo $?; "$0" -n true 3</; echo $?`, self)
	said, err := cmd.CombinedOutput()
	want := strings.NewReplacer("LINE ", fatal+"unable to read descriptor 3: ").Replace("LINE file descriptor not open\n2\nLINE file descriptor not open\n2\nLINE is a directory\n2\n")
	if string(said) != want || err != nil {
		t.Errorf("descriptor 3: %q, %v, want %q", said, err, want)
	}
}

// dup is another descriptor of a file, which the program under test closes.
func dup(t testing.TB, f *os.File) int {
	t.Helper()
	fd, err := sys.FD(f.Fd()).Dup(10)
	testkit.Must(t, err)
	testkit.Must(t, f.Close())
	return int(fd)
}

// start runs a command with in on descriptor 3 and a line on 0.
func start(t *testing.T, in string, command ...string) (string, int) {
	t.Helper()
	return startAs(t, nil, in, command...)
}

// startAs is start as another user.
func startAs(t *testing.T, as *syscall.Credential, in string, command ...string) (string, int) {
	t.Helper()
	r, w, err := os.Pipe()
	testkit.Must(t, err)
	_, err = w.WriteString(in)
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	defer r.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Stdin, cmd.ExtraFiles = strings.NewReader("input\n"), []*os.File{r}
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// An ordinary user cannot become anybody.
func TestNotRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		return // TestAsRoot runs it as another user as well
	}
	dir := t.TempDir()
	files(t, dir)
	t.Setenv("STORES", dir)
	out, code := start(t, login, testkit.Fake(t, dir+"/checkpassword", "own"), "true")
	if want := fatal + "unable to become the user: permission denied\n"; out != want || code != 111 {
		t.Errorf("%q, exit %d, want %q, 111", out, code, want)
	}
}

// TestAsRoot logs in with the files where the installed program has them.
func TestAsRoot(t *testing.T) {
	world := testkit.World{
		Users: []testkit.User{
			{Name: "joe", UID: 1001, GID: 1002, Home: "/home/joe", Shell: "/bin/false"},
			{Name: "sue", UID: 1005, GID: 1005, Home: "/home/absent"},
			{Name: "toor", UID: 0, GID: 0, Home: "/root"},
		},
		Groups: []testkit.Group{{Name: "joe", GID: 1002}},
	}
	testkit.InWorld(t, world, func(t *testing.T) {
		for _, d := range []string{"/var/qmail/users", "/home/joe", "/home/vmail/box", "/home/vmail/closed"} {
			testkit.Must(t, os.MkdirAll(d, 0o755))
		}
		testkit.Must(t, os.Chown("/home/joe", 1001, 1002))
		testkit.Must(t, os.Chmod("/home/vmail/closed", 0o700))
		const sha512 = "$6$saltstring$vvludwqUtqByMJAGozSjtpIZkV9kucqVFBY4uoCk0/sNAl8qNyj9.nrDH2nSIsxHRcczVlrKl8//T5dFd1IC9."
		const yescrypt = "$y$j9T$AAt9R641xPvCI9nXw1HHW/$cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A"
		testkit.Must(t, os.WriteFile("/etc/shadow", []byte("root:"+hash+":::::::\njoe:"+yescrypt+":20000:0:99999:7:::\nsue:"+sha512+":20000:0:99999:7:::\ntoor:"+hash+":::::::\n"), 0o640))
		testkit.Must(t, os.WriteFile("/var/qmail/users/passwords", []byte("box:{PLAIN}tanstaaf:joe:4000::/home/vmail/box:\nclosed:{PLAIN}tanstaaf:joe:::/home/vmail/closed:\nboth:{PLAIN}tanstaaftanstaaf:joe:::/home/vmail/box:\n"), 0o600))
		self := testkit.Fake(t, "/tmp/checkpassword", "system")
		const who = `grep -E '^(Uid|Gid|Groups):' /proc/self/status; pwd; echo "$USER,$HOME,$SHELL,$#"; exit 7`
		const ids = "Uid:\t1001\t1001\t1001\t1001\nGid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\nGroups:\t%[1]d \n"
		tests := []struct{ in, want string }{
			{login, fmt.Sprintf(ids, 1002) + "/home/joe\njoe,/home/joe,/bin/false,1\n"},
			{"box\x00c4c9334bac560ecc979e58001b3e22fb\x00<1896.697170952@dbc.mtview.ca.us>\x00", fmt.Sprintf(ids, 4000) + "/home/vmail/box\nbox,/home/vmail/box,/bin/sh,1\n"},
		}
		for _, tt := range tests {
			if out, code := start(t, tt.in, self, "sh", "-c", who, "x", "a b"); out != tt.want || code != 7 {
				t.Errorf("%q: exit %d, %q, want 7, %q", tt.in, code, out, tt.want)
			}
		}
		fails := []struct {
			in   string
			code int
			err  string
		}{
			{"root\x00openwall\x00\x00", 1, ""},
			{"toor\x00openwall\x00\x00", 1, ""},
			{"sue\x00openwall\x00\x00", 111, fatal + "unable to enter the home directory: file does not exist\n"},
			{"closed\x00tanstaaf\x00\x00", 111, fatal + "unable to enter the home directory: access denied\n"},
			{"qmaild\x00x\x00\x00", 1, ""},
		}
		for _, f := range fails {
			if out, code := start(t, f.in, self, "sh", "-c", who); out != f.err || code != f.code {
				t.Errorf("%q: exit %d, %q, want %d, %q", f.in, code, out, f.code, f.err)
			}
		}
		// The user has no right to the file that names him, and cannot go back.
		out, code := start(t, login, self, "cat", "/var/qmail/users/passwords", "/etc/shadow")
		if strings.Contains(out, "PLAIN") || strings.Contains(out, "$y$") || code != 1 {
			t.Errorf("joe reads the passwords: exit %d, %q", code, out)
		}
		// AUTH: qmail-smtpd is no root, and its group may read the file.
		smtpd := &syscall.Credential{Uid: testkit.UIDDaemon, Gid: testkit.GIDNofiles}
		testkit.Must(t, os.Chown("/var/qmail/users/passwords", 0, testkit.GIDNofiles))
		testkit.Must(t, os.Chmod("/var/qmail/users/passwords", 0o640))
		auths := []struct {
			in   string
			code int
			err  string
		}{
			{"box\x00tanstaaf\x00\x00", 0, ""},
			{"box\x00b913a602c7eda7a495b4e6e7334d3890\x00<1896.697170952@postoffice.reston.mci.net>\x00", 1, ""},
			{"both\x00b913a602c7eda7a495b4e6e7334d3890\x00<1896.697170952@postoffice.reston.mci.net>\x00", 0, ""},
			{"box\x00wrong\x00\x00", 1, ""},
			{"nobody\x00wrong\x00\x00", 1, ""},
			{login, 111, fatal + "unable to read the shadow file: access denied\n"},
		}
		for _, a := range auths {
			if out, code := startAs(t, smtpd, a.in, self, "-n", "true"); out != a.err || code != a.code {
				t.Errorf("as qmaild, %q: exit %d, %q, want %d, %q", a.in, code, out, a.code, a.err)
			}
		}
		if out, code := startAs(t, smtpd, "box\x00tanstaaf\x00\x00", self, "true"); out != fatal+"unable to become the user: permission denied\n" || code != 111 {
			t.Errorf("as qmaild without -n: exit %d, %q", code, out)
		}
		testkit.Must(t, os.Chmod("/var/qmail/users/passwords", 0o644))
		if out, code := start(t, login, self, "true"); out != fatal+"users/passwords has the wrong owner, or a mode that lets others read it\n" || code != 111 {
			t.Errorf("others can read the passwords: exit %d, %q", code, out)
		}
	})
}
