// Benchfloor stands in the place of qmail-queue and does the least that a
// program there can do: it makes the message's files below a directory, under
// the queue's names, and flushes them. No envelope is looked at, no time limit
// kept, no directory flushed. What it reaches is what starting a Go program and
// the disk leave to a real one.
//
//	usage       benchfloor DIR
//	started by  bench, once per message
//	fd 0, fd 1  message and envelope, as qmail-queue reads them
//	exit        0, or 53 when anything fails
//
// It is built by make bench and not installed.
package main

import (
	"os"
	"strconv"
	"syscall"
)

// split is the number of directories below mess.
const split = 23

// exitWrite is qmail-queue's code for a write that failed.
const exitWrite = 53

func main() {
	if len(os.Args) != 2 {
		os.Exit(exitWrite)
	}
	dir := os.Args[1]
	pid := dir + "/pid/" + strconv.Itoa(syscall.Getpid())
	number := store(pid, 0)
	id := strconv.FormatUint(number, 10)
	check(syscall.Link(pid, dir+"/mess/"+strconv.FormatUint(number%split, 10)+"/"+id))
	check(syscall.Unlink(pid))
	store(dir+"/intd/"+id, 1)
	check(syscall.Link(dir+"/intd/"+id, dir+"/todo/"+id))
}

// store copies a descriptor to a new file, flushes it and returns its inode.
func store(path string, from int) uint64 {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL, 0o600)
	check(err)
	var st syscall.Stat_t
	check(syscall.Fstat(fd, &st))
	var buf [8192]byte
	for {
		n, err := syscall.Read(from, buf[:])
		check(err)
		if n == 0 {
			break
		}
		_, err = syscall.Write(fd, buf[:n])
		check(err)
	}
	check(syscall.Fsync(fd))
	check(syscall.Close(fd))
	return st.Ino
}

func check(err error) {
	if err != nil {
		os.Exit(exitWrite)
	}
}
