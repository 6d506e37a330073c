package files

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The lists of patterns and paths that people keep in files. A line may be up to 1 MiB long.
const maxListLine = 1 << 20

// ReadPatterns reads a list of patterns, one a line, for Options.Exclude. Space around a line, blank lines and lines that
// begin with # don't count; $NAME and ${NAME} stand for what getenv returns for it, $$ for a dollar sign.
//
// A pattern is a row of elements with slashes between. In an element * stands for any characters, ? for one, [a-z] for
// one of a range, and a backslash takes the meaning from the next one; ** as an element stands for any number of
// directories, none too. A pattern that begins with a slash is matched with absolute paths, another one with any
// part of them, so "cache" leaves out whatever has that name, and "a/b" any b in an a. A pattern that begins with an
// exclamation mark takes back what patterns before it said, for what is not in a directory that is left out itself.
func ReadPatterns(r io.Reader, getenv func(string) string) ([]string, error) {
	expand := func(name string) string {
		if name == "$" {
			return "$"
		}
		return getenv(name)
	}
	var patterns []string
	err := readLines(r, func(line string) error {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			patterns = append(patterns, os.Expand(line, expand))
		}
		return nil
	})
	return patterns, err
}

// ReadGlobs reads a list of paths to back up, one a line. Space around a line, blank lines and lines that begin with # don't
// count. A line may have wildcards, without **, and stands for all paths that match. Lines that match nothing are returned as
// missed.
func ReadGlobs(r io.Reader) (paths, missed []string, err error) {
	err = readLines(r, func(line string) error {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			return nil
		}
		found, err := filepath.Glob(line)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", line, err)
		}
		if len(found) == 0 {
			missed = append(missed, line)
		}
		paths = append(paths, found...)
		return nil
	})
	return paths, missed, err
}

// ReadVerbatim reads a list of paths to back up, one a line, taken as they are; only empty lines don't count.
func ReadVerbatim(r io.Reader) (paths []string, err error) {
	err = readLines(r, func(line string) error {
		if line != "" {
			paths = append(paths, line)
		}
		return nil
	})
	return paths, err
}

// ReadRaw reads a list of paths to back up, each ended by a NUL byte, as find -print0 writes them.
func ReadRaw(r io.Reader) (paths []string, err error) {
	in := bufio.NewReader(r)
	for {
		p, err := in.ReadString(0)
		if err == io.EOF && p == "" {
			return paths, nil
		}
		if err == io.EOF {
			return paths, fmt.Errorf("path %q is not ended by a NUL byte: %w", p, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return paths, err
		}
		if p = p[:len(p)-1]; p == "" {
			return paths, errors.New("a path in the list is empty")
		}
		paths = append(paths, p)
	}
}

func readLines(r io.Reader, line func(string) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxListLine)
	for first := true; in.Scan(); first = false {
		p := in.Bytes()
		if first {
			p = bytes.TrimPrefix(p, []byte("\ufeff")) // editors of other systems put it there
		}
		if err := line(string(p)); err != nil {
			return err
		}
	}
	return in.Err()
}

// Literal returns the pattern that matches a path and nothing else.
func Literal(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if strings.IndexByte(`*?[]\!$`, c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
