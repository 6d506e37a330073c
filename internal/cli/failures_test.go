package cli_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/servers"
)

// shop is where failures are made: a folder with a repository in it.
type shop struct{ dir, repo string }

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{dir: t.TempDir()}
	s.repo = filepath.Join(s.dir, "repo")
	if _, err := repo.Init(t.Context(), local.New(local.OS{}, s.repo, local.Options{}), password, repo.Options{}, repo.InitOptions{KDF: quickKDF}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "a.txt"), make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command line, with further variables, and returns its exit code and what it wrote to standard error.
func (s shop) run(t *testing.T, env []string, name string, args ...string) (code int, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = s.dir
	cmd.Env = append([]string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + s.dir, "BACKSTAY_REPOSITORY=" + s.repo, "BACKSTAY_PASSWORD=" + password}, env...)
	var text strings.Builder
	cmd.Stderr = &text
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), text.String()
}

// answers starts a server that answers every request with a status.
func answers(t *testing.T, status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return "rest:" + s.URL + "/"
}

// closedPort is an address of this machine at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// smallDisk mounts a file system of one megabyte.
func (s shop) smallDisk(t *testing.T) string {
	dir := filepath.Join(s.dir, "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// powerless are the words that run a command without the powers of root over the rights of files.
func powerless() []string {
	if os.Geteuid() != 0 {
		return []string{"env"}
	}
	return []string{"setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"}
}

// TestEveryFailureEndsWithItsCode makes real failures, and looks at what a person is told of each.
func TestEveryFailureEndsWithItsCode(t *testing.T) {
	tests := map[string]struct {
		code string
		exit int
		fail func(t *testing.T, s shop) (env, args []string)
	}{
		"a wrong password": {"BST-2001", 12, func(*testing.T, shop) ([]string, []string) {
			return []string{"BACKSTAY_PASSWORD=other"}, []string{"backstay", "snapshots"}
		}},
		"no repository": {"BST-2002", 10, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "-r", "none"}
		}},
		"a repository that is there already": {"BST-2003", 1, func(*testing.T, shop) ([]string, []string) { return nil, []string{"backstay", "init"} }},
		"a locked repository": {"BST-2004", 11, func(t *testing.T, s shop) ([]string, []string) {
			r, err := repo.Open(t.Context(), local.New(local.OS{}, s.repo, local.Options{}), password, repo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unlock() })
			return nil, []string{"backstay", "check"}
		}},
		"a missing snapshot": {"BST-1003", 1, func(*testing.T, shop) ([]string, []string) { return nil, []string{"backstay", "ls", "deadbeef"} }},
		"a full storage": {"BST-3001", 1, func(t *testing.T, s shop) ([]string, []string) {
			return nil, []string{"sh", "-c", "cp -r repo small/repo && head -c 2000000 /dev/urandom > b.bin && exec backstay backup -q -r " + s.smallDisk(t) + "/repo b.bin"}
		}},
		"a full storage behind a server": {"BST-3001", 1, func(t *testing.T, _ shop) ([]string, []string) {
			return nil, []string{"backstay", "init", "-r", answers(t, http.StatusInsufficientStorage)}
		}},
		"a full disk": {"BST-5001", 1, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"sh", "-c", "exec backstay cat config > /dev/full"}
		}},
		"a folder that one may not write": {"BST-3002", 1, func(t *testing.T, s shop) ([]string, []string) {
			if err := os.Mkdir(filepath.Join(s.dir, "shut"), 0o500); err != nil {
				t.Fatal(err)
			}
			return nil, append(powerless(), "backstay", "init", "-r", "shut/repo")
		}},
		"a password file that one may not read": {"BST-5005", 1, func(t *testing.T, s shop) ([]string, []string) {
			if err := os.WriteFile(filepath.Join(s.dir, "shut"), []byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			return nil, append(powerless(), "backstay", "snapshots", "--password-file", "shut")
		}},
		"a password file that is not there": {"BST-5004", 1, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "--password-file", "none"}
		}},
		"a login that is refused": {"BST-3109", 1, func(t *testing.T, _ shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "-r", answers(t, http.StatusUnauthorized)}
		}},
		"a server where nobody listens": {"BST-3105", 1, func(t *testing.T, _ shop) ([]string, []string) {
			return nil, []string{"backstay", "health", "http://" + closedPort(t)}
		}},
		"a certificate that nobody vouches for": {"BST-3101", 1, func(t *testing.T, _ shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "-r", servers.StartREST(t, servers.RESTOptions{TLS: servers.NewCA(t).Server(t)}).Location}
		}},
		"a server without TLS": {"BST-3102", 1, func(t *testing.T, _ shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "-r", strings.Replace(answers(t, http.StatusOK), "http:", "https:", 1)}
		}},
		"a kind of storage that there isn't": {"BST-3009", 2, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "-r", "pigeon:loft"}
		}},
		"a mistyped flag": {"BST-1002", 2, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "--nonsense"}
		}},
		"a password command that fails": {"BST-1009", 1, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "--password-command", "false"}
		}},
		"a program that is not there": {"BST-1010", 1, func(*testing.T, shop) ([]string, []string) {
			return nil, []string{"backstay", "snapshots", "--password-command", "no-such-program"}
		}},
		"a damaged file": {"BST-2008", 1, func(t *testing.T, s shop) ([]string, []string) {
			if err := os.WriteFile(filepath.Join(s.repo, "config"), []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
			return nil, []string{"backstay", "snapshots"}
		}},
		"nobody signed in": {"BST-6001", 5, func(*testing.T, shop) ([]string, []string) { return nil, []string{"backstay", "plan", "list"} }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			t.Parallel()
			env, args := tt.fail(t, s)
			code, stderr := s.run(t, env, args[0], args[1:]...)
			said := regexp.MustCompile(`(?m)^backstay: .* \((BST-\d{4})\)\n(Field: .*\n)?Hint: .*\S`).FindStringSubmatch(stderr)
			if code != tt.exit || said == nil || said[1] != tt.code {
				t.Errorf("exit code %d, want %d; want the code %s at the end, and a hint:\n%s", code, tt.exit, tt.code, stderr)
			}
		})
	}
}

