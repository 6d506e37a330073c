package sftp_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"time"

	client "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// bare is the client library by itself, over one connection.
func bare(b *testing.B, s *servers.SFTP) *client.Client {
	key, err := ssh.ParsePrivateKey([]byte(s.Key))
	if err != nil {
		b.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", net.JoinHostPort(s.Host, s.Port), &ssh.ClientConfig{User: s.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		b.Fatal(err)
	}
	c, err := client.NewClient(conn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(); conn.Close() })
	return c
}

// bareSave does with the library what makes the same promise on OpenSSH, and no more: a new file under another name, all its packets in
// flight, made durable, closed, renamed by the request that never replaces a file. No hash: neither side computes one. It asks neither
// whether the name is free, nor for the size of what it wrote, and leaves the file writable.
func bareSave(c *client.Client, name string, content []byte) error {
	temp := path.Join(path.Dir(name), ".temp-"+rand.Text())
	f, err := c.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if _, err := f.ReadFromWithConcurrency(bytes.NewReader(content), 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return c.Rename(temp, name)
}

func bareLoad(c *client.Client, name string, p []byte, offset int64) error {
	f, err := c.Open(name)
	if err != nil {
		return err
	}
	if _, err := f.ReadAt(p, offset); err != nil {
		return err
	}
	return f.Close()
}

// sizes are those of a range that is read of a pack, and of a pack.
var sizes = []int{512 << 10, 16 << 20}

// onEach runs a benchmark in a folder of a disk, and in one of the memory, where nothing hides how long the rest takes.
func onEach(b *testing.B, run func(b *testing.B, size int, dir string)) {
	for _, medium := range []struct{ name, parent string }{{"disk", ""}, {"memory", "/dev/shm"}} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("on=%s/size=%dKiB", medium.name, size>>10), func(b *testing.B) {
				dir, err := os.MkdirTemp(medium.parent, "backstay-sftp-")
				if err != nil {
					b.Skip(err)
				}
				b.Cleanup(func() { os.RemoveAll(dir) })
				run(b, size, dir)
			})
		}
	}
}

func BenchmarkSave(b *testing.B) {
	s := servers.StartSFTP(b)
	c := bare(b, s)
	onEach(b, func(b *testing.B, size int, dir string) {
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			b.Fatal(err)
		}
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		backend, body := open(b, at(s, dir)), storage.Bytes(content)
		compare(b, size, func(int) error { return backend.Save(b.Context(), "data/"+rand.Text(), body) },
			func(int) error { return bareSave(c, path.Join(dir, "data", rand.Text()), content) })
	})
}

// BenchmarkLoad reads ranges of one file, which both keep open.
func BenchmarkLoad(b *testing.B) {
	s := servers.StartSFTP(b)
	c := bare(b, s)
	onEach(b, func(b *testing.B, size int, dir string) {
		backend := open(b, at(s, dir))
		save(b, backend, packName, make([]byte, 32<<20))
		f, err := c.Open(path.Join(dir, packName))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		p := make([]byte, size)
		offset := func(i int) int64 { return int64(i%16) << 20 }
		compare(b, size, func(i int) error { return backend.Load(b.Context(), packName, p, offset(i)) },
			func(i int) error { _, err := f.ReadAt(p, offset(i)); return err })
	})
}

// BenchmarkLoadFirst reads a file that isn't open.
func BenchmarkLoadFirst(b *testing.B) {
	s := servers.StartSFTP(b)
	c := bare(b, s)
	onEach(b, func(b *testing.B, size int, dir string) {
		backend := open(b, at(s, dir))
		const links = 100 // more than are kept open
		save(b, backend, "data/0", make([]byte, size))
		for i := range links {
			if err := os.Link(filepath.Join(dir, "data/0"), filepath.Join(dir, "data", fmt.Sprint(i+1))); err != nil {
				b.Fatal(err)
			}
		}
		p := make([]byte, size)
		name := func(i int) string { return fmt.Sprint("data/", i%links+1) }
		compare(b, size, func(i int) error { return backend.Load(b.Context(), name(i), p, 0) },
			func(i int) error { return bareLoad(c, path.Join(dir, name(i)), p, 0) })
	})
}

// compare does both in turn and reports what they reach, and how long the adapter takes compared to the library: by the median of the
// rounds, for disks have their moods.
func compare(b *testing.B, size int, ours, bare func(i int) error) {
	both := [2]func(int) error{ours, bare}
	var took [2][]float64
	for i := range 2 * b.N {
		which := (i + i/2) % 2 // each is the first of every other round
		start := time.Now()
		if err := both[which](i / 2); err != nil {
			b.Fatal(err)
		}
		took[which] = append(took[which], time.Since(start).Seconds())
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	mib, t, r := float64(size)/(1<<20), took[0][b.N/2], took[1][b.N/2]
	b.ReportMetric(mib/t, "MiB/s")
	b.ReportMetric(mib/r, "bare-MiB/s")
	b.ReportMetric(t/r, "times-bare")
}
