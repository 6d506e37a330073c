package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
)

// How much of a file is shown.
const (
	mostText  = 256 << 10
	mostImage = 4 << 20
)

// PreviewKind is what sort of content a preview shows.
type PreviewKind string

// The kinds. Of what is neither text nor an image nothing is shown.
const (
	PreviewText  PreviewKind = "text"
	PreviewImage PreviewKind = "image"
	PreviewOther PreviewKind = "other"
)

// Preview is the beginning of a file, or an image as a whole. What it is is told by its bytes alone: its name was chosen by anybody.
type Preview struct {
	Kind        PreviewKind
	ContentType string
	Bytes       []byte
	Truncated   bool   // there is more of the text
	Size        uint64 // of the whole file
}

// images are the first bytes of the kinds of images that are shown; none of them holds a program. A "." stands for any byte.
var images = []struct{ contentType, begins string }{
	{"image/png", "\x89PNG\r\n\x1a\n"}, {"image/jpeg", "\xff\xd8\xff"}, {"image/gif", "GIF87a"}, {"image/gif", "GIF89a"}, {"image/webp", "RIFF....WEBP"},
}

// PreviewFile shows a file of a snapshot. For the rights and the audit trail it is a download.
func (a *App) PreviewFile(ctx context.Context, who backstay.Actor, id, name string) (p Preview, err error) {
	name = clean(name)
	err = a.download(ctx, who, id, []string{name}, func(ctx context.Context, r *opened, root *snapshot.Snapshot, _ sight) error {
		n, err := restorer.Find(ctx, r.Repo, root.Tree, name)
		if err != nil {
			return err
		}
		if n.Type != entry.File {
			return backstay.Errorf(backstay.Invalid, "%q is no file", "/"+name).WithHint("Choose a file.").OnField("path")
		}
		for e, err := range restorer.Entries(ctx, r.Repo, root.Tree, restorer.Options{Sub: name}) {
			if err != nil {
				return err
			}
			if err := a.tellDownload(ctx, who, id, []string{name}); err != nil {
				return err
			}
			if p, err = previewOf(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// previewOf reads as much of a file as is shown of it.
func previewOf(ctx context.Context, e entry.Entry) (p Preview, err error) {
	content, err := e.Content.Open(ctx)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	p = Preview{Kind: PreviewOther, ContentType: "application/octet-stream", Size: e.Size}
	first, err := io.ReadAll(io.LimitReader(content, mostText+1))
	if err != nil {
		return p, err
	}
	if contentType := imageType(first); contentType != "" {
		if e.Size > mostImage {
			return p, nil
		}
		rest, err := io.ReadAll(io.LimitReader(content, mostImage))
		p.Kind, p.ContentType, p.Bytes = PreviewImage, contentType, append(first, rest...)
		return p, err
	}
	text, more := first, len(first) > mostText
	if more {
		text = wholeLetters(first[:mostText])
	}
	if utf8.Valid(text) && !bytes.ContainsRune(text, 0) {
		p.Kind, p.ContentType, p.Bytes, p.Truncated = PreviewText, "text/plain; charset=utf-8", text, more
	}
	return p, nil
}

// imageType tells which image begins so; "" for none that is shown.
func imageType(first []byte) string {
	for _, i := range images {
		same := len(first) >= len(i.begins)
		for at := 0; same && at < len(i.begins); at++ {
			same = i.begins[at] == '.' || i.begins[at] == first[at]
		}
		if same {
			return i.contentType
		}
	}
	return ""
}

// wholeLetters leaves out a letter of which the end was cut off.
func wholeLetters(text []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if at := len(text) - i; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				return text[:at]
			}
			break
		}
	}
	return text
}
