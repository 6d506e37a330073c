package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Rsyslog is a running rsyslogd.
type Rsyslog struct {
	Address string // to send to
	CA      string // PEM, of the authority that signed its certificate, with tls
	out     string
}

// syslogLine is how it writes a message down: its parts, as it has understood them.
const syslogLine = `%syslogfacility%|%syslogseverity%|%timereported:::date-rfc3339%|%app-name%|%msgid%|%structured-data%|%msg%\n`

// NewRsyslog starts one that takes messages by a transport: tls, tcp, udp or unix. With tls the driver is gtls (GnuTLS) or ossl (OpenSSL).
func NewRsyslog(t testing.TB, transport, driver string) *Rsyslog {
	t.Helper()
	server := program(t, "rsyslogd", "rsyslog rsyslog-gnutls rsyslog-openssl")
	dir := t.TempDir()
	r := &Rsyslog{Address: free(t), out: filepath.Join(dir, "out")}
	_, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		t.Fatal(err)
	}
	ready := free(t) // answers by TCP, whatever the transport is
	_, readyPort, _ := net.SplitHostPort(ready)
	config := fmt.Sprintf("global(workDirectory=%q)\nmodule(load=\"imptcp\")\ninput(type=\"imptcp\" address=\"127.0.0.1\" port=%q)\n", dir, readyPort)
	switch transport {
	case "tls":
		ca := NewCA(t)
		chain, key := ca.Files(t)
		r.CA = ca.PEM
		config += fmt.Sprintf("global(defaultNetstreamDriver=%q defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q)\n",
			driver, write(t, filepath.Join(dir, "ca.pem"), ca.PEM), write(t, filepath.Join(dir, "cert.pem"), chain), write(t, filepath.Join(dir, "key.pem"), key))
		config += fmt.Sprintf("module(load=\"imtcp\" streamDriver.name=%q streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=%q)\n", driver, port)
	case "tcp":
		config += fmt.Sprintf("module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=%q)\n", port)
	case "udp":
		config += fmt.Sprintf("module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=%q)\n", port)
	case "unix":
		r.Address = filepath.Join(dir, "log")
		config += fmt.Sprintf("module(load=\"imuxsock\" sysSock.use=\"off\")\ninput(type=\"imuxsock\" socket=%q useSpecialParser=\"off\" ignoreTimestamp=\"off\" parseHostname=\"on\")\n", r.Address)
	}
	config += fmt.Sprintf("template(name=\"parts\" type=\"string\" string=%q)\naction(type=\"omfile\" file=%q template=\"parts\")\n", "@", r.out)
	config = strings.Replace(config, `"@"`, `"`+syslogLine+`"`, 1)
	cmd := exec.Command(server, "-n", "-f", write(t, filepath.Join(dir, "rsyslog.conf"), config), "-i", filepath.Join(dir, "pid"))
	t.Cleanup(func() {
		if text, err := os.ReadFile(r.out); t.Failed() && err == nil {
			t.Logf("rsyslogd wrote:\n%s", text)
		}
	})
	if transport == "tls" || transport == "tcp" {
		ready = r.Address
	}
	start(t, ready, cmd)
	return r
}

// Lines is what it has written down of the program backstay, without what it tells of itself.
func (r *Rsyslog) Lines(t testing.TB) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(r.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "|backstay|") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}
