package sendlog

// A Notice is a line that begins with "warning: " or "alert: ". Its %, if it
// has one, stands for a path below queue/, a request to qmail-clean, or a
// directory. Readers copy these lines unchanged.
type Notice string

// Append adds the line. path is ignored by a notice without %.
func (n Notice) Append(b []byte, path string) []byte { return form(n).line(b, path) }

// Warnings: something failed that will be tried again.
const (
	CannotOpen        Notice = "warning: unable to open %"
	CannotStat        Notice = "warning: unable to stat %"
	CannotStatLater   Notice = "warning: unable to stat %; will try again later"
	CannotUnlink      Notice = "warning: unable to unlink %"
	CannotUnlinkLater Notice = "warning: unable to unlink %; will try again later"
	CannotCreate      Notice = "warning: unable to create %"
	CannotUtime       Notice = "warning: unable to utime %; message will be retried too soon"
	CannotStartQueue  Notice = "warning: unable to start qmail-queue, will try later"
	CannotClean       Notice = "warning: qmail-clean unable to clean up %"
	TroubleReading    Notice = "warning: trouble reading %" // a file in todo/
	TroubleReadLater  Notice = "warning: trouble reading %; will try again later"
	TroubleWriting    Notice = "warning: trouble writing to %"
	TroubleSyncing    Notice = "warning: trouble fsyncing %"
	TroubleOpening    Notice = "warning: trouble opening %; will try again later"
	TroubleMarking    Notice = "warning: trouble marking %; message will be delivered twice!"
	TroubleBounce     Notice = "warning: trouble injecting bounce message, will try later"
	MessGone          Notice = "warning: % is gone; ignoring what is left of that message"
	TroubleSelect     Notice = "warning: trouble in select"
	UnknownInTodo     Notice = "warning: unknown record type in %" // a file in todo/
	UnknownRecord     Notice = "warning: unknown record type in %!"
	ReportOutOfRange  Notice = "warning: internal error: delivery report out of range"
)

// Alerts: a person should look.
const (
	StartHome     Notice = "alert: cannot start: unable to switch to home directory"
	StartControls Notice = "alert: cannot start: unable to read controls"
	StartQueueDir Notice = "alert: cannot start: unable to switch to queue directory"
	StartMutex    Notice = "alert: cannot start: unable to open mutex"
	StartRunning  Notice = "alert: cannot start: qmail-send is already running"
	StartSpawn    Notice = "alert: cannot start: hath the daemon spawn no fire?"
	LostSpawn     Notice = "alert: oh no! lost spawn connection! dying..."
	LostClean     Notice = "alert: oh no! lost qmail-clean connection! dying..."
	BounceAppend  Notice = "alert: unable to append to bounce message; HELP! sleeping..."
	CannotOpendir Notice = "alert: unable to opendir %, sleeping..."
	RereadHome    Notice = "alert: unable to reread controls: unable to switch to home directory"
	RereadLocals  Notice = "alert: unable to reread control/locals"
	RereadVirtual Notice = "alert: unable to reread control/virtualdomains"

	RereadConcurrencyLocal  Notice = "alert: unable to reread control/concurrencylocal"
	RereadConcurrencyRemote Notice = "alert: unable to reread control/concurrencyremote"

	RereadConcurrencyDomains Notice = "alert: unable to reread control/concurrencydomains"
)
