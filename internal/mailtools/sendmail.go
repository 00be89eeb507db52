package mailtools

import (
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

const sendmailUsage = "sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]"

// Sendmail is sendmail: it takes the options that mail programs give the
// Sendmail of that name, and becomes qmail-inject, qmail-smtpd (-bs) or
// qmail-qread (-bp, or called mailq). Spec: spec/inject.md section 7.
func Sendmail(p *prog.Process) int {
	return sendmail{Process: p, chdir: sys.Chdir, exec: child.Exec}.run()
}

// A sendmail is one run; tests replace what would change their process.
type sendmail struct {
	*prog.Process
	chdir func(dir string) error
	exec  func(path string, argv, env []string) error // returns on failure only
}

// run reads the options and becomes the program they ask for. A -b option
// counts at once, all others when the options are read.
func (s sendmail) run() int {
	if s.chdir(s.Home) != nil {
		return s.Die(exitTemporary, "sendmail: fatal: unable to switch to qmail home directory")
	}
	var sender string
	var hasSender, header bool
	opts := prog.NewOptions(s.Args[1:], "vimte:f:p:o:B:F:EJxb:")
	for c := opts.Next(); c != 0; c = opts.Next() {
		switch c {
		case 't':
			header = true
		case 'f':
			sender, hasSender = opts.Value, true
		case 'F':
			s.Env.Set("MAILNAME", opts.Value)
		case 'b':
			switch {
			case strings.HasPrefix(opts.Value, "m"):
			case strings.HasPrefix(opts.Value, "p"):
				return s.become("qmail-qread")
			case strings.HasPrefix(opts.Value, "s"):
				return s.smtpd()
			default:
				return s.Die(exitPermanent, sendmailUsage)
			}
		case 'E', 'J':
			opts.SkipWord()
		case '?':
			return s.Die(exitPermanent, "sendmail: ", opts.Bad, "\n", sendmailUsage)
		}
	}
	switch s.Args[0][address.LastIndex(s.Args[0], '/')+1:] {
	case "mailq":
		return s.become("qmail-qread")
	case "newaliases":
		return s.Die(exitPermanent, "sendmail: fatal: please use fastforward/newaliases instead")
	}
	args := []string{"-a"}
	if header {
		args[0] = "-H"
	}
	if hasSender {
		s.setFrom(sender)
		args = append(args, "-f", sender)
	}
	args = append(args, "--")
	return s.become("qmail-inject", append(args, opts.Rest()...)...)
}

// setFrom makes qmail-inject's default From field show the sender of -f. It
// takes a name given by -F away again, in whatever order they come.
func (s sendmail) setFrom(sender string) {
	for _, name := range [...]string{"QMAILNAME", "MAILNAME", "NAME", "QMAILHOST", "MAILHOST"} {
		s.Env.Unset(name)
	}
	local, host, ok := address.SplitLast(sender)
	s.Env.Set("QMAILUSER", local)
	if ok {
		s.Env.Set("QMAILHOST", host)
	}
}

// smtpd becomes qmail-smtpd for a client on this machine. If PROTO is set,
// somebody else has described the client already.
func (s sendmail) smtpd() int {
	if _, ok := s.Env.Get("PROTO"); !ok {
		for _, v := range [...][2]string{
			{"RELAYCLIENT", ""},
			{"DATABYTES", "0"},
			{"PROTO", "TCP"},
			{"TCPLOCALIP", "127.0.0.1"},
			{"TCPLOCALHOST", "localhost"},
			{"TCPREMOTEIP", "127.0.0.1"},
			{"TCPREMOTEHOST", "localhost"},
			{"TCPREMOTEINFO", "sendmail-bs"},
		} {
			s.Env.Set(v[0], v[1])
		}
	}
	return s.become("qmail-smtpd")
}

// become runs bin/name in the place of this process.
func (s sendmail) become(name string, args ...string) int {
	path := "bin/" + name
	_ = s.exec(path, append([]string{path}, args...), s.Env.List()) // it came back: it failed
	return s.Die(exitTemporary, "sendmail: fatal: unable to run ", name)
}
