// Package floorplan is the plan of the house as data: which package is on which
// floor, who may hold which key, what a binary may link. Its test reads the
// imports of every file against it, so a new package without a floor and a
// sentence fails. For tests only.
package floorplan

// A Floor is the height of a package; imports go down, never up.
type Floor int

// The floors.
const (
	Tests   Floor = 0 // used by tests only
	Format  Floor = 1 // bytes in, values out: no I/O, no clock, no environment
	System  Floor = 2 // the border to the operating system
	Service Floor = 3 // what several programs share
	Program Floor = 4 // one package per program; none imports another
)

// A Room is a package below internal/.
type Room struct {
	Floor Floor
	What  string
}

// Rooms is the plan.
var Rooms = map[string]Room{
	"testkit":           {Tests, "temp queues, fake programs, private namespaces"},
	"testkit/progtest":  {Tests, "runs a program inside the test process"},
	"testkit/dnstest":   {Tests, "a resolver in memory"},
	"testkit/queuetest": {Tests, "the queue program in memory"},
	"floorplan":         {Tests, "this plan"},

	"conf":      {Format, "choices made when the suite is built"},
	"role":      {Format, "accounts and groups of the suite and what each is for"},
	"queue":     {Format, "the on-disk queue and qmail-queue's protocol"},
	"pipe":      {Format, "conversations between the programs over pipes"},
	"hier":      {Format, "the installed tree"},
	"address":   {Format, "mailbox strings"},
	"header":    {Format, "header fields, dates, trace lines"},
	"token822":  {Format, "RFC 822 tokens"},
	"smtp":      {Format, "SMTP verbs, paths, replies, dot-stuffing"},
	"dotqmail":  {Format, ".qmail lines"},
	"assign":    {Format, "users/assign and users/cdb keys and values"},
	"cdb":       {Format, "constant databases"},
	"forwarddb": {Format, "fastforward's databases and mailing lists"},
	"aliases":   {Format, "Sendmail's alias table and :include: files"},
	"tcpenv":    {Format, "TCP* environment variables"},
	"tcprules":  {Format, "tcpserver's rules"},
	"netstring": {Format, "netstrings, QMTP and QMQP"},
	"tai64n":    {Format, "TAI64N time stamps"},
	"utmp":      {Format, "who is logged in where"},
	"sendlog":   {Format, "the log lines of qmail-send"},
	"syslogmsg": {Format, "what splogger makes of them"},
	"matchlog":  {Format, "the lines of matchup"},

	"sys":         {System, "files, descriptors, locks, time limits"},
	"sys/child":   {System, "key: start a program"},
	"sys/creds":   {System, "key: become another user"},
	"sys/sock":    {System, "key: open a socket"},
	"sys/sig":     {System, "receive signals"},
	"sys/sigexit": {System, "signals that end qmail-queue with an exit code"},
	"sys/shield":  {System, "entry point of the set-user-id program"},
	"sys/single":  {System, "entry point of the other programs: one processor of the run-time"},
	"prog":        {System, "how a program starts and ends"},

	"accounts":  {Service, "numbers of the suite's own users and groups"},
	"control":   {Service, "control files"},
	"newfile":   {Service, "makes a file that replaces another for good"},
	"qq":        {Service, "runs the queue program"},
	"trigger":   {Service, "lock/trigger"},
	"tcpto":     {Service, "lock/tcpto"},
	"rcpthosts": {Service, "rcpthosts and morercpthosts.cdb"},
	"maildir":   {Service, "deliver into a Maildir, list it"},
	"mbox":      {Service, "add to an mbox, take one apart"},
	"dns":       {Service, "the suite's only resolver"},
	"ident":     {Service, "asks who opened a connection (RFC 1413)"},
	"feed":      {Service, "runs a command with lines before a message"},
	"ucspi":     {Service, "options, names and ports of tcpserver and tcpclient"},
	"commands":  {Service, "command lines of network protocols"},
	"spawn":     {Service, "the engine of both spawners"},
	"worker":    {Service, "a program that stays for several jobs"},
	"workers":   {Service, "keeps such programs"},
	"auth":      {Service, "who may log in: users/passwords, /etc/shadow, password hashes"},
	"tree":      {Service, "makes the queue, the configuration directories and a first configuration"},

	"start":        {Program, "qmail-start"},
	"send":         {Program, "qmail-send"},
	"lspawn":       {Program, "qmail-lspawn"},
	"rspawn":       {Program, "qmail-rspawn"},
	"clean":        {Program, "qmail-clean"},
	"enqueue":      {Program, "qmail-queue"},
	"local":        {Program, "qmail-local"},
	"remote":       {Program, "qmail-remote"},
	"getpw":        {Program, "qmail-getpw"},
	"smtpd":        {Program, "qmail-smtpd"},
	"popup":        {Program, "qmail-popup"},
	"pop3d":        {Program, "qmail-pop3d"},
	"qmtpd":        {Program, "qmail-qmtpd"},
	"qmqpd":        {Program, "qmail-qmqpd"},
	"qmqpc":        {Program, "qmail-qmqpc"},
	"inject":       {Program, "qmail-inject"},
	"dotforward":   {Program, "dot-forward"},
	"mbox2maildir": {Program, "mbox2maildir"},
	"mailtools":    {Program, "sendmail, forward, preline, maildirmake, bouncesaying, condredirect, except, qreceipt, predate, datemail, maildir2mbox, qbiff, maildirwatch, qsmhook"},
	"cdbtools":     {Program, "qmail-newu, qmail-newmrh, qmail-pw2u, tcprules, tcprulescheck"},
	"fastforward":  {Program, "fastforward"},
	"aliastools":   {Program, "newaliases, newinclude, setforward, printforward, setmaillist, printmaillist"},
	"queuetools":   {Program, "qmail-qread, qmail-qstat, qmail-tcpto, qmail-tcpok"},
	"showctl":      {Program, "qmail-showctl"},
	"splogger":     {Program, "splogger"},
	"multilog":     {Program, "multilog"},
	"analog":       {Program, "matchup, its reports and filters"},
	"setuidgid":    {Program, "setuidgid"},
	"tcpserver":    {Program, "tcpserver"},
	"tcpident":     {Program, "tcp-env"},
	"tcpclient":    {Program, "tcpclient"},
	"rblsmtpd":     {Program, "rblsmtpd"},
	"ucspitools":   {Program, "recordio, fixcrio, addcr, delcr, argv0"},
	"container":    {Program, "qmail-container"},
	"setup":        {Program, "install: setup, check, config"},

	"checkpassword": {Program, "checkpassword"},
}

