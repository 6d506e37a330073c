package servers

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// Azurite is a running emulator of Azure Blob Storage with one container.
type Azurite struct {
	Address      string // host:port
	Endpoint     string // the address of the account
	Account, Key string
	Container    string
}

// StartAzurite runs Microsoft's emulator until the test ends. The first time it installs it beneath bin, in the version that
// tools/azurite pins. With a certificate and a key, files in PEM, it speaks TLS.
func StartAzurite(t testing.TB, certFile, keyFile string) *Azurite {
	t.Helper()
	node, main, address := program(t, "node", "nodejs"), azurite(t), free(t)
	s := &Azurite{Address: address, Account: "backstaytest", Key: base64.StdEncoding.EncodeToString([]byte("a key/of an+account")), Container: "backup"}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{main, "--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"}
	scheme := "http"
	if certFile != "" {
		scheme = "https"
		args = append(args, "--cert", certFile, "--key", keyFile)
	}
	cmd := exec.Command(node, args...)
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+s.Account+":"+s.Key)
	cmd.Dir = t.TempDir()
	start(t, address, cmd)
	s.Endpoint = scheme + "://" + address + "/" + s.Account
	if certFile == "" {
		s.MakeContainer(t, s.Container)
	}
	return s
}

// MakeContainer makes a container, over plain HTTP.
func (s *Azurite) MakeContainer(t testing.TB, name string) {
	t.Helper()
	credential, err := service.NewSharedKeyCredential(s.Account, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	opt := &service.ClientOptions{}
	opt.Transport = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	client, err := service.NewClientWithSharedKeyCredential(s.Endpoint, credential, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(policy.WithRetryOptions(t.Context(), policy.RetryOptions{MaxRetries: 5, RetryDelay: time.Second}), time.Minute)
	defer cancel()
	if _, err := client.CreateContainer(ctx, name, nil); err != nil {
		t.Fatal(err)
	}
}

// azurite returns the path of the emulator's program.
func azurite(t testing.TB) string {
	t.Helper()
	npm := program(t, "npm", "npm")
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	home := filepath.Join(root, "bin", "azurite")
	main := filepath.Join(home, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	building.Lock()
	defer building.Unlock()
	pinned, err := os.ReadFile(filepath.Join(root, "tools", "azurite", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(home, "installed") // the versions that are there, once all are
	if there, err := os.ReadFile(stamp); err == nil && bytes.Equal(there, pinned) {
		return main
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(root, "tools", "azurite", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "package.json"), string(manifest))
	write(t, filepath.Join(home, "package-lock.json"), string(pinned))
	install := exec.Command(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = home
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install Azurite: %v\n%s", err, out)
	}
	write(t, stamp, string(pinned))
	return main
}
