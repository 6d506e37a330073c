// Package fsync watches the system calls of a real backup.
//
// What the other simulations trust is that a save is made durable on a real file system: the content before it gets its name,
// and the name before anything is built on it. Here the kernel's own record says so (strace): for each file that gets its
// name, fsync of the file, then the rename, then fsync of the folder, and all that before a snapshot gets its name. The same holds for
// folders, and for what is removed.
package fsync

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// event is a system call that succeeded. Lines of the record stand for the time.
type event struct {
	call       string // fsync, rename, unlink or mkdir
	path, to   string // to is of a rename only
	begin, end int
}

var (
	whole   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += 0$`)
	started = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+)`)
	ofFile  = regexp.MustCompile(`^\d+<(.*)>$`)
	quoted  = regexp.MustCompile(`"([^"]*)"`)
)

// parse reads what "strace -f -y" wrote.
func parse(r io.Reader) ([]event, error) {
	var events []event
	under := make(map[string]event) // by thread: what is under way; its path holds the arguments so far
	lines := bufio.NewScanner(r)
	for n := 0; lines.Scan(); n++ {
		text := lines.Text()
		if m := whole.FindStringSubmatch(text); m != nil {
			events = add(events, m[2], m[3], n, n)
		} else if m := started.FindStringSubmatch(text); m != nil {
			under[m[1]] = event{call: m[2], path: m[3], begin: n}
		} else if m := resumed.FindStringSubmatch(text); m != nil && m[3] == "0" {
			e := under[m[1]]
			events = add(events, e.call, e.path+m[2], e.begin, n)
		}
	}
	return events, lines.Err()
}

func add(events []event, call, args string, begin, end int) []event {
	e := event{begin: begin, end: end}
	paths := quoted.FindAllStringSubmatch(args, -1)
	switch {
	case call == "fsync" || call == "fdatasync":
		m := ofFile.FindStringSubmatch(args)
		if m == nil {
			return events
		}
		e.call, e.path = "fsync", m[1]
	case (strings.HasPrefix(call, "rename") || strings.HasPrefix(call, "link")) && len(paths) == 2:
		e.call, e.path, e.to = "rename", paths[0][1], paths[1][1]
	case strings.HasPrefix(call, "unlink") && len(paths) == 1:
		e.call, e.path = "unlink", paths[0][1]
	case strings.HasPrefix(call, "mkdir") && len(paths) == 1:
		e.call, e.path = "mkdir", paths[0][1]
	default:
		return events
	}
	return append(events, e)
}

// record is all that happened below a folder.
type record struct {
	root   string
	events []event
}

// below yields the events of a kind in the folder.
func (r record) below(call string) func(yield func(event) bool) {
	return func(yield func(event) bool) {
		for _, e := range r.events {
			if e.call == call && strings.HasPrefix(e.path, r.root+"/") && !yield(e) {
				return
			}
		}
	}
}

// named returns the files that got a name.
func (r record) named() map[string]bool {
	names := make(map[string]bool)
	for e := range r.below("rename") {
		names[e.to] = true
	}
	return names
}

// audit returns what is out of order.
func (r record) audit() (complaints []string) {
	for e := range r.below("rename") {
		if !r.synced(e.path, 0, e.begin) {
			complaints = append(complaints, fmt.Sprintf("%s gets its name before its content is durable", e.to))
		}
		if !r.synced(path.Dir(e.to), e.end, r.needed(e)) {
			complaints = append(complaints, fmt.Sprintf("the name of %s is not made durable in time", e.to))
		}
	}
	for e := range r.below("mkdir") {
		if !r.synced(path.Dir(e.path), e.end, r.used(e.path)) {
			complaints = append(complaints, fmt.Sprintf("the folder %s is not made durable before it is used", e.path))
		}
	}
	for e := range r.below("unlink") {
		if !r.synced(path.Dir(e.path), e.end, r.last()) {
			complaints = append(complaints, fmt.Sprintf("the removal of %s is not made durable", e.path))
		}
	}
	return complaints
}

// synced reports whether there is an fsync that begins and ends between two moments.
func (r record) synced(path string, after, before int) bool {
	for _, e := range r.events {
		if e.call == "fsync" && e.path == path && e.begin >= after && e.end <= before {
			return true
		}
	}
	return false
}

// needed is when a name must be durable: before the next snapshot gets its own, since that may need it.
func (r record) needed(named event) int {
	for e := range r.below("rename") {
		if e.begin > named.end && path.Base(path.Dir(e.to)) == "snapshots" {
			return e.begin
		}
	}
	return r.last()
}

// used is when something gets its name in a folder, or below.
func (r record) used(dir string) int {
	for e := range r.below("rename") {
		if strings.HasPrefix(e.to, dir+"/") {
			return e.begin
		}
	}
	return r.last()
}

func (r record) last() int {
	if len(r.events) == 0 {
		return 0
	}
	return r.events[len(r.events)-1].end
}
