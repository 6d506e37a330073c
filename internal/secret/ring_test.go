package secret

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestKeysAreReadFromText(t *testing.T) {
	one, two := newKey(t, 1), newKey(t, 2)
	a, b := one.Text().Reveal(), two.Text().Reveal()
	for _, text := range []string{
		a + " " + b, a + "," + b, a + "\n" + b + "\n", "# remark " + b + "\r\n\r\n" + a + "\r\n  # another\r\n" + b, "\ufeff" + a + "\n" + b, " " + a + ", " + b,
	} {
		r, err := ParseRing(text)
		if err != nil || !slices.Equal(r.ids(), []string{one.ID(), two.ID()}) {
			t.Errorf("ParseRing(%q) = %v, %v", text, r.ids(), err)
			continue
		}
		if r.Current().ID() != one.ID() || string(r.Derive("p")) != string(one.Derive("p")) || len(r.Keys()) != 2 {
			t.Errorf("the current key is %v, want the first one", r.Current())
		}
	}
	for _, text := range []string{"", "\n# only a remark\n", a + "\n" + b[:20], canary} {
		if r, err := ParseRing(text); err == nil || leaks(err.Error()) || strings.Contains(err.Error(), "bsk_0") {
			t.Errorf("ParseRing(%q) = %v, %v, want an error that doesn't repeat it", text, r, err)
		}
	}
}

