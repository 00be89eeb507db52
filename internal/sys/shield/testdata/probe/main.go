// Probe shows what a program behind the shield sees.
package main

import (
	"fmt"
	"os"

	"goqmail/internal/sys/shield"
)

func main() {
	fmt.Printf("args %q env %q active %v stdin closed %v\n", os.Args[1:], os.Environ(), shield.Active(), shield.StdinClosed())
	if fd := shield.Stderr(); fd >= 0 {
		_, _ = fd.WriteString("for the caller\n")
	}
	panic("for nobody")
}
