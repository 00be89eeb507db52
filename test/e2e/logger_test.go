//go:build e2e

package e2e

import (
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// multilog as logger: every line has a time stamp, and its file is qmaill's.
func TestMultilogAsLogger(t *testing.T) {
	onBed(t, func(b *bed) {
		b.user("ann")
		dir := "/var/log/qmail"
		b.must(os.Mkdir(dir, 0o700))
		b.must(os.Chown(dir, testkit.UIDLog, testkit.GIDNofiles))
		b.startQuietly("./Mailbox", "multilog", "t", dir)
		b.inject("", "x\n", "ann@"+domain)
		read := func() string {
			text, err := os.ReadFile(dir + "/current")
			if os.IsNotExist(err) {
				return ""
			}
			b.must(err)
			return string(text)
		}
		b.eventually("the end of the message in multilog's file", func() bool { return strings.Contains(read(), " end msg ") })
		b.stop()
		b.eventually("the last line", func() bool { return strings.Contains(read(), " status: exiting\n") })
		stamped := regexp.MustCompile(`^@[0-9a-f]{24} (status: |new msg |info msg |starting delivery |delivery |end msg )`)
		for line := range strings.Lines(read()) {
			if !stamped.MatchString(line) {
				t.Errorf("log line %q, want a time stamp and a line of qmail-send", line)
			}
		}
	})
}

// splogger as logger: every line reaches /dev/log with tag and priority.
func TestSploggerAsLogger(t *testing.T) {
	onBed(t, func(b *bed) {
		b.user("ann")
		addr := &net.UnixAddr{Name: "/dev/log", Net: "unixgram"}
		syslog, err := net.ListenUnixgram("unixgram", addr)
		b.must(err)
		b.must(os.Chmod("/dev/log", 0o666))
		b.startQuietly("./Mailbox", "splogger", "qmail")
		b.inject("", "x\n", "ann@"+domain)
		b.must(syslog.SetReadDeadline(time.Now().Add(patience)))
		re := regexp.MustCompile(`^<22>\w{3} [ \d]\d \d\d:\d\d:\d\d qmail: \d+\.\d{6} ([^\n]*)\n?\x00?$`)
		buf := make([]byte, 4096)
		for {
			n, err := syslog.Read(buf)
			b.must(err)
			m := re.FindSubmatch(buf[:n])
			if m == nil {
				t.Errorf("syslog message %q, want a match of %v", buf[:n], re)
				continue
			}
			if strings.HasPrefix(string(m[1]), "end msg ") {
				break
			}
		}
		b.stop()
	})
}
