package smb_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	client "github.com/cloudsoda/go-smb2"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// bare is the client library by itself, over one connection.
func bare(b *testing.B, s *servers.SMB) *client.Share {
	conn, err := net.Dial("tcp", net.JoinHostPort(s.Host, s.Port))
	if err != nil {
		b.Fatal(err)
	}
	d := client.Dialer{Initiator: &client.NTLMInitiator{User: s.User, Password: s.Password, Domain: "WORKGROUP"}}
	session, err := d.DialConn(context.Background(), conn, conn.RemoteAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	share, err := session.Mount(s.Share)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return share
}

// bareSave promises the same: under a temporary name, onto the disk, then renamed.
func bareSave(s *client.Share, name string, content []byte) error {
	f, err := s.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := s.Stat(name); err == nil {
		return os.ErrExist
	}
	return s.Rename(name+".tmp", name)
}

func bareLoad(s *client.Share, name string, p []byte) error {
	f, err := s.Open(name)
	if err != nil {
		return err
	}
	if _, err := f.ReadAt(p, 0); err != nil {
		return err
	}
	return f.Close()
}

// BenchmarkBesideGoSMB2 has both sides take turns. It reports how much of the bare client's speed ours has.
func BenchmarkBesideGoSMB2(b *testing.B) {
	s := servers.StartSMB(b)
	share, ours := bare(b, s), open(b, at(s, ""), env())
	save(b, ours, "data/ab/first", nil)
	n := 0
	for _, size := range []int{512 << 10, 16 << 20} {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		body, p := storage.Bytes(content), make([]byte, size)
		name := func() string { n++; return fmt.Sprint("data/ab/", n) }
		b.Run(fmt.Sprintf("save/%dKiB", size>>10), func(b *testing.B) {
			servers.Compare(b, func() error { return bareSave(share, name(), content) },
				func() error { return ours.Save(b.Context(), name(), body) })
		})
		last := fmt.Sprint("data/ab/", n)
		b.Run(fmt.Sprintf("load/%dKiB", size>>10), func(b *testing.B) {
			servers.Compare(b, func() error { return bareLoad(share, last, p) },
				func() error { return ours.Load(b.Context(), last, p, 0) })
		})
	}
}
