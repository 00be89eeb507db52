package smtpd

import (
	"goqmail/internal/address"
	"goqmail/internal/smtp"
)

// A check looks at a recipient that the client gave and returns the answer that
// refuses it, or "". An error ends the session.
type check func(s *session, rcpt string) (refusal string, err error)

// checks are asked in this order, and the first refusal counts. Spec:
// spec/smtpd.md A4, A6.
var checks = []check{checkSender, checkRelay}

// isBadSender tells whether control/badmailfrom has the sender, or its part
// from the last @ on.
func (s *session) isBadSender(sender string) bool {
	if s.conf.badSenders.Has(sender) {
		return true
	}
	i := address.LastIndex(sender, '@')
	return i >= 0 && s.conf.badSenders.Has(sender[i:])
}

// checkSender refuses every recipient of a sender in badmailfrom.
func checkSender(s *session, _ string) (string, error) {
	if s.mail.badSender {
		return smtp.AnswerBadSender, nil
	}
	return "", nil
}

// checkRelay refuses recipients elsewhere, unless the client may relay. Not
// knowing, because morercpthosts.cdb cannot be read, ends the session: the
// client tries again.
func checkRelay(s *session, rcpt string) (string, error) {
	if s.conf.mayRelay {
		return "", nil
	}
	ours, err := s.conf.hosts.Match(rcpt)
	switch {
	case err != nil:
		return "", &fatal{smtp.AnswerNoControls}
	case !ours:
		return smtp.AnswerNoRelay, nil
	}
	return "", nil
}
