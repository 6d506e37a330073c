package sftp_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path"
	"testing"

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

func bareSave(c *client.Client, name string, content []byte) error {
	f, err := c.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
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
	return c.Rename(name+".tmp", name)
}

var sizes = []int{512 << 10, 16 << 20}

// next is a name that wasn't there before, so that a benchmark can run several times.
var next int

func fresh() string {
	next++
	return fmt.Sprintf("data/%02x/%d", next%4, next)
}

func BenchmarkSave(b *testing.B) {
	s := servers.StartSFTP(b)
	c, ours := bare(b, s), open(b, at(s, s.Dir))
	for folder := range 4 {
		if err := c.MkdirAll(path.Join(s.Dir, fmt.Sprintf("data/%02x", folder))); err != nil {
			b.Fatal(err)
		}
	}
	for _, size := range sizes {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		body := storage.Bytes(content) // with its hash, which is known already when a pack is saved
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := bareSave(c, path.Join(s.Dir, fresh()), content); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("ours/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := ours.Save(b.Context(), fresh(), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	s := servers.StartSFTP(b)
	c, ours := bare(b, s), open(b, at(s, s.Dir))
	save(b, ours, packName, make([]byte, 16<<20))
	for _, size := range append([]int{4 << 10}, sizes...) {
		p := make([]byte, size)
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				f, err := c.Open(path.Join(s.Dir, packName))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.ReadAt(p, 0); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
		b.Run(fmt.Sprintf("ours/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := ours.Load(b.Context(), packName, p, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("ours, four at once/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(2)
			b.RunParallel(func(pb *testing.PB) {
				for p := make([]byte, size); pb.Next(); {
					if err := ours.Load(b.Context(), packName, p, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
