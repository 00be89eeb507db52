package control

// A Kind is the rule by which a control file is read, or what else it is.
type Kind int

// The kinds (spec/control.md section 1).
const (
	KindLine     Kind = iota // Line; absent: Default
	KindLineOrMe             // LineOrMe; absent: me, without me Default
	KindInt                  // Int; absent or without digits: Default
	KindList                 // List
	KindCompiled             // cdb file that is made of the text file Source
	KindSwitch               // only whether it exists counts
)

// A File is a control file of the suite: how it is read, and how qmail-showctl
// tells what it means.
type File struct {
	Name string
	Kind Kind

	// Default is the value of a line or int that is absent, in decimal for an int.
	Default string
	// Before and After stand around a value: "Bounce host name is ", ".".
	Before, After string
	// None is what the absence of a list means; for a switch and for the source
	// of a compiled file, what its presence means.
	None string
	// Source is the text file of a compiled one.
	Source string
	// Ours marks a file that C qmail does not have; nothing is said of it when
	// it is absent.
	Ours bool
}

// Files lists the control files, C qmail's in the order of qmail-showctl
// (spec/logs.md section 8), then our own. The file defaultdelivery is not among
// them: start scripts read it, the programs do not, and C's qmail-showctl says
// that it does not know it.
//
// What the list morercpthosts means depends on rcpthosts; qmail-showctl knows.
var Files = []File{
	{Name: "badmailfrom", Kind: KindList, None: "Any MAIL FROM is allowed.", After: " not accepted in MAIL FROM."},
	{Name: "bouncefrom", Kind: KindLine, Default: "MAILER-DAEMON", Before: "Bounce user name is ", After: "."},
	{Name: "bouncehost", Kind: KindLineOrMe, Default: "bouncehost", Before: "Bounce host name is ", After: "."},
	{Name: "concurrencylocal", Kind: KindInt, Default: "10", Before: "Local concurrency is ", After: "."},
	{Name: "concurrencyremote", Kind: KindInt, Default: "20", Before: "Remote concurrency is ", After: "."},
	{Name: "databytes", Kind: KindInt, Default: "0", Before: "SMTP DATA limit is ", After: " bytes."},
	{Name: "defaultdomain", Kind: KindLineOrMe, Default: "defaultdomain", Before: "Default domain name is ", After: "."},
	{Name: "defaulthost", Kind: KindLineOrMe, Default: "defaulthost", Before: "Default host name is ", After: "."},
	{Name: "doublebouncehost", Kind: KindLineOrMe, Default: "doublebouncehost", Before: "2B recipient host: ", After: "."},
	{Name: "doublebounceto", Kind: KindLine, Default: "postmaster", Before: "2B recipient user: ", After: "."},
	{Name: "envnoathost", Kind: KindLineOrMe, Default: "envnoathost", Before: "Presumed domain name is ", After: "."},
	{Name: "helohost", Kind: KindLineOrMe, Default: "helohost", Before: "SMTP client HELO host name is ", After: "."},
	{Name: "idhost", Kind: KindLineOrMe, Default: "idhost", Before: "Message-ID host name is ", After: "."},
	{Name: "localiphost", Kind: KindLineOrMe, Default: "localiphost", Before: "Local IP address becomes ", After: "."},
	{Name: "locals", Kind: KindList, None: "Messages for me are delivered locally.", Before: "Messages for ", After: " are delivered locally."},
	{Name: "me", Kind: KindLine, Default: "undefined! Uh-oh", Before: "My name is ", After: "."},
	{Name: "percenthack", Kind: KindList, None: "The percent hack is not allowed.", Before: "The percent hack is allowed for user%host@", After: "."},
	{Name: "plusdomain", Kind: KindLineOrMe, Default: "plusdomain", Before: "Plus domain name is ", After: "."},
	{Name: "qmqpservers", Kind: KindList, None: "No QMQP servers.", Before: "QMQP server: ", After: "."},
	{Name: "queuelifetime", Kind: KindInt, Default: "604800", Before: "Message lifetime in the queue is ", After: " seconds."},
	{Name: "rcpthosts", Kind: KindList, None: "SMTP clients may send messages to any recipient.", Before: "SMTP clients may send messages to recipients at ", After: "."},
	{Name: "morercpthosts", Kind: KindList, None: "No effect.", Before: "SMTP clients may send messages to recipients at ", After: "."},
	{Name: "morercpthosts.cdb", Kind: KindCompiled, Source: "morercpthosts", None: "No effect."},
	{Name: "smtpgreeting", Kind: KindLineOrMe, Default: "smtpgreeting", Before: "SMTP greeting: 220 ", After: "."},
	{Name: "smtproutes", Kind: KindList, None: "No artificial SMTP routes.", Before: "SMTP route: "},
	{Name: "timeoutconnect", Kind: KindInt, Default: "60", Before: "SMTP client connection timeout is ", After: " seconds."},
	{Name: "timeoutremote", Kind: KindInt, Default: "1200", Before: "SMTP client data timeout is ", After: " seconds."},
	{Name: "timeoutsmtpd", Kind: KindInt, Default: "1200", Before: "SMTP server data timeout is ", After: " seconds."},
	{Name: "virtualdomains", Kind: KindList, None: "No virtual domains.", Before: "Virtual domain: "},

	{Name: "classic", Kind: KindSwitch, Ours: true, None: "Every delivery has a process of its own, as in C qmail."},
	{Name: "concurrencydomains", Kind: KindList, Ours: true, None: "No limits.", Before: "Remote concurrency of a domain: "},
	{Name: "nssprobe", Kind: KindLine, Ours: true, Before: "Without user ", After: " the user directory counts as down."},
	{Name: "remoteshare", Kind: KindInt, Ours: true, Default: "0", Before: "Sharing of SMTP connections and transactions is ", After: "."},
	{Name: "spawnlimit", Kind: KindInt, Ours: true, Default: "120", Before: "Limit of deliveries at once on each channel is ", After: "."},
	{Name: "tcp.smtp", Kind: KindSwitch, Ours: true, None: "Source of tcp.smtp.cdb; see tcprules."},
	{Name: "tcp.smtp.cdb", Kind: KindCompiled, Ours: true, Source: "tcp.smtp"},
}

// FileNamed is the entry for a name in Files.
func FileNamed(name string) (f File, ok bool) {
	for _, f := range Files {
		if f.Name == name {
			return f, true
		}
	}
	return File{}, false
}
