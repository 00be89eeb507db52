package mailtools

import (
	"errors"

	"goqmail/internal/address"
	"goqmail/internal/feed"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

const qsmhookFatal = "qsmhook: fatal: "

// Qsmhook is qsmhook, for .qmail files, the form of preline that went before it:
// it runs a local mailer as Sendmail would, by flags named after those of a
// mailer in Sendmail's configuration. $UFLINE stands before the message unless
// -n is given, $RPLINE with -P, $DTLINE with -l; -D, -F, -M, -m and -s mean
// nothing. In the command and its arguments %g is $SENDER, %h $HOST, %u $LOCAL
// without the prefix of -x, %% is %; other letters after % vanish with it. Its
// exit code is the command's. Spec: spec/local.md section 12.
func Qsmhook(p *prog.Process) int {
	var dtline, rpline, ufline, local, host, sender string
	for _, v := range [...]struct {
		name string
		to   *string
	}{{"DTLINE", &dtline}, {"RPLINE", &rpline}, {"UFLINE", &ufline}, {"LOCAL", &local}, {"HOST", &host}, {"SENDER", &sender}} {
		var ok bool
		if *v.to, ok = p.Env.Get(v.name); !ok {
			return p.Die(exitPermanent, qsmhookFatal, "incorrect usage")
		}
	}
	withUF, withRP, withDT := true, false, false
	opts := prog.NewOptions(p.Args[1:], "DFlMmnPsx:")
	for c := opts.Next(); c != 0; c = opts.Next() {
		switch c {
		case 'l':
			withDT = true
		case 'n':
			withUF = false
		case 'P':
			withRP = true
		case 'x':
			if address.HasPrefixFold(local, opts.Value) {
				local = local[len(opts.Value):]
			}
		case '?':
			return p.Die(exitPermanent, "qsmhook: ", opts.Bad)
		}
	}
	var command []string
	for _, arg := range opts.Rest() {
		command = append(command, expand(arg, map[byte]string{'%': "%", 'g': sender, 'h': host, 'u': local}))
	}
	if len(command) == 0 {
		return p.Die(exitPermanent, qsmhookFatal, "incorrect usage")
	}
	before := ""
	if withUF {
		before += ufline
	}
	if withRP {
		before += rpline
	}
	if withDT {
		before += dtline
	}
	return qsmhook(p, command, before)
}

// qsmhook runs the command with before and the rest of descriptor 0 on its
// descriptor 0.
func qsmhook(p *prog.Process, command []string, before string) int {
	if p.FD(0).WasClosed() { // no message is not an empty one
		return p.Die(exitTemporary, qsmhookFatal, "unable to read message")
	}
	code, err := feed.Run(p, command, before, p.FD(0))
	var e *feed.Error
	switch {
	case !errors.As(err, &e):
		return code
	case e.Stage == feed.Input:
		return p.Die(exitTemporary, qsmhookFatal, "unable to read message")
	case e.Stage == feed.Start && !sys.Temporary(e.Err):
		return p.Die(exitPermanent, qsmhookFatal, "command not found")
	}
	return p.Die(exitTemporary, qsmhookFatal, "temporary problem")
}

// expand replaces each % and the byte after it by that byte's value.
func expand(s string, values map[byte]string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i++; i < len(s) {
			b = append(b, values[s[i]]...)
		}
	}
	return string(b)
}
