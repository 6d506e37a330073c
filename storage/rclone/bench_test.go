package rclone_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// bare opens the backend of rclone that a storage uses, with nothing of ours around it.
func bare(b *testing.B, kind string, v map[string]string) fs.Fs {
	b.Helper()
	name, root, options := kind, "bare/", configmap.Simple{}
	switch kind {
	case "azure":
		name, root = "azureblob", v["container"]+"/bare"
		options = configmap.Simple{"account": v["account"], "key": v["account-key"], "endpoint": v["endpoint"], "no_check_container": "true", "upload_concurrency": "4"}
	case "gs":
		name, root = "google cloud storage", v["bucket"]+"/bare"
		options = configmap.Simple{"anonymous": "true", "endpoint": v["endpoint"], "no_check_bucket": "true", "bucket_policy_only": "true"}
	}
	info, err := fs.Find(name)
	if err != nil {
		b.Fatal(err)
	}
	f, err := info.NewFs(context.Background(), "bare", root, fs.ConfigMap(info.Prefix, info.Options, "bare", options))
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// put saves as rclone does: with the checksums that the store knows.
func put(ctx context.Context, f fs.Fs, name string, content []byte) error {
	h, err := hash.NewMultiHasherTypes(f.Hashes())
	if err != nil {
		return err
	}
	if _, err := h.Write(content); err != nil {
		return err
	}
	_, err = f.Put(ctx, bytes.NewReader(content), object.NewStaticObjectInfo(name, time.Now(), int64(len(content)), true, h.Sums(), nil))
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
	for _, kind := range []string{"azure", "gs"} {
		p, v := stores[kind](b)
		ours, f := open(b, p, v, env()), bare(b, kind, v)
		save(b, ours, "config", nil)
		n := 0
		name := func() string { n++; return fmt.Sprint("data/ab/", n) }
		for _, size := range []int{512 << 10, 16 << 20} {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			body, p := storage.Bytes(content), make([]byte, size)
			compare := func(what string, bare func() error, ours func() error) {
				b.Run(fmt.Sprintf("%s/%s/%dKiB", kind, what, size>>10), func(b *testing.B) { servers.Compare(b, bare, ours) })
			}
			saveOurs := func() error { return ours.Save(b.Context(), name(), body) }
			compare("save", func() error { return put(b.Context(), f, name(), content) }, saveOurs)
			theirs, mine := name(), name()
			if err := put(b.Context(), f, theirs, content); err != nil {
				b.Fatal(err)
			}
			save(b, ours, mine, content)
			compare("load", func() error { return get(b.Context(), f, theirs, p) }, func() error { return ours.Load(b.Context(), mine, p, 0) })
		}
	}
}
