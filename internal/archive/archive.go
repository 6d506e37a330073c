// Package archive writes entries of a snapshot as one file that other programs can unpack: tar or zip.
//
// It keeps nothing in memory but the list of names that a zip archive ends with. A tar archive keeps owners, links, devices and extended
// attributes, a zip archive files, folders and links only.
package archive

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// Writer takes entries in tree order.
type Writer interface {
	// Add writes one entry under a name. An *entry.Error loses that entry, or a part of it, and the archive goes on; any other error
	// ends it.
	Add(ctx context.Context, name string, e entry.Entry) error
	// Close writes the end. It does not close what the archive is written to.
	Close() error
}

// New returns a writer of a format, "tar" or "zip"; false for any other.
func New(format string, w io.Writer) (Writer, bool) {
	switch format {
	case "tar":
		return &tarArchive{w: tar.NewWriter(w), linked: make(map[[2]uint64]string)}, true
	case "zip":
		return &zipArchive{w: zip.NewWriter(w)}, true
	}
	return nil, false
}

type tarArchive struct {
	w      *tar.Writer
	linked map[[2]uint64]string // first name of the files that have several, by device and inode
}

// Close implements Writer.
func (a *tarArchive) Close() error { return a.w.Close() }

// Add implements Writer.
func (a *tarArchive) Add(ctx context.Context, name string, e entry.Entry) error {
	h, ok := a.header(name, e)
	if !ok {
		return nil
	}
	if err := a.w.WriteHeader(h); err != nil {
		return &entry.Error{Path: e.Path, Err: err}
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	out := &keepError{w: a.w}
	n, err := Copy(ctx, out, e)
	switch {
	case errors.Is(out.err, tar.ErrWriteTooLong):
		return &entry.Error{Path: e.Path, Err: errors.New("its content is longer than its size: cut off")}
	case out.err != nil:
		return out.err
	case err == nil && n < h.Size:
		err = errors.New("its content is shorter than its size: filled up with zeros")
	}
	// The header is out: the bytes that are lost are zeros, so that what follows stands where it should.
	if _, zerr := io.CopyN(a.w, zeros{}, h.Size-min(n, h.Size)); zerr != nil {
		return zerr
	}
	if err != nil {
		return &entry.Error{Path: e.Path, Err: err}
	}
	return nil
}

// header returns false for what an archive can't hold.
func (a *tarArchive) header(name string, e entry.Entry) (*tar.Header, bool) {
	h := &tar.Header{Format: tar.FormatPAX, Name: name, Mode: unixMode(e.Mode), Uid: int(e.UID), Gid: int(e.GID), Uname: e.User, Gname: e.Group,
		ModTime: e.ModTime, PAXRecords: make(map[string]string)}
	for _, attribute := range e.Attributes {
		h.PAXRecords["SCHILY.xattr."+attribute.Name] = string(attribute.Value)
	}
	switch e.Type {
	case entry.File:
		h.Typeflag, h.Size = tar.TypeReg, int64(e.Size)
		key := [2]uint64{e.DeviceID, e.Inode}
		if first, ok := a.linked[key]; ok && e.Links > 1 {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		} else if e.Links > 1 {
			a.linked[key] = name
		}
	case entry.Dir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case entry.Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.LinkTarget
	case entry.Device, entry.CharDev:
		h.Typeflag = tar.TypeBlock
		if e.Type == entry.CharDev {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(unix.Major(e.Device)), int64(unix.Minor(e.Device))
	case entry.Fifo:
		h.Typeflag = tar.TypeFifo
	default:
		return nil, false
	}
	return h, true
}

// unixMode returns the permission bits as Unix has them.
func unixMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	for bit, set := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			mode |= set
		}
	}
	return mode
}

// zipArchive holds files, folders and links only.
type zipArchive struct{ w *zip.Writer }

// Close implements Writer.
func (a *zipArchive) Close() error { return a.w.Close() }

// Add implements Writer.
func (a *zipArchive) Add(ctx context.Context, name string, e entry.Entry) error {
	// A backslash separates folders where Windows unpacks it: ..\x would leave the folder it is unpacked into.
	h := &zip.FileHeader{Name: strings.ReplaceAll(name, `\`, "%5C"), Modified: e.ModTime, Method: zip.Deflate}
	h.SetMode(e.Mode)
	switch e.Type {
	case entry.Dir:
		h.Name, h.Method = h.Name+"/", zip.Store
	case entry.File, entry.Symlink:
	default:
		return &entry.Error{Path: e.Path, Err: errors.New("a zip archive can't hold a " + string(e.Type))}
	}
	w, err := a.w.CreateHeader(h)
	if err != nil {
		return err
	}
	switch e.Type {
	case entry.Symlink:
		_, err = io.WriteString(w, e.LinkTarget)
		return err
	case entry.File:
		out := &keepError{w: w}
		if _, err := Copy(ctx, out, e); out.err != nil {
			return out.err
		} else if err != nil {
			return &entry.Error{Path: e.Path, Err: err}
		}
	}
	return nil
}

// keepError remembers the error of writing, to tell it from one of reading.
type keepError struct {
	w   io.Writer
	err error
}

func (k *keepError) Write(p []byte) (n int, err error) {
	n, k.err = k.w.Write(p)
	return n, k.err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Copy writes the content of a file.
func Copy(ctx context.Context, w io.Writer, e entry.Entry) (n int64, err error) {
	content, err := e.Content.Open(ctx)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(w, content)
	return n, errors.Join(err, content.Close())
}
