// Probe shows what a program sees that was entered through package single.
package main

import (
	"fmt"
	"os"
	"runtime"

	"goqmail/internal/sys/single"
)

func main() {
	fmt.Printf("args %q env %q at once %d entered %v page %d\n",
		os.Args[1:], os.Environ(), runtime.GOMAXPROCS(0), single.Entered(), os.Getpagesize())
}
