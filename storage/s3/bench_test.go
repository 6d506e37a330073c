package s3_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// sizes are those of a pack and of a range that is read of one.
var sizes = []int{512 << 10, 16 << 20}

// bare is the client library by itself, with the same checksum.
func bare(b *testing.B, s servers.S3Server) minio.Core {
	core, err := minio.NewCore(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region, TrailingHeaders: true})
	if err != nil {
		b.Fatal(err)
	}
	return *core
}

// BenchmarkSave puts objects in turn by the adapter and by the library: in each round one of both, so that they share what the disk does.
func BenchmarkSave(b *testing.B) {
	s := servers.StartS3(b)
	backend, core := ready(b, s.Address, with(owner(s), "region", s.Region)), bare(b, s)
	for _, size := range sizes {
		body := storage.Bytes(content(size, size))
		p, err := io.ReadAll(body.Open())
		if err != nil {
			b.Fatal(err)
		}
		sum := base64.StdEncoding.EncodeToString(body.SHA256[:])
		b.Run(fmt.Sprintf("size=%dKiB", size>>10), func(b *testing.B) {
			compare(b, size, func(i int) error {
				return backend.Save(b.Context(), "data/"+rand.Text(), body)
			}, func(i int) error {
				opts := minio.PutObjectOptions{DisableContentSha256: true, DisableMultipart: true, UserMetadata: map[string]string{"x-amz-checksum-sha256": sum}}
				_, err := core.Client.PutObject(b.Context(), "bucket", "bare/"+rand.Text(), bytes.NewReader(p), int64(size), opts)
				return err
			})
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	s := servers.StartS3(b)
	backend, core := ready(b, s.Address, with(owner(s), "region", s.Region)), bare(b, s)
	whole := content(32<<20, 1)
	if err := backend.Save(b.Context(), "data/x", storage.Bytes(whole)); err != nil {
		b.Fatal(err)
	}
	var key string
	for found := range core.ListObjectsIter(b.Context(), "bucket", minio.ListObjectsOptions{Recursive: true}) {
		key = found.Key
	}
	for _, size := range sizes {
		p := make([]byte, size)
		b.Run(fmt.Sprintf("size=%dKiB", size>>10), func(b *testing.B) {
			compare(b, size, func(i int) error {
				return backend.Load(b.Context(), "data/x", p, int64(i%16)<<20)
			}, func(i int) error {
				var opts minio.GetObjectOptions
				if err := opts.SetRange(int64(i%16)<<20, int64(i%16)<<20+int64(size)-1); err != nil {
					return err
				}
				body, _, _, err := core.GetObject(b.Context(), "bucket", key, opts)
				if err != nil {
					return err
				}
				defer body.Close()
				_, err = io.ReadFull(body, p)
				return err
			})
			if sha256.Sum256(p) == [32]byte{} {
				b.Fatal("nothing was read")
			}
		})
	}
}

// compare does both in turn and reports what they reach, and how long the adapter takes compared to the library: by the median of the
// rounds, for the disk has its moods.
func compare(b *testing.B, size int, ours, bare func(i int) error) {
	var took, rest []float64
	timed := func(f func(i int) error, i int) float64 {
		start := time.Now()
		if err := f(i); err != nil {
			b.Fatal(err)
		}
		return time.Since(start).Seconds()
	}
	for i := range b.N {
		took = append(took, timed(ours, i))
		rest = append(rest, timed(bare, i))
	}
	slices.Sort(took)
	slices.Sort(rest)
	t, r := took[len(took)/2], rest[len(rest)/2]
	mib := float64(size) / (1 << 20)
	b.ReportMetric(mib/t, "MiB/s")
	b.ReportMetric(mib/r, "bare-MiB/s")
	b.ReportMetric(t/r, "times-bare")
}
