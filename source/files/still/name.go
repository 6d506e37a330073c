package still

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// prefix begins the name of each picture, and of nothing else.
const prefix = "backstay-still-"

// IsPicture says whether a name in a directory is that of a Btrfs picture, which is no part of what it stands in.
func IsPicture(name string) bool { return strings.HasPrefix(name, "."+prefix) }

// process tells a process from all others, those of earlier boots and of other containers too.
type process struct {
	scope string // of the numbers of processes: a boot and a namespace
	pid   int
	start string // when it began, in ticks after the boot
}

func thisProcess() (p process, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return p, fmt.Errorf("name a snapshot: %w", err)
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return p, fmt.Errorf("name a snapshot: %w", err)
	}
	sum := sha256.Sum256([]byte(string(boot) + space))
	p = process{scope: hex.EncodeToString(sum[:4]), pid: os.Getpid()}
	if p.start, err = startOf(p.pid); err != nil {
		return p, fmt.Errorf("name a snapshot: %w", err)
	}
	return p, nil
}

// startOf returns when a process began; its error is fs.ErrNotExist if there is none.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is a name in parentheses that may have any character; the start is the 22nd.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	return fields[19], nil
}

const nameTime = "20060102T150405.000000000"

// newName makes the name of the n-th picture that a process takes at a time. LVM and ZFS allow all of its characters.
func newName(now time.Time, p process, n int) string {
	return fmt.Sprintf("%s%s-%s-%d-%s-%d", prefix, now.UTC().Format(nameTime), p.scope, p.pid, p.start, n)
}

// foreign is the age from which on the picture of a process that can't be looked for is left over.
const foreign = 24 * time.Hour

// left says whether the picture of that name was left by a process that is gone.
func (p process) left(name string, now time.Time) bool {
	rest, found := strings.CutPrefix(name, prefix)
	parts := strings.Split(rest, "-")
	if !found || len(parts) != 5 {
		return false
	}
	at, err := time.Parse(nameTime, parts[0])
	if err != nil {
		return false
	}
	if parts[1] != p.scope {
		return now.Sub(at) > foreign
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil {
		return false
	}
	start, err := startOf(pid)
	return errors.Is(err, fs.ErrNotExist) || err == nil && start != parts[3]
}

// ours guards commands that remove: they are called for names of pictures only.
func ours(name string) error {
	if !strings.HasPrefix(name, prefix) || strings.ContainsAny(name, "/@ ") {
		return fmt.Errorf("%q is no snapshot of ours", name)
	}
	return nil
}
