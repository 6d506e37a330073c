//go:build linux && (amd64 || arm64)

// Trap runs a program and kills it at a named point:
//
//	BACKSTAY_CRASH=pack.renamed:2 trap backstay backup /home
//
// A point is a system call that touches a file below the current folder. It is named by what the file is to Backstay, and
// what is done to it: "pack.create", "pack.write", "pack.write.half", "pack.rename", and, once that is done, "pack.renamed".
// The number says at which time. The kernel stops the program before each such call and asks trap (seccomp's user
// notification), so the program is the one that is shipped: it knows nothing of points. It is killed as by kill -9, and trap
// ends with 137. With BACKSTAY_POINTS=FILE how often each point was reached is written there. BACKSTAY_PLANT=NAME makes the program one
// with a bug, as far as the disk can tell: calls are done in another order, or in part.
//
// It is a module of its own because it hands the kernel structs, and so needs unsafe, which has no place in the product.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	inside     = "trapped" // the name by which trap runs itself to become the program
	exitKilled = 137
	exitTrap   = 125
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: trap PROGRAM [ARGUMENT...]"))
	}
	if os.Args[0] == inside {
		fail(become(os.Args[1:]))
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fail(err)
	}
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "trap:", err)
	os.Exit(exitTrap)
}

// run runs the program in a trap and returns its exit code.
func run(args []string) (code int, err error) {
	t, err := newTrap()
	if err != nil {
		return 0, err
	}
	cmd, listener, err := start(args)
	if err != nil {
		return 0, err
	}
	t.kill = cmd.Process.Kill
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // a listener ends when the program does, which some kernels say only once it was waited for
	err = t.watch(listener)
	if err != nil {
		_ = cmd.Process.Kill() // it would wait for answers for ever
	}
	if waited := <-ended; cmd.ProcessState == nil {
		err = errors.Join(err, waited)
	}
	if err = errors.Join(err, t.report()); err != nil {
		return 0, err
	}
	if t.killed {
		return exitKilled, nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// newTrap reads the environment.
func newTrap() (*trap, error) {
	below, err := os.Getwd()
	t := &trap{below: below, seen: make(map[string]int), plant: plants[os.Getenv("BACKSTAY_PLANT")]}
	if name := os.Getenv("BACKSTAY_PLANT"); name != "" && t.plant == nil {
		return nil, fmt.Errorf("BACKSTAY_PLANT=%q: there is no such bug", name)
	}
	if at := os.Getenv("BACKSTAY_CRASH"); err == nil && at != "" {
		name, n, _ := strings.Cut(at, ":")
		if t.at = name; n == "" {
			n = "1"
		}
		if t.nth, err = strconv.Atoi(n); err != nil {
			err = fmt.Errorf("BACKSTAY_CRASH=%q: %w", at, err)
		}
	}
	return t, err
}

// start starts the program, and returns where its calls are heard of.
func start(args []string) (*exec.Cmd, int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("make socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = inside
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		return nil, 0, err
	}
	listener, err := receive(pair[0])
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("receive the listener: %w", err), cmd.Wait())
	}
	return cmd, listener, nil
}

// receive receives the one file that comes.
func receive(socket int) (fd int, err error) {
	defer func() { err = errors.Join(err, unix.Close(socket)) }()
	data, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(err, errors.New("nothing came"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}
