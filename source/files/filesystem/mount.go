package filesystem

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Mount is where a file system, or a part of one, stands in the tree of this machine.
type Mount struct {
	ID      int
	Root    string // directory of the file system that stands at Point
	Point   string
	Type    string // as the kernel calls it, such as "ext4" or "fuse.sshfs"
	Source  string // usually a device
	Options []string
}

// Has says whether it was mounted with the option.
func (m *Mount) Has(option string) bool { return slices.Contains(m.Options, option) }

// Mounts lists the mounts that this process sees, a later one standing over an earlier one at the same point.
func Mounts() ([]Mount, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	mounts, err := readMounts(file)
	return mounts, errors.Join(err, file.Close())
}

// MountOf returns the mount that an open file or directory was reached by.
func MountOf(fd int) (Mount, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return Mount{}, fmt.Errorf("find mount: %w", err)
	}
	_, rest, _ := bytes.Cut(info, []byte("\nmnt_id:"))
	number, _, _ := bytes.Cut(rest, []byte("\n"))
	id, err := strconv.Atoi(string(bytes.TrimSpace(number)))
	if err != nil {
		return Mount{}, fmt.Errorf("find mount: %w", err)
	}
	mounts, err := Mounts()
	if err != nil {
		return Mount{}, err
	}
	i := slices.IndexFunc(mounts, func(m Mount) bool { return m.ID == id })
	if i < 0 {
		return Mount{}, fmt.Errorf("find mount: number %d is not listed", id)
	}
	return mounts[i], nil
}

// readMounts reads lines as proc_pid_mountinfo(5) has them:
//
//	43 27 0:39 /sub /mnt rw,relatime shared:1 - btrfs /dev/sdb1 rw,subvol=/sub
func readMounts(r io.Reader) (mounts []Mount, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		place, system, found := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(place), strings.Fields(system)
		if !found || len(left) < 6 || len(right) < 3 {
			return nil, fmt.Errorf("list mounts: a line of an unknown form: %q", lines.Text())
		}
		id, err := strconv.Atoi(left[0])
		if err != nil {
			return nil, fmt.Errorf("list mounts: %w", err)
		}
		mounts = append(mounts, Mount{
			ID: id, Root: unescape(left[3]), Point: unescape(left[4]), Type: right[0], Source: unescape(right[1]),
			Options: append(strings.Split(left[5], ","), strings.Split(right[2], ",")...),
		})
	}
	return mounts, lines.Err()
}

// unescape replaces the octal numbers that the kernel writes for spaces and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
