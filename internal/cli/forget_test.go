package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
)

// command runs a command that must succeed on the repository in dir and returns what it printed.
func command(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"BACKSTAY_REPOSITORY": dir, "BACKSTAY_PASSWORD": password}
	code := cli.Main(t.Context(), args, cli.System{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return env[name] }, Clock: hurried{clock.System}})
	if code != 0 {
		t.Fatalf("backstay %s ends with %d: %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.Bytes()
}

// work changes some files of a folder, and removes some.
func work(t *testing.T, rng *rand.Rand, dir string) {
	t.Helper()
	for range 10 {
		name := filepath.Join(dir, fmt.Sprint(rng.IntN(12)))
		if rng.IntN(5) == 0 {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p := make([]byte, rng.IntN(200_000))
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		if err := os.WriteFile(name, p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// figures returns what forget --json said of its prune.
func figures(t *testing.T, out []byte) (f map[string]any) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &f); err != nil || f["message_type"] != "summary" {
		t.Fatalf("forget --prune ends with %q: %v", lines[len(lines)-1], err)
	}
	delete(f, "dry_run")
	return f
}

func TestADryRunOfForgetForetellsWhatPruneFrees(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 0))
			dir, src := filepath.Join(t.TempDir(), "repo"), t.TempDir()
			if _, err := quickrepo.Make(context.Background(), local.New(local.OS{}, dir, local.Options{}), password, 2); err != nil {
				t.Fatal(err)
			}
			for day := range 4 {
				work(t, rng, src)
				command(t, dir, "backup", "-q", "--host", fmt.Sprint("h", rng.IntN(2)), "--time", fmt.Sprintf("2026-01-0%d 10:00:00", day+1), src)
			}
			args := []string{"forget", "--keep-last", "1", "--prune", "--json", "--max-unused", []string{"0", "5%", "unlimited"}[rng.IntN(3)]}
			if rng.IntN(2) == 0 {
				args = append(args, "--repack-small")
			}
			foretold := figures(t, command(t, dir, append(args, "--dry-run")...))
			if diff := cmp.Diff(foretold, figures(t, command(t, dir, args...))); diff != "" || foretold["freed_bytes"] == 0.0 {
				t.Errorf("%s frees %v by its dry run (-foretold +real)\n%s", strings.Join(args, " "), foretold["freed_bytes"], diff)
			}
		})
	}
}
