package servers

import (
	"os"
	"os/exec"
	"testing"
)

// S3Server is a store that speaks S3. It has no buckets yet.
type S3Server struct {
	Address   string // host:port
	AccessKey string
	SecretKey string // of the owner, who may do everything
	Region    string
}

// StartS3 runs a Versity S3 Gateway on a folder, with versions of objects and object lock. Options are its own, such as "--cert".
func StartS3(t testing.TB, options ...string) S3Server {
	t.Helper()
	s := S3Server{Address: free(t), AccessKey: "AKIATESTOWNER", SecretKey: "owner+secret/0123456789", Region: "eu-test-1"}
	args := append([]string{"--port", s.Address, "--region", s.Region, "--quiet", "--keep-alive"}, options...)
	args = append(args, "posix", "--versioning-dir", t.TempDir(), t.TempDir())
	cmd := exec.Command(tool(t, "github.com/versity/versitygw/cmd/versitygw"), args...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	start(t, s.Address, cmd)
	return s
}
