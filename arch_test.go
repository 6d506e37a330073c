package backstay_test

import (
	"os"
	"testing"
)

// The architecture as docs/architecture.md draws it, and the reason of each edge. A package is named by its folder; "x/..."
// is x and all below it, "x/*" all below it without x, "." is the root, "..." everything. Tests may import what they like.

const (
	leaves = "clock entry settings progress retention schedule internal/secret internal/chain"
	doors  = "internal/web/... internal/api/... internal/work/... internal/hub/..."
	tests  = "test/... storage/storagetest/... source/sourcetest/... internal/notify/notifytest/... internal/auth/authtest/... internal/server/servertest/..."
)

// edges says which packages never import which others.
var edges = []edge{
	{from: leaves, to: "...", why: "leaves import nothing of ours, so that everybody may import them"},
	{from: "engine/... storage/... source/...", to: ". internal/... cmd/...",
		why: "the libraries know nothing of the product around them, so that others can use them"},
	{from: "engine/...", to: "source/*", why: "the engine is handed a source.View and never picks a source"},
	{from: "engine/...", but: "engine/archiver", to: "source", why: "of sources the engine knows only the view that the archiver reads"},
	{from: "engine/...", to: "storage/*", why: "the engine is handed a storage.Backend and never picks one"},
	{from: "engine/crypto engine/chunker engine/pack engine/index", to: "storage/...", why: "these do no I/O: cache and repo talk to storage"},
	{from: "engine/internal/...", to: "...", why: "what the engine's packages share is below all of them"},
	{from: "storage/...", to: "engine/... source/...", why: "a storage keeps files and knows no meaning of them"},
	{from: "source/...", to: "storage/...", why: "sources and storages meet in the runner"},
	{from: ".", to: "engine/... storage/... source/... internal/... cmd/...", why: "the nouns do no I/O and are below all that work with them"},
	{from: doors, to: "internal/db/... engine/... source/... storage/... internal/notify/...",
		why: "a door asks a use case of app; what it did by itself would have no permission check and no audit event"},
	{from: "...", but: "internal/server " + doors, to: doors, why: "only server puts the doors together"},
	{from: "...", but: "cmd/... internal/cli/...", to: "internal/cli/...", why: "the command line is the outermost layer: only cmd imports it"},
	{from: "...", but: tests, to: "cmd/... test/...", why: "programs and whole-system tests are no libraries"},
	{from: "internal/auth", to: ". engine/... storage/... source/... internal/... cmd/... entry settings progress retention",
		why: "who somebody is is proved by values alone: a leaf, which has but the clock"},
	{from: "internal/runner", to: "storage/* source/*", why: "the runner is handed its adapters"},
	{from: "internal/catalog", to: ". storage/... source/... internal/...", why: "the catalogue is derived from repositories and knows nothing else"},
	{from: "internal/client", to: "engine/... storage/... source/... internal/... cmd/...", why: "who asks a server knows its nouns and nothing of how it does things"},
	{from: "internal/doctor/...", to: "internal/app/... internal/server internal/agent internal/client internal/db/... internal/kinds storage/* source/* internal/notify/* " + doors,
		why: "errors are explained below all that shows them: what the use cases know is put on an error by its name"},
}

// parents are the packages whose sub-packages are adapters and wrappers that never import one another.
var parents = []string{"storage", "source", "internal/notify", "internal/sink"}

// order is the order of the engine: each package imports only those before it.
var order = []string{"crypto", "chunker", "pack", "index", "cache", "repo", "tree", "snapshot"}

// verbs are the packages after that, which never import one another.
var verbs = []string{"archiver", "restorer", "checker", "pruner", "differ", "copier", "repairer"}

