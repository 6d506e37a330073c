package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxText bounds what is read as keys, in bytes. What is longer is something else.
const maxText = 64 << 10

const remark = `# The master key of Backstay. What is sealed in the database can be opened with it alone: keep a copy, and not where
# copies of the database are. The first key is the one in use, those below it are older ones.
`

// ErrExposed is wrapped by the error of a key file that others may read.
var ErrExposed = errors.New("others may read it")

// LoadFile reads the keys of a file. One that anybody but its owner may read is refused with ErrExposed.
func LoadFile(path string) (*Ring, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read key file %q: %w", path, err)
	}
	r, err := ParseRing(text)
	if err != nil {
		return nil, fmt.Errorf("read key file %q: %w", path, err)
	}
	return r, nil
}

// OpenFile is LoadFile, or makes the file with a new key if there is none. Where things were sealed already LoadFile is called: a new
// key in the place of a lost one would open nothing.
func OpenFile(path string, rand io.Reader) (*Ring, error) {
	r, err := LoadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	k, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	r = NewRing(k)
	err = r.write(path, os.Link) // which replaces nothing
	if errors.Is(err, fs.ErrExist) {
		return LoadFile(path) // of another process that starts at the same time
	}
	if err != nil {
		return nil, fmt.Errorf("make key file %q: %w", path, err)
	}
	return r, nil
}

// SaveFile makes the keys those of a file, for its owner's eyes only. It is durable, and at every moment the file has either the old
// keys or the new ones.
func (r *Ring) SaveFile(path string) error {
	if err := r.write(path, os.Rename); err != nil {
		return fmt.Errorf("write key file %q: %w", path, err)
	}
	return nil
}

// readPrivate returns what a file holds that only its owner may read.
func readPrivate(path string) (text string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", cause(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", cause(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("%w (its mode is %#o): take their right away with chmod 600, and if they may have used it, rotate the key", ErrExposed, mode)
	}
	p, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", cause(err)
	}
	if len(p) > maxText {
		return "", fmt.Errorf("it has more than %d bytes", maxText)
	}
	return string(p), nil
}

// write makes the whole file under another name, which publish then gives its own.
func (r *Ring) write(path string, publish func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return cause(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone if it was renamed
	_, err = f.WriteString(r.text())
	if err == nil {
		err = keepOwner(f, path)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := publish(f.Name(), path); err != nil {
		return cause(err)
	}
	return syncDir(dir)
}

// keepOwner gives a file the owner of the one whose place it takes: the server may run as another user than who rotates its key.
func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cause(err)
	}
	old := info.Sys().(*syscall.Stat_t)
	return cause(f.Chown(int(old.Uid), int(old.Gid)))
}

// text returns the content of a key file.
func (r *Ring) text() string {
	var b strings.Builder
	b.WriteString(remark)
	for _, k := range r.keys {
		b.WriteString(k.Text().Reveal() + "\n")
	}
	return b.String()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cause takes the path off an error which is told with one anyway.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
