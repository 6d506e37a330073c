package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/backstay/backstay/storage"
)

// List implements storage.Backend. A folder beneath data is a part of the listing of all of data: the protocol has no other.
func (b *backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		for info, err := range b.list(ctx, dir) {
			if err != nil {
				yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, err))
				return
			}
			if strings.HasPrefix(info.Name, dir+"/") && !yield(info, nil) {
				return
			}
		}
	}
}

func (b *backend) list(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		folder, _, _ := strings.Cut(dir, "/")
		err := storage.CheckName(dir)
		if err == nil && !slices.Contains(folders, folder) {
			err = fmt.Errorf("the REST protocol has no such folder: %w", storage.ErrPermanent)
		}
		var answer *http.Response
		if err == nil {
			answer, err = b.ask(ctx, folder)
		}
		if err != nil {
			yield(storage.Info{}, err)
			return
		}
		defer answer.Body.Close()
		err = b.read(ctx, answer, folder, func(info storage.Info) bool { return yield(info, nil) })
		if err != nil && err != errStop {
			yield(storage.Info{}, ended(ctx, err))
		}
	}
}

// ask asks for the listing of a folder. Where that isn't found but the config is, the folder may be one that a copy of the
// repository has lost because it was empty: the server is told to make it, and asked again.
func (b *backend) ask(ctx context.Context, folder string) (*http.Response, error) {
	answer, err := b.get(ctx, folder+"/")
	if !errors.Is(err, storage.ErrNotFound) {
		return answer, err
	}
	if _, err := b.stat(ctx, "config"); errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("no repository is there: %w", err)
	} else if err != nil {
		return nil, err
	}
	if err := b.create(ctx); err != nil {
		return nil, err
	}
	if answer, err = b.get(ctx, folder+"/"); errors.Is(err, storage.ErrNotFound) {
		return nil, errors.New("the server finds the repository but not that folder, which may be a passing trouble of it")
	}
	return answer, err
}

func (b *backend) get(ctx context.Context, place string) (*http.Response, error) {
	r, err := b.request(ctx, http.MethodGet, place)
	if err != nil {
		return nil, err
	}
	return b.do(r)
}

// errStop ends a listing without being an error of it.
var errStop = errors.New("stop")

// read calls found for each file of a listing. It returns nil only if that was whole.
func (b *backend) read(ctx context.Context, answer *http.Response, folder string, found func(storage.Info) bool) error {
	element, err := b.element(ctx, answer.Header.Get("Content-Type"), folder)
	if err != nil {
		return err
	}
	in := &allowance{r: answer.Body, left: longestElement}
	return elements(in, func(d *json.Decoder) error {
		in.left = longestElement
		file, size, err := element(d)
		if err != nil {
			return err
		}
		if size < 0 {
			return fmt.Errorf("malformed listing: %q has %d bytes", file, size)
		}
		if name, ok := name(folder, file); ok && !found(storage.Info{Name: name, Size: size}) {
			return errStop
		}
		return nil
	})
}

// element returns what reads a file out of a listing of a content type. Servers that are older than the second version of the
// protocol name none, so that theirs is guessed from the text; a page of somebody else is HTML.
func (b *backend) element(ctx context.Context, contentType, folder string) (func(*json.Decoder) (string, int64, error), error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch kind {
	case version2:
		return namesWithSizes, nil
	case version1, "application/json", "text/plain":
		return func(d *json.Decoder) (string, int64, error) { return b.nameAlone(ctx, d, folder) }, nil
	}
	return nil, permanent(fmt.Errorf("the server answers with the content type %q instead of a listing", contentType),
		"check the address: this doesn't seem to be a restic REST server")
}

func namesWithSizes(d *json.Decoder) (string, int64, error) {
	var file struct {
		Name *string `json:"name"`
		Size *int64  `json:"size"`
	}
	if err := d.Decode(&file); err != nil {
		return "", 0, malformed(err)
	}
	if file.Name == nil || file.Size == nil {
		return "", 0, errors.New("malformed listing: a file without name or size")
	}
	return *file.Name, *file.Size, nil
}

// nameAlone asks for the size that a listing of version 1 doesn't tell. A file that goes meanwhile ends the listing with an error:
// the next one will be right.
func (b *backend) nameAlone(ctx context.Context, d *json.Decoder, folder string) (file string, size int64, err error) {
	if err := d.Decode(&file); err != nil {
		return "", 0, malformed(err)
	}
	if !id.MatchString(file) {
		return file, 0, nil
	}
	size, err = b.stat(ctx, folder+"/"+file)
	if errors.Is(err, storage.ErrNotFound) {
		return "", 0, fmt.Errorf("%s went while it was listed", file)
	}
	return file, size, err
}

// elements calls element at each element of the JSON array that r yields, and sees to it that the array ends and nothing follows.
// null stands for an empty one, as rest-server writes it.
func elements(r io.Reader, element func(*json.Decoder) error) error {
	d := json.NewDecoder(r)
	first, err := d.Token()
	if err != nil {
		return malformed(err)
	}
	if first != nil && first != json.Delim('[') {
		return fmt.Errorf("malformed listing: it begins with %.20q", fmt.Sprint(first))
	}
	for first != nil && d.More() {
		if err := element(d); err != nil {
			return err
		}
	}
	if first != nil {
		if _, err := d.Token(); err != nil {
			return malformed(err)
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("malformed listing: something follows its end")
	}
	return nil
}

func malformed(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("malformed listing: %w", err)
}

// longestElement is more bytes than the longest element of a listing has, with those that the decoder reads ahead.
const longestElement = 64 << 10

// allowance is a reader that doesn't go on for ever, whatever a server sends as one element.
type allowance struct {
	r    io.Reader
	left int
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errors.New("an element is too long")
	}
	n, err := a.r.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}