// modules says who imports which module of others. One that is not listed is imported by nobody.
var modules = []edge{
	{to: "github.com/klauspost/compress/gzhttp", from: "internal/web", why: "pages in fewer bytes"},
	{to: "github.com/klauspost/compress/...", from: "engine/...", why: "zstd, the compression of the repository format"},
	{to: "github.com/rclone/rclone/...", from: "storage/rclone", why: "stores of many kinds"},
	{to: "github.com/cloudsoda/go-smb2/...", from: "storage/smb", why: "the client of SMB"},
	{to: "github.com/Azure/...", from: "storage/rclone test/servers", why: "authorization and errors of rclone's Azure; test servers are filled"},
	{to: "golang.org/x/oauth2", from: "storage/rclone internal/auth", why: "authorization of rclone's clouds; the code flow below OIDC"},
	{to: "golang.org/x/oauth2/... google.golang.org/api/...", from: "storage/rclone", why: "authorization and errors of rclone's Google Cloud Storage, Drive, Dropbox and OneDrive"},
	{to: "golang.org/x/net/...", from: "test/servers", why: "a WebDAV server for tests"},
	{to: "golang.org/x/crypto/ssh/...", from: "storage/sftp test/servers", why: "the protocol below SFTP"},
	{to: "golang.org/x/crypto/argon2", from: "internal/auth", why: "hashes of passwords"},
	{to: "golang.org/x/crypto/...", from: "engine/crypto", why: "scrypt and Poly1305: all sealing is in one package"},
	{to: "github.com/pkg/sftp/...", from: "storage/sftp test/servers", why: "the SFTP protocol"},
	{to: "golang.org/x/sync/...", from: "...", why: "groups of goroutines"},
	{to: "golang.org/x/sys/...", from: "...", why: "system calls that the standard library has not"},
	{to: "golang.org/x/term/...", from: "internal/cli/...", why: "only the command line has a terminal"},
	{to: "golang.org/x/time/...", from: "storage/limit internal/server", why: "the rate limiter of transfers, and of strangers"},
	{to: "github.com/minio/minio-go/...", from: "storage/s3", why: "the client of S3"},
	{to: "github.com/danielgtaylor/huma/...", from: "internal/api", why: "operations with their description in OpenAPI"},
	{to: "github.com/prometheus/client_golang/...", from: "internal/metrics", why: "the form in which Prometheus reads numbers"},
	{to: "github.com/uptrace/bun/...", from: "internal/db", why: "rows of two kinds of database as structs"},
	{to: "github.com/pressly/goose/...", from: "internal/db", why: "migrations"},
	{to: "github.com/jackc/pgx/...", from: "internal/db internal/catalog test/servers", why: "PostgreSQL"},
	{to: "modernc.org/sqlite/...", from: "internal/db internal/catalog", why: "SQLite"},
	{to: "github.com/spf13/cobra/...", from: "internal/cli/...", why: "commands and flags"},
	{to: "github.com/spf13/pflag/...", from: "internal/cli/...", why: "commands and flags"},
	{to: "github.com/trustelem/zxcvbn/frequency", from: "internal/auth", why: "the lists of common passwords and words; its estimate takes time at each start"},
	{to: "github.com/pquerna/otp/... github.com/boombuler/barcode/...", from: "internal/auth", why: "codes of authenticator apps, and the QR code to set them up"},
	{to: "github.com/go-webauthn/webauthn/...", from: "internal/auth", why: "passkeys"},
	{to: "github.com/coreos/go-oidc/...", from: "internal/auth", why: "sign-in by another server"},
	{to: "github.com/wneessen/go-mail/...", from: "internal/notify/email", why: "the composition of mails, and SMTP"},
	{to: "github.com/nicholas-fedor/shoutrrr/...", from: "internal/notify/chat", why: "the addresses of chat services; it sends nothing, since it can't be told how to connect"},
	{to: "golang.org/x/text/unicode/norm", from: "internal/notify/sms internal/catalog", why: "letters without their accents"},
	{to: "github.com/wneessen/go-mail/...", from: "internal/notify/email", why: "the composition of mails, and SMTP"},
	{to: "github.com/nicholas-fedor/shoutrrr/...", from: "internal/notify/chat", why: "the addresses of chat services; it sends nothing, since it can't be told how to connect"},
	{to: "golang.org/x/text/unicode/norm", from: "internal/notify/sms", why: "letters without their accents"},
	{to: "github.com/hanwen/go-fuse/...", from: "internal/mount", why: "FUSE"},
}

// calls says which functions are called only where, outside of tests.
var calls = []edge{
	{to: "time.Now time.Since time.Until time.Sleep time.After time.AfterFunc time.Tick time.NewTimer time.NewTicker",
		from: "clock internal/cli/... cmd/... " + tests, why: "time is passed in as a clock.Clock, so that it can be simulated"},
	{to: "os.Getenv os.LookupEnv os.Environ", from: "internal/cli/... cmd/... " + tests,
		why: "settings are passed in: only the command line reads the environment"},
}

// packages says which packages of the standard library are imported only where, outside of tests.
var packages = []edge{
	{to: "math/rand/...", from: tests, why: "what is random in a repository keeps secrets: it comes from crypto/rand"},
	{to: "crypto/rand", from: "engine/repo storage/local storage/retry storage/sftp internal/kinds internal/cli/... " + tests, why: "randomness is passed in: these have it as their default"},
	{to: "unsafe", from: "", why: "the memory is Go's"},
}

// longFiles are the files of more than 500 lines, with the reason.
var longFiles = map[string]string{}

const (
	maxFile     = 500
	maxFunction = 100
)

func TestTheTreeFollowsTheArchitecture(t *testing.T) {
	tree, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, complaint := range rule.check(tree) {
				t.Error(complaint)
			}
		})
	}
}
