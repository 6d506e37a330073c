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
	Bucket   string
}

// StartGCS runs fake-gcs-server until the test ends.
func StartGCS(t testing.TB) *GCS {
	t.Helper()
	server, address := tool(t, "github.com/fsouza/fake-gcs-server"), free(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &GCS{Address: address, Endpoint: "http://" + address + "/storage/v1/", Bucket: "backup"}
	start(t, address, exec.Command(server, "-scheme", "http", "-backend", "memory", "-log-level", "error",
		"-host", host, "-port", port, "-public-host", address, "-external-url", "http://"+address))
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
