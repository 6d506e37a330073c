package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/backstay/backstay/storage"
)

// Save implements storage.Backend. It looks for the name first, since not every server does: some replace a file. The first Save
// makes the repository on the server where there is none.
func (b *backend) Save(ctx context.Context, name string, body storage.Body) error {
	if err := b.save(ctx, name, body); err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	return nil
}

func (b *backend) save(ctx context.Context, name string, body storage.Body) error {
	place, err := find(name)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("the REST protocol has no such name: %w", storage.ErrPermanent)
	}
	if err == nil {
		err = b.prepare(ctx)
	}
	if err == nil {
		err = b.absent(ctx, place)
	}
	if err == nil {
		err = b.post(ctx, place, body)
	}
	if errors.Is(err, errForbidden) { // so servers answer to a name that was taken meanwhile
		if taken := b.absent(ctx, place); taken != nil {
			return taken
		}
	}
	return err
}

// absent returns nil if there is no such file.
func (b *backend) absent(ctx context.Context, place string) error {
	_, err := b.stat(ctx, place)
	if err == nil {
		return storage.ErrExists
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// prepare makes the repository on the server, unless it has a config already.
func (b *backend) prepare(ctx context.Context) error {
	if b.prepared.Load() {
		return nil
	}
	err := b.absent(ctx, "config")
	if err == nil {
		err = b.create(ctx)
	}
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return err
	}
	b.prepared.Store(true)
	return nil
}

// create makes the folders of the repository on the server. Those that are there already stay as they are.
func (b *backend) create(ctx context.Context) error {
	r, err := b.request(ctx, http.MethodPost, "?create=true")
	if err != nil {
		return err
	}
	answer, err := b.do(r)
	if err != nil {
		return fmt.Errorf("make the repository on the server: %w", err)
	}
	return answer.Body.Close()
}

func (b *backend) post(ctx context.Context, place string, body storage.Body) error {
	r, err := b.request(ctx, http.MethodPost, place)
	if err != nil {
		return err
	}
	content := body.Exact(ctx)
	defer content.Close()
	if body.Size == 0 && content.Err() != nil {
		return content.Err()
	}
	if body.Size > 0 {
		r.Body, r.ContentLength = content, body.Size
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	answer, err := b.do(r)
	if content.Err() != nil {
		return content.Err()
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if n, _ := content.Read(make([]byte, 1)); n > 0 {
		return errors.New("the server answered before it had the whole file")
	}
	return nil
}