// Keys names, for each key, the packages that may import it. A program without
// a key has no code path to that power; widening this is a change to argue for.
var Keys = map[string][]string{
	"sys/creds": {"start", "lspawn", "tcpserver", "setuidgid", "checkpassword"},
	"sys/child": {"sys/creds", "qq", "workers", "start", "spawn", "lspawn", "rspawn", "local", "getpw", "mailtools", "feed", "fastforward", "tcpserver", "tcpident", "setuidgid", "multilog", "popup", "container", "checkpassword", "tcpclient", "rblsmtpd", "ucspitools"},
	"sys/sock":  {"dns", "ident", "remote", "smtpd", "qmqpc", "splogger", "tcpserver", "tcpident", "setup", "ucspi", "tcpclient"},
}

// Modules names the modules of others that non-test code may import, by the
// import path that they begin with, and which packages may; nil: those of floor 2.
var Modules = map[string][]string{
	"golang.org/x/sys/unix":           nil,
	"golang.org/x/net/dns/dnsmessage": {"dns"},
	"github.com/go-crypt/x/":          {"auth"}, // password hashes
}

// Linked names the binaries that link one of Modules which is not everybody's.
var Linked = map[string][]string{
	"github.com/go-crypt/x/": {"checkpassword"},
}

// Light are the binaries that run once for each message or delivery and so link
// none of Heavy; qmail-remote may link what a network client needs.
var Light = []string{"qmail-queue", "qmail-clean", "qmail-getpw", "qmail-local", "qmail-remote", "qmail-inject", "sendmail", "forward", "fastforward", "dot-forward"}

// Heavy are the packages that cost start-up time.
var Heavy = []string{"net", "crypto/tls", "net/http", "crypto/rand", "os/user", "os/exec", "encoding/json", "regexp", "text/template", "log"}

// NoSignal are the binaries that must not link os/signal, which costs more
// still once a signal is asked for. (qmail-queue ignores signals through it.)
var NoSignal = []string{"qmail-getpw", "qmail-local", "qmail-remote"}
