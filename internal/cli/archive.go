package cli

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// archive takes entries in tree order. An *entry.Error of add loses that entry, or a part of it, and the archive goes on; any other
// error ends it.
type archive interface {
	add(ctx context.Context, name string, e entry.Entry) error
	close() error
}

func archives() map[string]func(io.Writer) archive {
	return map[string]func(io.Writer) archive{
		"tar": func(w io.Writer) archive { return &tarArchive{w: tar.NewWriter(w), linked: make(map[[2]uint64]string)} },
		"zip": func(w io.Writer) archive { return &zipArchive{w: zip.NewWriter(w)} },
	}
}

type tarArchive struct {
	w      *tar.Writer
	linked map[[2]uint64]string // first name of the files that have several, by device and inode
}

func (a *tarArchive) close() error { return a.w.Close() }

func (a *tarArchive) add(ctx context.Context, name string, e entry.Entry) error {
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
	n, err := copyContent(ctx, out, e)
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

func (a *zipArchive) close() error { return a.w.Close() }

func (a *zipArchive) add(ctx context.Context, name string, e entry.Entry) error {
	h := &zip.FileHeader{Name: name, Modified: e.ModTime, Method: zip.Deflate}
	h.SetMode(e.Mode)
	switch e.Type {
	case entry.Dir:
		h.Name, h.Method = name+"/", zip.Store
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
		if _, err := copyContent(ctx, out, e); out.err != nil {
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
