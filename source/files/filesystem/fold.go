package filesystem

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// folds looks whether a name in the open directory, written in other letters, leads somewhere. Nothing is known where no
// name has letters. Inode numbers don't tell: some FUSE programs give each name one.
func folds(fd int) (fold, known bool) {
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, false
	}
	defer func() { _ = unix.Close(dir) }() // only read
	names, all := someNames(dir)
	for _, name := range names {
		other := swapCase(name)
		if other == name || slices.Contains(names, other) {
			continue
		}
		var st unix.Stat_t
		switch err := unix.Fstatat(dir, other, &st, unix.AT_SYMLINK_NOFOLLOW); {
		case err == unix.ENOENT:
			return false, true
		case err == nil && all:
			return true, true
		}
	}
	return false, false
}

// someNames returns the first names in the directory, and whether these are all.
func someNames(dir int) (names []string, all bool) {
	buf := make([]byte, 32<<10)
	for range 8 {
		n, err := unix.Getdents(dir, buf)
		if err != nil || n <= 0 {
			return names, err == nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	return names, false
}

// swapCase makes small letters of ASCII capital ones and the other way round.
func swapCase(s string) string {
	if !utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r ^ 0x20
		}
		return r
	}, s)
}

// FoldName returns what all names have in common that the file system takes for the same one: name itself where it tells
// them apart. Letters of every alphabet count, also for file systems that know fewer of them: Windows does.
func (s *System) FoldName(name string) string {
	if !s.Fold || !utf8.ValidString(name) {
		return name
	}
	return strings.Map(foldRune, name)
}

// foldRune returns the first of the letters that r is one form of.
func foldRune(r rune) rune {
	first := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		first = min(first, f)
	}
	return first
}
