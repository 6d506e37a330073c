package remote_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/remote"
	"github.com/backstay/backstay/source/sourcetest"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// places starts a server of each kind and returns a location there.
var places = map[string]func(t *testing.T) (location string, v settings.Values){
	"s3": func(t *testing.T) (string, settings.Values) {
		s := servers.StartS3(t)
		v := settings.Values{"access-key-id": s.AccessKey, "secret-access-key": s.SecretKey}
		location := "s3:http://" + s.Address + "/bucket/folder"
		b, err := kinds.Open("s3:http://"+s.Address+"/bucket/beside", kinds.Options{Settings: v})
		if err == nil {
			err = b.Save(t.Context(), "config", storage.Bytes(nil)) // a bucket comes with a repository
		}
		if err != nil {
			t.Fatal(err)
		}
		return location, v
	},
	"sftp": func(t *testing.T) (string, settings.Values) {
		s := servers.StartSFTP(t)
		return s.Location(s.Dir + "/folder"), settings.Values{"private-key": s.Key, "known-hosts": s.KnownHosts}
	},
	"webdav": func(t *testing.T) (string, settings.Values) {
		s := servers.StartApache(t)
		return "webdav:" + s.URL + "/folder", settings.Values{"user": s.User, "password": s.Password}
	},
	"smb": func(t *testing.T) (string, settings.Values) {
		s := servers.StartSMB(t)
		return fmt.Sprintf("smb://%s@%s:%s/%s/folder", s.User, s.Host, s.Port, s.Share), settings.Values{"password": s.Password}
	},
}

// connections are the goroutines of clients that keep a connection.
var connections = ignored("net/http.(*persistConn).readLoop", "net/http.(*persistConn).writeLoop",
	"golang.org/x/crypto/ssh.(*mux).loop", "golang.org/x/crypto/ssh.(*mux).Wait", "golang.org/x/crypto/ssh.(*handshakeTransport).kexLoop",
	"golang.org/x/crypto/ssh.(*handshakeTransport).readLoop", "golang.org/x/crypto/ssh.(*Client).handleGlobalRequests",
	"golang.org/x/crypto/ssh.(*Client).handleChannelOpens", "golang.org/x/crypto/ssh.(*Session).wait", "github.com/pkg/sftp.newClientPipe.func1",
	"github.com/pkg/sftp.(*clientConn).recv", "github.com/pkg/sftp.(*clientConn).Wait", "github.com/backstay/backstay/storage/sftp.(*pool).tend",
	"github.com/backstay/backstay/storage/smb.(*pool).tend",
	"github.com/cloudsoda/go-smb2.(*conn).runSender", "github.com/cloudsoda/go-smb2.(*conn).runReceiver")

func ignored(functions ...string) (all []goleak.Option) {
	for _, name := range functions {
		all = append(all, goleak.IgnoreAnyFunction(name))
	}
	return all
}

func TestAFolderBehindEachServerIsASource(t *testing.T) {
	files := map[string]string{"large": strings.Repeat("0123456789abcdef", 1<<20)}
	for _, name := range []string{"a/x", "a-b", "a/b/c/d/e", "z", "späße/naïve 日本", "sp ace/plus+and&more=?", "dots/..x", "pct/%41%2f"} {
		files[name] = "content of " + name
	}
	for i := range 50 {
		files[fmt.Sprintf("many/%d/f%d", i%5, i)] = fmt.Sprint("file ", i)
	}
	for kind, start := range places {
		t.Run(kind, func(t *testing.T) {
			location, v := start(t)
			opt := kinds.Options{Settings: v}
			b, err := kinds.Open(location, opt)
			if err != nil {
				t.Fatal(err)
			}
			for name, content := range files {
				body := storage.Body{Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content)), Open: func() io.Reader { return strings.NewReader(content) }}
				if err := b.Save(t.Context(), name, body); err != nil {
					t.Fatal(err)
				}
			}
			folder, err := kinds.Browse(location, opt)
			if err != nil {
				t.Fatal(err)
			}
			sourcetest.Run(t, sourcetest.Case{
				New:        func(*testing.T) source.Source { return remote.New(folder, remote.Options{}) },
				Contents:   files,
				Background: connections,
			})
			for m, err := range folder.ReadDir(t.Context(), "none") {
				if err == nil {
					t.Errorf("ReadDir of a folder that isn't there yields %q", m.Name)
				}
			}
		})
	}
}
