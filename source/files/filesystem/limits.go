package filesystem

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/backstay/backstay/entry"
)

// Refuses returns why the file system can't hold e at all; nil if it can, or if that has to be tried.
func (s *System) Refuses(e *entry.Entry) error {
	if why := s.Names.refuse(e.Name); why != nil {
		return fmt.Errorf("%s can't hold its name: %w", s.Name, why)
	}
	switch {
	case e.Type == entry.Symlink && s.Symlinks == No:
		return fmt.Errorf("%s can't hold symbolic links", s.Name)
	case (e.Type == entry.Device || e.Type == entry.CharDev || e.Type == entry.Fifo) && s.Devices == No:
		return fmt.Errorf("%s can't hold devices and fifos", s.Name)
	case e.Type == entry.File && s.MaxFile > 0 && e.Size > s.MaxFile:
		return fmt.Errorf("%s can't hold a file of more than %d bytes", s.Name, s.MaxFile)
	}
	return nil
}

// Unsure lists what only trying tells whether it is held.
func (s *System) Unsure() (things []string) {
	for _, a := range []struct {
		answer Answer
		thing  string
	}{
		{s.Owner, "owners"}, {s.Mode, "modes"}, {s.Symlinks, "symbolic links"}, {s.HardLinks, "hard links"}, {s.Devices, "devices and fifos"},
	} {
		if a.answer == Tried {
			things = append(things, a.thing)
		}
	}
	return things
}

// maxName is the length of the longest name, in the units of the file system.
const maxName = 255

func (n *Names) refuse(name string) error {
	switch {
	case !n.UTF16 && len(name) > maxName:
		return fmt.Errorf("it has more than %d bytes", maxName)
	case n.UTF16 && !utf8.ValidString(name):
		return errors.New("it is not UTF-8")
	case n.UTF16 && len(utf16.Encode([]rune(name))) > maxName:
		return fmt.Errorf("it has more than %d UTF-16 units", maxName)
	}
	if n.Forbidden != "" {
		if i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(n.Forbidden, r) }); i >= 0 {
			return fmt.Errorf("it has the character %q", name[i])
		}
	}
	if name != "" && strings.IndexByte(n.Tail, name[len(name)-1]) >= 0 {
		return fmt.Errorf("it ends with %q", name[len(name)-1])
	}
	return nil
}

// Without returns what of e is surely not held, given that e itself is.
func (s *System) Without(e *entry.Entry) (lost entry.Loss) {
	if s.Owner == No && (e.UID != s.UID || e.GID != s.GID) {
		lost |= entry.LossOwner
	}
	if s.Mode == No && e.Type != entry.Symlink {
		lost |= entry.LossMode
	}
	if !s.holdsTime(e.ModTime) {
		lost |= entry.LossTime
	}
	for _, a := range e.Attributes {
		lost |= s.withoutAttribute(a.Name)
	}
	return lost
}

func (s *System) withoutAttribute(name string) entry.Loss {
	loss := entry.LossOf(name)
	switch {
	case loss == entry.LossACL && s.ACLs == No:
	case loss == entry.LossAttributes && (s.Attributes == No || s.noUser && strings.HasPrefix(name, "user.")):
	default:
		return 0
	}
	return loss
}

// HoldsAttribute says whether the extended attribute may be there, as far as is known.
func (s *System) HoldsAttribute(name string) bool { return s.withoutAttribute(name) == 0 }

// holdsTime says whether t is held to the second. What is lost below that is not worth a word; the table tells it.
func (s *System) holdsTime(t time.Time) bool {
	return s.InRange(t) && (s.Step <= time.Second || t.Unix()%int64(s.Step/time.Second) == 0)
}

// InRange says whether a modification time is one of those that are held.
func (s *System) InRange(t time.Time) bool { return !t.Before(s.First) && !t.After(s.Last) }

// SameTime says whether a thing whose modification time is held was given t, as far as the file system's steps can tell.
func (s *System) SameTime(held, t time.Time) bool {
	d := held.Sub(t)
	return -s.Step < d && d < s.Step
}
