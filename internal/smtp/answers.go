package smtp

// Verbs that the server knows; RFC 5321, 4.1.1. All others are AnswerUnknown.
const (
	VerbHelo = "HELO"
	VerbEhlo = "EHLO"
	VerbMail = "MAIL"
	VerbRcpt = "RCPT"
	VerbData = "DATA"
	VerbRset = "RSET"
	VerbHelp = "HELP"
	VerbNoop = "NOOP"
	VerbVrfy = "VRFY"
	VerbQuit = "QUIT"
)

// EOL ends every line of an answer.
const EOL = "\r\n"

// Answers of the server, without EOL, in the words of notqmail's qmail-smtpd,
// which people and programs know. Spec: spec/smtpd.md A1, A2, A4, A6, A7;
// codes: RFC 5321, 4.2.3; in brackets: RFC 3463.
const (
	AnswerOK          = "250 ok"
	AnswerFlushed     = "250 flushed"
	AnswerVrfy        = "252 send some mail, i'll try my best"
	AnswerHelp        = "214 goqmail: see qmail-smtpd(8)"
	AnswerGoAhead     = "354 go ahead"
	AnswerUnknown     = "502 unimplemented (#5.5.1)"
	AnswerMailFirst   = "503 MAIL first (#5.5.1)"
	AnswerRcptFirst   = "503 RCPT first (#5.5.1)"
	AnswerSyntax      = "555 syntax error (#5.5.4)"
	AnswerBadSender   = "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)"
	AnswerNoRelay     = "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"
	AnswerNoQueue     = "451 qqt failure (#4.3.0)"
	AnswerTooManyHops = "554 too many hops, this message is looping (#5.4.6)"
	AnswerTooLarge    = "552 sorry, that message size exceeds my databytes limit (#5.3.4)"
)

// Answers after which the server ends.
const (
	AnswerBareLF     = "451 See https://cr.yp.to/docs/smtplf.html."
	AnswerTimeout    = "451 timeout (#4.4.2)"
	AnswerNoControls = "421 unable to read controls (#4.3.0)"
	AnswerNoLocalIPs = "421 unable to figure out my IP addresses (#4.3.0)"
)

// Beginnings of answers.
const (
	CodeReady     = "220 "
	CodeOK        = "250 "
	CodeOKMore    = "250-" // more lines follow
	CodeClosing   = "221 "
	CodeNotNow    = "451 "
	CodeNever     = "554 "
	PrefixQueued  = "250 ok "    // then the time, PrefixQP and the queue program's pid
	PrefixQP      = " qp "       // "queue process"
	GreetingMark  = " ESMTP"     // after the host in the greeting
	ExtPipelining = "PIPELINING" // RFC 2920
	Ext8BitMIME   = "8BITMIME"   // RFC 6152
)
