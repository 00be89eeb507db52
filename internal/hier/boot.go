package hier

import "goqmail/internal/role"

// bootScripts are the start scripts. The first line has how qmail-start is run
// for each default delivery; then come a service script and its form for
// /etc/init.d, and what the files below need.
var bootScripts = [...]string{
	"home", "home+df", "proc", "proc+df", "binm1", "binm1+df", "binm2", "binm2+df", "binm3", "binm3+df", "maildir",
	"service", "qmail.init", "send", "pop3", "qmqp",
}

// bootTexts are files for other programs: inetd, tcpd, tcprules.
var bootTexts = [...]string{"inetd.conf", "inetd.conf+tcpd", "hosts.allow", "tcp.smtp", "tcp.qmqp"}

// supervised are the directories for supervise and runsv; each has run and
// log/run.
var supervised = [...]string{"qmail-send", "qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd", "qmail-pop3d"}

// xinetdFiles are for /etc/xinetd.d; +tcpd is for those behind tcpd.
var xinetdFiles = [...]string{
	"qmail-smtpd", "qmail-smtpd+tcpd", "qmail-qmtpd", "qmail-qmtpd+tcpd", "qmail-qmqpd", "qmail-pop3d",
}

// units are for systemd: servers by tcpserver, and (with @) by a process of
// systemd's for each connection.
var units = [...]string{
	"qmail-send.service",
	"qmail-smtpd.service", "qmail-smtpd.socket", "smtpd.socket", "smtpd@.service",
	"qmail-qmtpd.service", "qmail-qmtpd.socket", "qmtpd.socket", "qmtpd@.service",
	"qmail-qmqpd.service", "qmail-qmqpd.socket", "qmqpd.socket", "qmqpd@.service",
	"qmail-pop3d.service", "qmail-pop3d.socket", "pop3d.socket", "pop3d@.service",
}

// bootDirectories lists the directories below boot, parents first.
func bootDirectories() []Item {
	items := []Item{
		dir("boot/supervise", role.Owner, 0o755), dir("boot/systemd", role.Owner, 0o755), dir("boot/xinetd", role.Owner, 0o755),
	}
	for _, s := range supervised {
		items = append(items, dir("boot/supervise/"+s, role.Owner, 0o755), dir("boot/supervise/"+s+"/log", role.Owner, 0o755))
	}
	return items
}

// BootFiles lists boot and what is below it: programs, which are scripts, and
// texts. The same names are in the build tree.
func BootFiles() []Item {
	var items []Item
	add := func(dir, name string, t Type, mode uint32) {
		items = append(items, Item{Dir: dir, Name: name, Type: t, Owner: role.Owner, Group: role.Qmail, Mode: mode, Source: dir + "/" + name})
	}
	for _, n := range bootScripts {
		add("boot", n, Program, 0o755)
	}
	for _, n := range bootTexts {
		add("boot", n, Text, 0o644)
	}
	for _, s := range supervised {
		add("boot/supervise/"+s, "run", Program, 0o755)
		add("boot/supervise/"+s+"/log", "run", Program, 0o755)
	}
	for _, n := range units {
		add("boot/systemd", n, Text, 0o644)
	}
	for _, n := range xinetdFiles {
		add("boot/xinetd", n, Text, 0o644)
	}
	return items
}
