package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartRcloneREST runs the REST server of rclone, of Debian's package, on an empty folder until the test ends. Version 1.60, which Debian
// 12 has, writes files in place.
func StartRcloneREST(t testing.TB, flags ...string) *REST {
	t.Helper()
	s := &REST{Address: free(t), Dir: t.TempDir()}
	for _, kind := range restTypes {
		if err := os.Mkdir(filepath.Join(s.Dir, kind), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.Location = "rest:http://" + s.Address + "/"
	args := append([]string{"--config", filepath.Join(t.TempDir(), "none"), "serve", "restic", "--addr", s.Address}, append(flags, s.Dir)...)
	start(t, s.Address, exec.Command(program(t, "rclone", "rclone"), args...))
	return s
}
