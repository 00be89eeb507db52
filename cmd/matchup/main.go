// Matchup makes one line of each delivery and message in qmail-send's log; under
// its other names it makes reports of those lines: zoverall, zddist,
// zdeferrals, zfailures, zsuccesses, zrecipients, zrhosts, zrxdelay, zsenders,
// zsendmail, zsuids, and filters them: xqp, xrecipient, xsender.
//
//	started by  the administrator, cron, a processor of multilog
//	runs as     whoever may read the log
//	fd 0        matchup: the log; the others: what matchup wrote
//	fd 1        matchup: lines (matchlog.Delivery, matchlog.Message); reports
//	fd 5        matchup: what the next run needs to know, at the end
//	trusts      nobody: lines are bytes
//	spec        spec/logs.md, "qmailanalog's matchup"
package main

import (
	"goqmail/internal/analog"
	"goqmail/internal/prog"
)

func main() { prog.Main(analog.Run) }