func TestAKeyFileIsMadeForItsOwnerOnlyAndFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := LoadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("LoadFile of nothing = %v, want fs.ErrNotExist", err)
	}
	made, err := OpenFile(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the key file has mode %v, %v, want 0600", info.Mode(), err)
	}
	found, err := OpenFile(path, rand.Reader)
	if err != nil || found.Current().ID() != made.Current().ID() {
		t.Errorf("OpenFile again = %v, want the same key", err)
	}
	if left := names(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the folder has %q, want the key alone", left)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestProcessesThatStartAtTheSameTimeGetOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			r, err := OpenFile(path, rand.Reader)
			if err != nil {
				t.Errorf("OpenFile = %v", err)
				return
			}
			ids[i] = r.Current().ID()
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
		t.Errorf("they have the keys %q", slices.Compact(ids))
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := OpenFile(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o602, 0o610, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for what, load := range map[string]func() (*Ring, error){
			"LoadFile": func() (*Ring, error) { return LoadFile(path) },
			"OpenFile": func() (*Ring, error) { return OpenFile(path, rand.Reader) },
		} {
			if _, err := load(); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chmod 600") || !strings.Contains(err.Error(), path) {
				t.Errorf("%s with mode %#o = %v, want ErrExposed", what, mode, err)
			}
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(path); err != nil {
		t.Errorf("LoadFile with mode 0400 = %v", err)
	}
}

func TestAFileThatIsNoKeyFileIsRefused(t *testing.T) {
	for what, content := range map[string]string{"empty": "", "another file": canary, "huge": strings.Repeat("#\n", maxText)} {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFile(path, rand.Reader); err == nil || leaks(err.Error()) {
			t.Errorf("OpenFile of what is %s = %v", what, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("OpenFile of what is %s changed the file: %v", what, err)
		}
	}
}

func TestARotatedRingIsSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	r, err := OpenFile(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	next, err := r.Rotate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	owner := os.Getuid()
	if owner == 0 { // the administrator rotates the key of a service
		owner = 65534
		if err := os.Chown(path, owner, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	found, err := LoadFile(path)
	if err != nil || !slices.Equal(found.ids(), next.ids()) || found.ids()[1] != r.Current().ID() {
		t.Errorf("LoadFile after a rotation = %v, %v, want %v", found.ids(), err, next.ids())
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
		t.Errorf("the key file has mode %v, %v, and perhaps another owner than %d", info.Mode(), err, owner)
	}
	if err := next.SaveFile(filepath.Join(path, "x")); err == nil {
		t.Error("SaveFile into a file = nil error")
	}
}

func TestACommandPrintsTheKeys(t *testing.T) {
	k := newKey(t, 1)
	r, err := LoadCommand(t.Context(), Command{Args: []string{"/bin/sh", "-c", `echo "$KEY"`}, Env: []string{"KEY=" + k.Text().Reveal()}})
	if err != nil || r.Current().ID() != k.ID() {
		t.Errorf("LoadCommand = %v, want the key that it prints", err)
	}
}

func TestACommandHasOnlyTheEnvironmentItIsGiven(t *testing.T) {
	t.Setenv("KEY", newKey(t, 1).Text().Reveal())
	if _, err := LoadCommand(t.Context(), Command{Args: []string{"/bin/sh", "-c", `echo "$KEY"`}}); err == nil {
		t.Error("the command has the environment of this process")
	}
}

func TestNoShellReadsACommand(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	_, err := LoadCommand(t.Context(), Command{Args: []string{"/bin/echo", "; touch " + made, "$(touch " + made + ")"}})
	if _, statErr := os.Stat(made); err == nil || !errors.Is(statErr, fs.ErrNotExist) {
		t.Errorf("LoadCommand = %v, and the file it should not make: %v", err, statErr)
	}
}

func TestACommandThatFailsIsNamedWithoutItsArguments(t *testing.T) {
	var said strings.Builder
	for what, args := range map[string][]string{
		"ends badly":       {"/bin/sh", "-c", "echo why >&2; exit 3", canary},
		"is not there":     {"/nowhere/at/all", canary},
		"prints no key":    {"/bin/echo", canary},
		"prints nothing":   {"/bin/true", canary},
		"prints too much":  {"/bin/sh", "-c", "yes", canary},
		"has no arguments": {},
	} {
		_, err := LoadCommand(t.Context(), Command{Args: args, Stderr: &said})
		if err == nil || leaks(err.Error()) || len(args) > 0 && !strings.Contains(err.Error(), args[0]) {
			t.Errorf("LoadCommand of a command that %s = %v", what, err)
		}
	}
	if !strings.Contains(said.String(), "why\n") {
		t.Errorf("of what the commands said there is %q", said.String())
	}
}

func TestACommandThatHangsIsEndedWithAllThatItStarted(t *testing.T) {
	start, made := time.Now(), filepath.Join(t.TempDir(), "made")
	_, err := LoadCommand(t.Context(), Command{Args: []string{"/bin/sh", "-c", "(sleep 1; touch " + made + ") & sleep 60"}, Timeout: 100 * time.Millisecond})
	if !errors.Is(err, errTimeout) || time.Since(start) > 10*time.Second {
		t.Errorf("LoadCommand = %v after %v, want the timeout", err, time.Since(start))
	}
	time.Sleep(time.Until(start.Add(1500 * time.Millisecond)))
	if _, err := os.Stat(made); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what the command started lives on")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody stopped it")
	time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
	if _, err := LoadCommand(ctx, Command{Args: []string{"/bin/sleep", "60"}}); !errors.Is(err, why) || time.Since(start) > 10*time.Second {
		t.Errorf("LoadCommand = %v after %v, want the cause", err, time.Since(start))
	}
}

func FuzzParseRing(f *testing.F) {
	key, err := NewKey(strings.NewReader(strings.Repeat("k", keySize)))
	if err != nil {
		f.Fatal(err)
	}
	text := key.Text().Reveal()
	for _, seed := range []string{"", "# x", text, text + "," + strings.ToUpper(text), strings.ReplaceAll(text, "-", ""), "bsk_", text[:40]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRing(text)
		if err != nil {
			return
		}
		again, err := ParseRing(r.text())
		if err != nil || !slices.Equal(again.ids(), r.ids()) {
			t.Errorf("the keys of %q are %v, and as a file %v, %v", text, r.ids(), again, err)
		}
	})
}
