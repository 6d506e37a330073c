package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/archive"
)

// Attachment is what is downloaded, before its first byte.
type Attachment struct {
	Name string // as somebody else named it: any bytes
	Size int64  // -1 if nobody knows
}

// Begin is told what is going to be downloaded, and returns where to. Until then nothing was sent.
type Begin func(Attachment) io.Writer

func encodeName(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func decodeName(cursor string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(cursor)
	return string(name), err
}

// DownloadFile sends the content of one file of a snapshot.
func (a *App) DownloadFile(ctx context.Context, who backstay.Actor, id, name string, begin Begin) error {
	name = clean(name)
	return a.download(ctx, who, id, []string{name}, func(ctx context.Context, r *opened, root *snapshot.Snapshot, see sight) error {
		n, err := restorer.Find(ctx, r.Repo, root.Tree, name)
		if err != nil {
			return err
		}
		if n.Type != entry.File {
			return backstay.Errorf(backstay.Invalid, "%q is no file", "/"+name).WithHint("Download it as an archive.").OnField("path")
		}
		for e, err := range restorer.Entries(ctx, r.Repo, root.Tree, restorer.Options{Sub: name}) {
			if err != nil {
				return err
			}
			if err := a.tellDownload(ctx, who, id, []string{name}); err != nil {
				return err
			}
			if _, err := archive.Copy(ctx, begin(Attachment{path.Base(name), int64(n.Size)}), e); err != nil {
				return fmt.Errorf("send %q: %w", "/"+name, err)
			}
		}
		return nil
	})
}

// DownloadArchive sends files and folders of a snapshot, with all that is in them, as "zip" or "tar". None are the whole snapshot. What can't
// be read is named in a file at the end of the archive. The archive is called name, or by what is in it for "".
func (a *App) DownloadArchive(ctx context.Context, who backstay.Actor, id string, paths []string, format, name string, begin Begin) error {
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	paths = cleanAll(paths)
	if name == "" {
		name = archiveName(paths)
	}
	return a.download(ctx, who, id, paths, func(ctx context.Context, r *opened, root *snapshot.Snapshot, see sight) error {
		if _, ok := archive.New(format, io.Discard); !ok {
			return backstay.Errorf(backstay.Invalid, "there is no archive of the format %q", format).WithHint("It is zip or tar.").OnField("format")
		}
		for _, p := range paths {
			if _, err := restorer.Find(ctx, r.Repo, root.Tree, p); err != nil {
				return err
			}
		}
		if err := a.tellDownload(ctx, who, id, paths); err != nil {
			return err
		}
		w, _ := archive.New(format, begin(Attachment{name + "." + format, -1}))
		lost, err := writeArchive(ctx, w, restorer.Entries(ctx, r.Repo, root.Tree, restorer.Options{Select: see.narrow(paths).sees}))
		if lost > 0 {
			a.Log.WarnContext(ctx, "a download is not complete", "snapshot", id, "lost", lost)
		}
		return err
	})
}

// archiveName is how an archive of some paths is called.
func archiveName(paths []string) string {
	if len(paths) == 1 && paths[0] != "" {
		return path.Base(paths[0])
	}
	return "snapshot"
}

// download finds what is to be sent, and has it sent by a function.
func (a *App) download(ctx context.Context, who backstay.Actor, id string, paths []string, send func(context.Context, *opened, *snapshot.Snapshot, sight) error) error {
	var s backstay.Snapshot
	var see sight
	err := a.look(ctx, who, "snapshot.downloaded", func(t *task) (err error) {
		s, see, err = t.sight(id, backstay.ReadSnapshots)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range paths {
		if !see.shows(p, true) {
			return errUnseen(p)
		}
	}
	return a.reading(ctx, s, func(ctx context.Context, r *opened, root *snapshot.Snapshot) error { return send(ctx, r, root, see) })
}

// tellDownload writes the event of a download that is about to begin, if it still may.
func (a *App) tellDownload(ctx context.Context, who backstay.Actor, id string, paths []string) error {
	return a.change(ctx, who, "snapshot.downloaded", func(t *task) error {
		if _, _, err := t.sight(id, backstay.ReadSnapshots); err != nil {
			return err
		}
		shown := []string{}
		for _, p := range paths {
			shown = append(shown, strings.ToValidUTF8("/"+p, "\uFFFD"))
		}
		return t.changed(nil, map[string][]string{"paths": shown})
	})
}

// missingFile is what is added to an archive that is not complete.
const missingFile = "NOT-COMPLETE.txt"

// lostShown is how many paths that are lost an archive names.
const lostShown = 10_000

// writeArchive writes entries and the end of the archive. What can't be read is left out and named in a file.
func writeArchive(ctx context.Context, w archive.Writer, entries func(func(entry.Entry, error) bool)) (lost int, err error) {
	var names strings.Builder
	for e, err := range entries {
		if err == nil {
			err = w.Add(ctx, e.Path, e)
		}
		var one *entry.Error
		switch {
		case err == nil:
		case errors.As(err, &one) && context.Cause(ctx) == nil:
			if lost++; lost <= lostShown {
				fmt.Fprintf(&names, "/%s: %v\n", one.Path, one.Err)
			}
		default:
			return lost, err
		}
	}
	if lost > 0 {
		text := fmt.Sprintf("%d paths of the snapshot could not be put into this archive:\n\n%s", lost, names.String())
		if err := w.Add(ctx, missingFile, textEntry(text)); err != nil {
			return lost, err
		}
	}
	return lost, w.Close()
}

// textEntry is a file that no snapshot has.
func textEntry(text string) entry.Entry {
	return entry.Entry{Path: missingFile, Meta: entry.Meta{Name: missingFile, Type: entry.File, Mode: 0o644, Size: uint64(len(text)), ModTime: time.Unix(0, 0)}, Content: textContent(text)}
}

type textContent string

func (t textContent) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(t))), nil
}
func (textContent) LinkTarget() (string, error)            { return "", nil }
func (textContent) Attributes() ([]entry.Attribute, error) { return nil, nil }
