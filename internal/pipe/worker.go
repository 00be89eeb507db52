package pipe

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// A worker is a program of the suite that does its job many times: qmail-local
// for one user, qmail-remote, qmail-getpw, qmail-queue, qmail-smtpd. Whoever
// starts it offers that by a pair of SOCK_SEQPACKET sockets, one end of which is
// a descriptor of the program's, named in argv[0]:
//
//	PROGRAM " worker=" N
//
// N is that descriptor, 3 or more, without leading zeros; descriptors 0 to 2 are
// /dev/null, but that of qmail-smtpd for its log is tcpserver's. argv[0] is what no grandchild inherits, and what every other
// program ignores: the offer is made only to a file that has the program's mark
// in it, and a program that is exchanged between that look and its start sees
// arguments that it refuses.
//
// The worker's first packet is its mark: so a program whose file cannot be read,
// as qmail-queue's, is known too. Jobs may be sent before it has come.
//
// One packet is one Job, with the descriptors that the program otherwise finds
// at 0, 1 and so on, fresh for each job. The worker answers each with one
// packet, a JobAnswer, after it has closed them. The end of file on its socket
// tells the worker to go. Whatever else happens on either side is trouble: the
// worker ends, and its jobs count as those of a program that crashed.

// A WorkerMark is the text in a program's file by which others know that it can
// be a worker, and speaks this version of the protocol.
type WorkerMark string

// The marks. They end in a byte that keeps them from being a part of a longer
// text of the same kind.
const (
	MarkLocal  WorkerMark = "@(#) goqmail worker 1: qmail-local;"
	MarkRemote WorkerMark = "@(#) goqmail worker 1: qmail-remote;"
	MarkGetpw  WorkerMark = "@(#) goqmail worker 1: qmail-getpw;"
	MarkQueue  WorkerMark = "@(#) goqmail worker 1: qmail-queue;"
	MarkSMTPD  WorkerMark = "@(#) goqmail worker 1: qmail-smtpd;"
)

// workerWord stands in argv[0] between the program's name and the descriptor.
const workerWord = " worker="

// FirstWorkerFD is the lowest descriptor that can be a worker's socket.
const FirstWorkerFD = 3

// WorkerName is the argv[0] that offers descriptor fd to program.
func WorkerName(program string, fd int) string { return program + workerWord + strconv.Itoa(fd) }

// ParseWorkerName finds the program's name and the descriptor in argv[0]; ok is
// false for every other name.
func ParseWorkerName(arg0 string) (program string, fd int, ok bool) {
	i := strings.LastIndex(arg0, workerWord)
	if i < 0 {
		return arg0, 0, false
	}
	digits := arg0[i+len(workerWord):]
	fd, err := strconv.Atoi(digits)
	if err != nil || fd < FirstWorkerFD || fd > maxWorkerFD || strconv.Itoa(fd) != digits {
		return arg0, 0, false
	}
	return arg0[:i], fd, true
}

// maxWorkerFD is far above every number that is used.
const maxWorkerFD = 1 << 20

// JobMax is the longest Job in bytes; what does not fit is done by a program of
// its own. AnswerMax is the longest JobAnswer.
const (
	JobMax    = 64 << 10
	AnswerMax = 64 << 10
)

// A Job asks a worker for one run of its program:
//
//	NUMBER ARGUMENT NUL ARGUMENT NUL ...
//
// NUMBER is four bytes, big-endian. It comes back in the answer, and is unique
// among the jobs that the worker has at one time. The arguments are those of
// the command line without argv[0].
type Job struct {
	Number uint32
	Args   []string
}

const numberSize = 4

// Append adds the packet to b. ok is false, and b unchanged, if the job is too
// long or an argument has a NUL.
func (j Job) Append(b []byte) (packet []byte, ok bool) {
	size := numberSize
	for _, a := range j.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return b, false
		}
		size += len(a) + 1
	}
	if size > JobMax {
		return b, false
	}
	b = binary.BigEndian.AppendUint32(b, j.Number)
	for _, a := range j.Args {
		b = append(b, a...)
		b = append(b, 0)
	}
	return b, true
}

// ParseJob reads a packet: ErrFormat if it is none.
func ParseJob(packet []byte) (Job, error) {
	if len(packet) < numberSize || len(packet) > JobMax {
		return Job{}, ErrFormat
	}
	j := Job{Number: binary.BigEndian.Uint32(packet)}
	text := string(packet[numberSize:]) // what all arguments are parts of
	j.Args = make([]string, 0, strings.Count(text, "\x00"))
	for text != "" {
		arg, rest, ok := strings.Cut(text, "\x00")
		if !ok {
			return Job{}, ErrFormat
		}
		j.Args = append(j.Args, arg)
		text = rest
	}
	return j, nil
}

// A JobAnswer says that a worker has done a job:
//
//	NUMBER CODE FLAGS TEXT
//
// CODE is the exit code that the program would have had. FLAGS is a sum of
// Answer constants. TEXT, up to the end of the packet, is what the program says
// besides: qmail-getpw its answer, qmail-queue its number in decimal, the others
// nothing.
type JobAnswer struct {
	Number uint32
	Code   byte
	Retire bool // the worker wants no more jobs
	Text   string
}

// answerRetire is the flag of Retire.
const answerRetire = 1

const answerHead = numberSize + 2

// AnswerText is the length of the longest text in bytes; one that long was cut.
const AnswerText = AnswerMax - answerHead

// Append adds the packet to b; a text that is too long is cut.
func (a JobAnswer) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, a.Number)
	var flags byte
	if a.Retire {
		flags |= answerRetire
	}
	b = append(b, a.Code, flags)
	return append(b, a.Text[:min(len(a.Text), AnswerText)]...)
}

// ParseJobAnswer reads a packet: ErrFormat if it is none.
func ParseJobAnswer(packet []byte) (JobAnswer, error) {
	if len(packet) < answerHead || len(packet) > AnswerMax || packet[numberSize+1]&^answerRetire != 0 {
		return JobAnswer{}, ErrFormat
	}
	return JobAnswer{
		Number: binary.BigEndian.Uint32(packet), Code: packet[numberSize],
		Retire: packet[numberSize+1] == answerRetire, Text: string(packet[answerHead:]),
	}, nil
}
