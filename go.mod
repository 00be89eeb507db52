module goqmail

go 1.26.0

// The run-time would hold files of the cgroup open, in daemons for life.
godebug (
	containermaxprocs=0
	updatemaxprocs=0
)

require (
	github.com/go-crypt/x v0.4.17
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)
