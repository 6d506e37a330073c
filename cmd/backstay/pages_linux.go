package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetStart takes the program's own pages out of its memory; those that it goes on to use come back from the page cache. What
// its start reads, such as how hundreds of packages begin and what commands there are, is two thirds of the program and of no use later.
// Where it can't be done, the command only takes more memory.
func forgetStart() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range unwritten(bytes.NewReader(smaps), program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED)
	}
}

type mapping struct{ start, length uintptr }

// unwritten returns where memory that can't be written holds the file and nothing else, as /proc/self/smaps (proc_pid_smaps(5))
// tells. Parts of which a page was written before it was protected, as the loader does, are no longer the file's.
func unwritten(smaps io.Reader, file string) []mapping {
	var found []mapping
	var m mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		var from, to uintptr
		var mode string
		switch n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); {
		case n == 3:
			m = mapping{}
			if (mode == "r-xp" || mode == "r--p") && strings.HasSuffix(line, " "+file) {
				m = mapping{from, to - from}
			}
		case m.length > 0 && strings.Join(strings.Fields(line), " ") == "Anonymous: 0 kB":
			found = append(found, m)
		}
	}
	return found
}
