package rclone_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// meeting is one repository as restic and as Backstay reach it. Empty: restic doesn't speak to such a store, and goes to the same files.
type meeting struct {
	restic  string // its location
	ours    string
	env     []string // of both
	options []string // of ours
	flags   []string // of restic's
}

// build makes the program once for all tests.
var build = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(programs, "backstay")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/backstay").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build backstay: %w\n%s", err, out)
	}
	return program, nil
})

// programs is the folder of what is built.
var programs string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "")
	if err == nil {
		flag.Parse()
		err = flag.Set("test.parallel", "8") // most of them wait: for rclone, which paces itself, and for servers
	}
	if err != nil {
		panic(err)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// backstay returns what runs the program on a repository.
func backstay(t *testing.T, m meeting, password string) func(args ...string) {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) {
		t.Helper()
		all := []string{"-r", m.ours}
		for _, option := range m.options {
			all = append(all, "-o", option)
		}
		cmd := exec.CommandContext(t.Context(), program, append(all, args...)...)
		cmd.Env = append([]string{"RESTIC_PASSWORD=" + password, "HOME=" + t.TempDir()}, m.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("backstay %q: %v\n%s", args, err, out)
		}
	}
}

func (m meeting) test(t *testing.T, resticFirst bool) {
	t.Helper()
	content := bytes.Repeat([]byte("some content to be cut and sealed\n"), 100_000)
	source := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: m.restic, Password: "password", Env: m.env}
	first, second := func(args ...string) {
		t.Helper()
		if _, err := r.Run(t.Context(), append(m.flags, args...)...); err != nil {
			t.Fatal(err)
		}
	}, backstay(t, m, r.Password)
	if !resticFirst {
		first, second = second, first
	}
	first("init")
	first("backup", source)
	second("check", "--read-data")
	target := t.TempDir()
	second("restore", "latest", "--target", target)
	if got, err := os.ReadFile(filepath.Join(target, source)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the restored file has %d bytes, %v, want those %d that were backed up", len(got), err, len(content))
	}
	second("backup", source)
	first("check", "--read-data")
	second("forget", "--keep-last", "1", "--prune")
	first("check", "--read-data")
}

func (m meeting) bothWays(t *testing.T, at func(m meeting, folder string) meeting) {
	t.Helper()
	for folder, resticFirst := range map[string]bool{"by-restic": true, "by-backstay": false} {
		t.Run(folder, func(t *testing.T) { at(m, folder).test(t, resticFirst) })
	}
}

func TestResticAndBackstayReadWhatTheOtherWroteInAzure(t *testing.T) {
	t.Parallel()
	authority, cert, key := certificateFiles(t, "*.blob.core.windows.net")
	s := servers.StartAzurite(t, cert, key)
	m := meeting{
		env:     []string{"AZURE_ACCOUNT_NAME=" + s.Account, "AZURE_ACCOUNT_KEY=" + s.Key, "HTTPS_PROXY=" + everythingAt(t, s.Address)},
		options: []string{"endpoint=" + s.Endpoint, "ca-certificate=@" + authority},
		flags:   []string{"--cacert", authority},
	}
	// restic makes the container, so it is first
	m.restic, m.ours = "azure:backup:/by-restic", "azure:backup:/by-restic"
	m.test(t, true)
	m.restic, m.ours = "azure:backup:/by/backstay", "azure:backup:/by/backstay"
	m.test(t, false)
}

// certificateFiles writes the certificate of an authority, and that of a server with its key.
func certificateFiles(t *testing.T, host string) (authority, cert, key string) {
	t.Helper()
	ca, dir := servers.NewCA(t), t.TempDir()
	own := ca.ServerOf(t, func(c *x509.Certificate) { c.DNSNames = []string{host} }).Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("ca.pem", []byte(ca.PEM)),
		write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})),
		write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// everythingAt returns the address of an HTTP proxy that connects to one server, whichever is asked for.
func everythingAt(t *testing.T, address string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		far, err := net.Dial("tcp", address)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(far, near) }()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestResticAndBackstayReadWhatTheOtherWroteInGoogleCloudStorage(t *testing.T) {
	t.Parallel()
	authority, cert, key := certificateFiles(t, "storage.googleapis.com")
	s := servers.StartGCS(t, cert, key)
	m := meeting{
		env:     []string{"GOOGLE_PROJECT_ID=test", "GOOGLE_ACCESS_TOKEN=none", "HTTPS_PROXY=" + everythingAt(t, s.TLS)},
		options: []string{"endpoint=" + s.Endpoint},
		flags:   []string{"--cacert", authority},
	}
	m.bothWays(t, func(m meeting, folder string) meeting {
		m.restic, m.ours = "gs:"+s.Bucket+":/"+folder, "gs:"+s.Bucket+":/"+folder
		return m
	})
}
