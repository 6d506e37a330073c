//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is the kernel's struct seccomp_notif.
type notification struct {
	id    uint64
	tid   uint32
	flags uint32
	call  uint32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is the kernel's struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// become makes this process the program, each of whose calls that have a name asks first.
func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is the thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no new privileges: %w", err)
	}
	filter := program()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("set the filter: %w", errno)
	}
	const socket = 3
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(fd)), nil, 0); err != nil {
		return fmt.Errorf("hand over the listener: %w", err)
	}
	if err := unix.Close(socket); err != nil {
		return err
	}
	return unix.Exec(path, args, os.Environ())
}

// program is the filter: calls that have a name wait for an answer. Of those that open a file only the ones that may create it have one.
func program() []unix.SockFilter {
	const number, flags = 0, 16 + 2*8 // offsets in struct seccomp_data: of the call, of the third argument
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	unless := func(test uint16, k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jf: skip, K: k}
	}
	filter := []unix.SockFilter{load(number),
		unless(unix.BPF_JEQ, unix.SYS_OPENAT, 4), load(flags), unless(unix.BPF_JSET, unix.O_CREAT, 1), end(unix.SECCOMP_RET_USER_NOTIF), end(unix.SECCOMP_RET_ALLOW)}
	for call := range calls {
		filter = append(filter, unless(unix.BPF_JEQ, call, 1), end(unix.SECCOMP_RET_USER_NOTIF))
	}
	return append(filter, end(unix.SECCOMP_RET_ALLOW))
}

// next waits for a call. It returns false when the program has ended.
func next(listener int) (*notification, bool, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return nil, false, fmt.Errorf("wait for a call: %w", err)
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return nil, false, nil
		}
		n := new(notification)
		switch err := control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n)); err {
		case 0:
			return n, true, nil
		case unix.ENOENT, unix.EINTR: // its thread is no more
		default:
			return nil, false, fmt.Errorf("receive a call: %w", err)
		}
	}
}

// answer lets the call of a program go on: in the kernel if err is errKernel, else with what was done for it.
func answer(listener int, n *notification, err error) error {
	r := response{id: n.id}
	errno, known := err.(unix.Errno)
	switch {
	case err == errKernel:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case known:
		r.errno = -int32(errno)
	case err != nil:
		return err
	}
	if err := control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != 0 && err != unix.ENOENT {
		return fmt.Errorf("answer a call: %w", err)
	}
	return nil
}

func control(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}