// A server answers its problems with their codes, hints and fields; they are told as they are.
func TestAProblemOfAServerKeepsItsCode(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]string{"detail": "that can't be", "kind": "invalid", "code": "BST-9876", "hint": "Do this.", "field": "schedule.at"})
	}))
	t.Cleanup(server.Close)
	env := []string{"BACKSTAY_SERVER=" + server.URL, "BACKSTAY_TOKEN=bst_x"}
	if code, stderr := s.run(t, env, "backstay", "plan", "list"); code != 2 || stderr != "backstay: that can't be (BST-9876)\nField: schedule.at\nHint: Do this.\n" {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
	code, stderr := s.run(t, env, "backstay", "plan", "list", "--json")
	want := `{"message_type":"exit_error","code":2,"error":"BST-9876","message":"that can't be","hint":"Do this.","field":"schedule.at"}` + "\n"
	if code != 2 || stderr != want {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
}

// A storage that refuses connections is tried again for a while; then it is told as what it is.
func TestAStorageWhereNobodyListensIsTriedAgainAndTold(t *testing.T) {
	s, address := newShop(t), closedPort(t)
	cmd := exec.CommandContext(t.Context(), "backstay", "snapshots", "-r", "rest:http://"+address+"/")
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "BACKSTAY_PASSWORD=" + password}
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*time.Second, func() { _ = cmd.Process.Signal(os.Interrupt) })
	text := new(strings.Builder)
	buffer := make([]byte, 4096)
	for n, err := out.Read(buffer); err == nil; n, err = out.Read(buffer) {
		text.Write(buffer[:n])
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(text.String(), "refused") || !strings.Contains(text.String(), "(BST-1001)\n") {
		t.Errorf("%v:\n%s", err, text)
	}
}
