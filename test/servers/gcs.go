package servers

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// GCS is a running emulator of Google Cloud Storage with one bucket. It lets everybody in.
type GCS struct {
	Address  string // host:port
	Endpoint string // of the API
	TLS      string // host:port where it speaks TLS too; "": nowhere
	Bucket   string
}

// StartGCS runs fake-gcs-server until the test ends. With a certificate and a key, files in PEM, it speaks TLS too.
func StartGCS(t testing.TB, certFile, keyFile string) *GCS {
	t.Helper()
	server, address := tool(t, "github.com/fsouza/fake-gcs-server"), free(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &GCS{Address: address, Endpoint: "http://" + address + "/storage/v1/", Bucket: "backup"}
	args := []string{"-backend", "memory", "-log-level", "error", "-host", host, "-external-url", "http://" + address}
	if certFile == "" {
		args = append(args, "-scheme", "http", "-port", port)
	} else {
		s.TLS = free(t)
		_, tlsPort, err := net.SplitHostPort(s.TLS)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "-scheme", "both", "-port", tlsPort, "-port-http", port, "-cert-location", certFile, "-private-key-location", keyFile)
	}
	start(t, address, exec.Command(server, args...))
	answer, err := http.Post(s.Endpoint+"b?project=test", "application/json", strings.NewReader(`{"name": "`+s.Bucket+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("make a bucket: %s", answer.Status)
	}
	return s
}
