package servers

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SFTP is a running server of OpenSSH that offers SFTP to the user who runs the test.
type SFTP struct {
	Host       string // 127.0.0.1
	Port       string
	User       string
	Key        string // the private key that may log in, as PEM
	KeyFile    string // the file of it
	KnownHosts string // the line by which the server is known
	Dir        string // an empty folder for the test

	pid int
}

// StartSFTP runs sshd, of Debian's package openssh-server, until the test ends.
func StartSFTP(t testing.TB) *SFTP {
	t.Helper()
	sshd := program(t, "sshd", "openssh-server")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // sshd insists on an empty folder there
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf, address := t.TempDir(), free(t)
	s := &SFTP{User: me.Username, Dir: t.TempDir()}
	s.Host, s.Port, _ = net.SplitHostPort(address)
	hostKey, hostPublic := newSSHKey(t)
	userKey, userPublic := newSSHKey(t)
	s.Key, s.KeyFile = userKey, write(t, filepath.Join(conf, "user_key"), userKey)
	s.KnownHosts = knownhosts.Line([]string{address}, hostPublic)
	lines := []string{
		"ListenAddress " + address,
		"HostKey " + write(t, filepath.Join(conf, "host_key"), hostKey),
		"AuthorizedKeysFile " + write(t, filepath.Join(conf, "authorized_keys"), string(ssh.MarshalAuthorizedKey(userPublic))),
		"PidFile none", "UsePAM no", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin yes", "PermitUserEnvironment no", "MaxStartups 100", "Subsystem sftp internal-sftp",
	}
	config := write(t, filepath.Join(conf, "sshd_config"), strings.Join(lines, "\n")+"\n")
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	start(t, address, cmd)
	s.pid = cmd.Process.Pid
	return s
}

// newSSHKey makes a key of which the private half is returned as PEM.
func newSSHKey(t testing.TB) (string, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), key
}

// Location is where restic and we find a folder of the server.
func (s *SFTP) Location(dir string) string {
	return fmt.Sprintf("sftp://%s@%s:%s/%s", s.User, s.Host, s.Port, dir)
}

// SignalSessions sends a signal to the processes that serve the connections there are, and returns how many there were.
func (s *SFTP) SignalSessions(t testing.TB, signal syscall.Signal) (sessions int) {
	t.Helper()
	for _, pid := range childrenOf(t, s.pid) {
		for _, pid := range append(childrenOf(t, pid), pid) { // one with the rights of the user, and its guardian
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		sessions++
	}
	return sessions
}

// childrenOf returns the processes that a process has started, as Linux tells it.
func childrenOf(t testing.TB, pid int) (children []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, err := os.ReadFile(task)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for field := range strings.FieldsSeq(string(content)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
