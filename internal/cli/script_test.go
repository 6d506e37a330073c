package cli_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/storage/local"
)

// quickKDF is the quickest that new keys may have.
var quickKDF = crypto.KDF{N: 1 << 15, R: 8, P: 1}

// hurried is a clock that sleeps a tenth as long: taking a lock is mostly waiting for others to see it.
type hurried struct{ clock.Clock }

func (h hurried) Sleep(ctx context.Context, d time.Duration) error { return h.Clock.Sleep(ctx, d/10) }

const password = "secret word"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"backstay": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], cli.System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				Getenv: os.Getenv, Clock: hurried{clock.System}, KDF: quickKDF}))
		},
	})
}

// TestScripts runs testdata/*.txt, one for each command. Beside what testscript knows there are 'exits N COMMAND...', which runs a command that
// must end with the exit code N, and 'newrepo', which makes a repository that opens in no time.
func TestScripts(t *testing.T) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "newrepo": quickRepo(t)}
	maps.Copy(cmds, s3Commands(t))
	maps.Copy(cmds, serverCommands(t))
	maps.Copy(cmds, ownCommands(t))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds:                cmds,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			env.Setenv("BACKSTAY_REPOSITORY", "repo")
			env.Setenv("BACKSTAY_PASSWORD", password)
			return nil
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

// quickRepo returns the command newrepo. Its key is one that Backstay would not write, but reads: deriving it takes a
// millisecond, where the tests open hundreds of repositories.
func quickRepo(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	dir := t.TempDir()
	r, err := repo.Init(t.Context(), local.New(local.OS{}, dir, local.Options{}), password, repo.Options{}, repo.InitOptions{KDF: quickKDF})
	if err != nil {
		t.Fatal(err)
	}
	weaken(t, filepath.Join(dir, repo.Keys.Name(r.CurrentKey())))
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) > 0 {
			ts.Fatalf("usage: newrepo")
		}
		ts.Check(os.CopyFS(ts.MkAbs("repo"), os.DirFS(dir)))
	}
}

// weaken seals the master key in a key file with a key that is derived quickly.
func weaken(t *testing.T, name string) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	var f struct{ Salt, Data []byte }
	if err := errors.Join(json.Unmarshal(content, &file), json.Unmarshal(content, &f)); err != nil {
		t.Fatal(err)
	}
	strong, err := quickKDF.Derive(password, f.Salt)
	if err != nil {
		t.Fatal(err)
	}
	master, err := strong.Open(nil, f.Data)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := crypto.KDF{N: 2, R: 8, P: 1}.Derive(password, f.Salt)
	if err != nil {
		t.Fatal(err)
	}
	file["N"] = 2
	if file["data"], err = weak.Seal(nil, master, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if content, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	id := crypto.Hash(content)
	if err := errors.Join(os.Remove(name), os.WriteFile(filepath.Join(filepath.Dir(name), id.String()), content, 0o600)); err != nil {
		t.Fatal(err)
	}
}
