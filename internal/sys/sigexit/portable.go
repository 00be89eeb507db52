//go:build !(linux && (amd64 || arm64 || 386))

package sigexit

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// On makes each of the signals end the process with code, 0 to 255, from now
// on. On machines without a handler in machine code it asks os/signal, which
// costs start-up time and does not see faults of the program itself.
func On(code uint8, signals ...unix.Signal) error {
	in := make(chan os.Signal, 1)
	for _, s := range signals {
		signal.Notify(in, s)
	}
	go func() {
		<-in
		sys.Exit(int(code))
	}()
	return nil
}
