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
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"

	"github.com/backstay/backstay/storage"
)

// bare opens the backend of rclone that a storage uses, with nothing of ours around it.
func bare(b *testing.B, kind string, v map[string]string) fs.Fs {
	b.Helper()
	password := obscure.MustObscure(v["password"])
	name, root, options := kind, "bare/", configmap.Simple{}
	switch kind {
	case "webdav":
		options = configmap.Simple{"url": v["url"], "user": v["user"], "pass": password, "vendor": "other", "pacer_min_sleep": "0s"}
	case "smb":
		root = v["share"] + "/bare/"
		options = configmap.Simple{"host": v["host"], "port": v["port"], "user": v["user"], "pass": password}
	case "azure":
		name, root = "azureblob", v["container"]+"/bare"
		options = configmap.Simple{"account": v["account"], "key": v["account-key"], "endpoint": v["endpoint"], "no_check_container": "true", "upload_concurrency": "4"}
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

// put saves as rclone does: under its own name, with the checksums that the store knows.
func put(ctx context.Context, f fs.Fs, name string, content []byte) error {
	sums := map[hash.Type]string{}
	if f.Hashes().Count() > 0 {
		h, err := hash.NewMultiHasherTypes(f.Hashes())
		if err != nil {
			return err
		}
		if _, err := h.Write(content); err != nil {
			return err
		}
		sums = h.Sums()
	}
	_, err := f.Put(ctx, bytes.NewReader(content), object.NewStaticObjectInfo(name, time.Now(), int64(len(content)), true, sums, nil))
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

// BenchmarkBesideRclone has each store save and load with and without what is ours around rclone.
func BenchmarkBesideRclone(b *testing.B) {
	for _, kind := range []string{"webdav", "smb", "azure"} {
		p, v := stores[kind](b)
		ours, f := open(b, p, v, env()), bare(b, kind, v)
		save(b, ours, "config", nil) // makes the folder in the address
		for _, size := range []int{512 << 10, 16 << 20} {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			n := 0
			for _, side := range []struct {
				name string
				save func(name string) error
				load func(name string, p []byte) error
			}{
				{"rclone", func(name string) error { return put(b.Context(), f, name, content) },
					func(name string, p []byte) error { return get(b.Context(), f, name, p) }},
				{"ours", func(name string) error { return ours.Save(b.Context(), name, storage.Bytes(content)) },
					func(name string, p []byte) error { return ours.Load(b.Context(), name, p, 0) }},
			} {
				b.Run(fmt.Sprintf("%s/save/%dKiB/%s", kind, size>>10, side.name), func(b *testing.B) {
					b.SetBytes(int64(size))
					for b.Loop() {
						n++
						if err := side.save(fmt.Sprintf("data/ab/%d-%d", size, n)); err != nil {
							b.Fatal(err)
						}
					}
				})
				name := fmt.Sprintf("data/ab/%d-%d", size, n)
				b.Run(fmt.Sprintf("%s/load/%dKiB/%s", kind, size>>10, side.name), func(b *testing.B) {
					b.SetBytes(int64(size))
					buf := make([]byte, size)
					for b.Loop() {
						if err := side.load(name, buf); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
