package secret

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Ring is the keys of a server: the current one, with which is sealed, and older ones, with which can be opened what they once
// sealed. It is never changed.
type Ring struct{ keys []Key }

// NewRing returns a ring of a current key and older ones.
func NewRing(current Key, older ...Key) *Ring {
	return &Ring{append([]Key{current}, older...)}
}

// ParseRing reads keys as a file or the environment has them: the current one first, separated by white space or commas. A line that
// begins with # is a remark. Errors don't repeat any of the text.
func ParseRing(text string) (*Ring, error) {
	var keys []Key
	lines := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	for lines.Scan() {
		if strings.HasPrefix(strings.TrimSpace(lines.Text()), "#") {
			continue
		}
		for _, word := range strings.FieldsFunc(lines.Text(), separates) {
			k, err := ParseKey(word)
			if err != nil {
				return nil, fmt.Errorf("key number %d: %w", len(keys)+1, err)
			}
			keys = append(keys, k)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return &Ring{keys}, nil
}

func separates(r rune) bool { return strings.ContainsRune(" \t\r,", r) }

// Current returns the key with which is sealed.
func (r *Ring) Current() Key { return r.keys[0] }

// Keys returns all keys, the current one first.
func (r *Ring) Keys() []Key { return slices.Clone(r.keys) }

// Derive returns the current key's key for a purpose. What older keys are good for, such as checking what they signed, is asked of
// Keys.
func (r *Ring) Derive(purpose string) []byte { return r.Current().Derive(purpose) }

// Rotate returns a ring with a new current key, in which those of r are the older ones.
func (r *Ring) Rotate(rand io.Reader) (*Ring, error) {
	k, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	return NewRing(k, r.keys...), nil
}

// find returns the key of an id.
func (r *Ring) find(id string) (Key, bool) {
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.ID() == id })
	if i < 0 {
		return Key{}, false
	}
	return r.keys[i], true
}

// ids returns the names of all keys.
func (r *Ring) ids() (ids []string) {
	for _, k := range r.keys {
		ids = append(ids, k.ID())
	}
	return ids
}
