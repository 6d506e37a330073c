package webdav_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	_ "github.com/rclone/rclone/backend/webdav" // registers itself
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/object"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// bare is rclone's client by itself.
func bare(b *testing.B, s *servers.WebDAV) fs.Fs {
	b.Helper()
	info, err := fs.Find("webdav")
	if err != nil {
		b.Fatal(err)
	}
	options := configmap.Simple{"url": s.URL, "user": s.User, "pass": obscure.MustObscure(s.Password), "vendor": "other", "pacer_min_sleep": "0s"}
	f, err := info.NewFs(context.Background(), "bare", "bare/", fs.ConfigMap(info.Prefix, info.Options, "bare", options))
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// put saves under the file's own name, where a part of it can be seen, or under another first, as ours does.
func put(ctx context.Context, f fs.Fs, name string, content []byte, renamed bool) error {
	first := name
	if renamed {
		first += ".tmp"
	}
	o, err := f.Put(ctx, bytes.NewReader(content), object.NewStaticObjectInfo(first, time.Now(), int64(len(content)), true, nil, nil))
	if err == nil && renamed {
		_, err = f.Features().Move(ctx, o, name)
	}
	return err
}

func get(ctx context.Context, f fs.Fs, name string, p []byte) error {
	o, err := f.NewObject(ctx, name)
	if err != nil {
		return err
	}
	r, err := o.Open(ctx, &fs.RangeOption{Start: 0, End: int64(len(p)) - 1})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.ReadFull(r, p)
	return err
}

// BenchmarkBesideRclone has both sides take turns.
func BenchmarkBesideRclone(b *testing.B) {
	s := servers.StartWebDAV(b, nil)
	ours, f := open(b, at(s, "/ours"), env()), bare(b, s)
	save(b, ours, "data/ab/first", nil)
	n := 0
	name := func() string { n++; return fmt.Sprint("data/ab/", n) }
	for _, size := range []int{512 << 10, 16 << 20} {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		body, p := storage.Bytes(content), make([]byte, size)
		compare := func(what string, bare, ours func() error) {
			b.Run(fmt.Sprintf("%s/%dKiB", what, size>>10), func(b *testing.B) { servers.Compare(b, bare, ours) })
		}
		saveOurs := func() error { return ours.Save(b.Context(), name(), body) }
		compare("save", func() error { return put(b.Context(), f, name(), content, true) }, saveOurs)
		compare("save beside one that shows parts", func() error { return put(b.Context(), f, name(), content, false) }, saveOurs)
		theirs, mine := name(), name()
		if err := put(b.Context(), f, theirs, content, false); err != nil {
			b.Fatal(err)
		}
		save(b, ours, mine, content)
		compare("load", func() error { return get(b.Context(), f, theirs, p) }, func() error { return ours.Load(b.Context(), mine, p, 0) })
	}
}
