package s3_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// backstay builds the program and returns what runs one of its commands on a repository.
func backstay(t *testing.T, r resticbin.Repo) func(args ...string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "backstay")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/backstay").CombinedOutput(); err != nil {
		t.Fatalf("build backstay: %v\n%s", err, out)
	}
	return func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-r", r.Dir}, args...)...)
		cmd.Env = append([]string{"RESTIC_PASSWORD=" + r.Password, "HOME=" + t.TempDir()}, r.Env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("backstay %q: %v\n%s", args, err, out)
		}
	}
}

// wantFile fails the test unless the restored tree holds the file.
func wantFile(t *testing.T, tree, path string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(tree, path))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the restored file has %d bytes, %v, want those %d that were backed up", len(got), err, len(content))
	}
}

func TestResticAndBackstayReadWhatTheOtherWrote(t *testing.T) {
	bin, s := resticbin.Newest(t), servers.StartS3(t)
	content := bytes.Repeat([]byte("some content to be cut and sealed\n"), 100_000)
	source := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey}
	for _, restics := range []bool{true, false} {
		folder := map[bool]string{true: "by-restic", false: "by-backstay/nested"}[restics]
		r := resticbin.Repo{Bin: bin, Dir: location(s.Address, folder), Password: "password", Env: env}
		ours := backstay(t, r)
		restic := func(args ...string) {
			t.Helper()
			if _, err := r.Run(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
		}
		first, second := restic, ours
		if !restics {
			first, second = ours, restic
		}
		first("init")
		first("backup", source)
		second("check", "--read-data")
		target := t.TempDir()
		second("restore", "latest", "--target", target)
		wantFile(t, target, source, content)
		second("backup", source)
		first("check", "--read-data")
		second("forget", "--keep-last", "1", "--prune")
		first("check", "--read-data")
	}
}
