package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// SMB is a running SMB server with one share.
type SMB struct {
	Host, Port     string
	Share          string
	User, Password string
	Dir            string // the folder that is shared
}

// StartSMB runs Samba until the test ends, with a configuration and users of its own.
func StartSMB(t testing.TB) *SMB {
	t.Helper()
	smbd := program(t, "smbd", "samba")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid != "0" {
		t.Skip("Samba runs as root only")
	}
	s := &SMB{Share: "backup", User: me.Username, Password: "smb;pässword", Dir: t.TempDir()}
	home, address := t.TempDir(), free(t)
	if s.Host, s.Port, err = net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(home, "smb.conf"), fmt.Sprintf(smbConfig, home, s.Port, s.Dir))
	for _, dir := range []string{"private", "state", "cache", "lock", "pid", "rpc"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	add := exec.Command(program(t, "smbpasswd", "samba-common-bin"), "-c", conf, "-s", "-a", s.User)
	add.Stdin = strings.NewReader(s.Password + "\n" + s.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("smbpasswd: %v\n%s", err, out)
	}
	start(t, address, exec.Command(smbd, "--foreground", "--no-process-group", "--debug-stdout", "-s", conf))
	return s
}

const smbConfig = `
[global]
	server role = standalone server
	private dir = %[1]s/private
	state directory = %[1]s/state
	cache directory = %[1]s/cache
	lock directory = %[1]s/lock
	pid directory = %[1]s/pid
	ncalrpc dir = %[1]s/rpc
	interfaces = 127.0.0.1
	bind interfaces only = yes
	smb ports = %[2]s
	disable netbios = yes
	load printers = no
	disable spoolss = yes
	server min protocol = SMB3
	log level = 1
[backup]
	path = %[3]s
	read only = no
`
