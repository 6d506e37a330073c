//go:build linux

package conformance

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/test/resticbin"
)

// The locks that a command takes.
const (
	none      = "none"
	shared    = "shared"
	exclusive = "exclusive"
)

// command is something to do with a repository: how each side is told to, and which lock it takes for it. In the arguments {password}
// is a file with a password, {this} the repository, {other} another one, {out} an empty folder, {pack} a pack and {snapshot} a snapshot.
type command struct {
	old, new, lock string // of restic; old is for one before 0.15, "" where it has no such command
	oldLock        string // of restic before 0.15, where it is another one
	ours, ourLock  string // "" where we have no such command
	why            string // our lock is another one than that of restic 0.19, or we have no such command
	stays          bool   // it doesn't end by itself, so it is only tried where it is refused
}

// commands is who takes what. New keys come last, as they take long to open.
func commands() []command {
	same := func(args, lock string) command {
		return command{old: args, new: args, lock: lock, ours: args, ourLock: lock}
	}
	const reads = "what is checked can't go meanwhile, as forget and prune take an exclusive lock; so nobody has to wait with a backup for a check"
	return []command{
		same("prune", exclusive),
		same("prune --dry-run", exclusive),
		same("forget --keep-last 1", exclusive),
		same("forget --keep-last 1 --dry-run", exclusive),
		{old: "check", new: "check", lock: exclusive, ours: "check", ourLock: shared, why: reads},
		same("tag --add x", exclusive),
		{new: "rewrite --exclude /nothing", lock: shared, why: "we have no such command"},
		{new: "rewrite --forget --exclude /nothing", lock: exclusive, why: "we have no such command"},
		{old: "migrate upgrade_repo_v2", new: "migrate upgrade_repo_v2", lock: exclusive, ours: "migrate", ourLock: exclusive},
		{old: "recover", oldLock: shared, new: "recover", lock: exclusive, why: "we have no such command"},
		{old: "rebuild-index", new: "repair index", lock: exclusive, ours: "repair index", ourLock: exclusive},
		{new: "repair packs {pack}", lock: exclusive, ours: "repair packs {pack}", ourLock: exclusive},
		{new: "repair snapshots", lock: exclusive, ours: "repair snapshots", ourLock: exclusive},
		same("key remove 0000", exclusive),
		same("key passwd --new-password-file {password}", exclusive),
		same("snapshots", shared),
		{old: "ls latest", oldLock: none, new: "ls latest", lock: shared, ours: "ls latest", ourLock: shared},
		same("find x", shared),
		same("stats", shared),
		same("diff {snapshot} {snapshot}", shared),
		same("list packs", shared),
		same("cat config", shared),
		same("dump latest /stdin", shared),
		same("restore latest --target {out}", shared),
		{old: "mount {out}", new: "mount {out}", lock: shared, ours: "mount {out}", ourLock: shared, stays: true},
		same("backup {password}", shared),
		same("key list", shared),
		same("copy --from-repo {other} --from-password-file {password}", shared),
		{old: "copy -r {other} --from-repo {this} --from-password-file {password}", new: "copy -r {other} --from-repo {this} --from-password-file {password}", lock: shared,
			ours: "copy -r {other} --from-repo {this} --from-password-file {password}", ourLock: shared},
		same("snapshots --no-lock", none),
		same("list locks --no-lock", none),
		same("list locks", none),
		same("key add --new-password-file {password}", shared),
	}
}

// refusedBy reports whether a command that takes a lock is refused where there is another one.
func refusedBy(takes string, held repo.LockMode) bool {
	return takes == exclusive || takes == shared && held == repo.Exclusive
}

// words replaces what stands in the arguments for something of the site.
func (s *site) words(t *testing.T, args string, other *site) []string {
	packs, err := filepath.Glob(filepath.Join(s.restic.Dir, "data/*/*"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("no packs: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	known := strings.NewReplacer("{password}", passwordFile(t, password), "{other}", other.restic.Dir, "{this}", s.restic.Dir, "{out}", out,
		"{pack}", filepath.Base(packs[0]), "{snapshot}", s.list(t, repo.Snapshots)[0].String())
	var words []string
	for word := range strings.FieldsSeq(args) {
		words = append(words, known.Replace(word))
	}
	return words
}

// withSnapshot makes a repository with one snapshot, of the file /stdin.
func withSnapshot(t *testing.T, bin resticbin.Bin) *site {
	t.Helper()
	s := newSite(t, bin, 2)
	b := s.startBackup(t)
	b.end()
	if err := b.wait(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResticHonoursOurLocksWithEachCommand(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for _, mode := range []repo.LockMode{repo.Shared, repo.Exclusive} {
			t.Run(mode.String(), func(t *testing.T) {
				t.Parallel()
				s, other := withSnapshot(t, bin), withSnapshot(t, bin)
				s.locked(t, mode, func(context.Context) error {
					for _, c := range commands() {
						s.theyTry(t, c, mode, other)
					}
					return nil
				})
				s.check(t) // our lock is gone
			})
		}
	})
}

// theyTry has restic run a command under a lock of ours.
func (s *site) theyTry(t *testing.T, c command, held repo.LockMode, other *site) {
	args, takes := c.new, c.lock
	if s.before(15) {
		args, takes = c.old, cmp.Or(c.oldLock, c.lock)
	}
	refused := refusedBy(takes, held)
	if args == "" || c.stays && !refused {
		return
	}
	t.Run(args, func(t *testing.T) {
		_, err := s.restic.Run(t.Context(), s.words(t, args, other)...)
		end, said := s.ending(err)
		if want := map[bool]string{true: "locked", false: "runs"}[refused]; end != want {
			t.Errorf("under our %s lock it %s, want that it %s: %s", held, end, want, said)
		}
		if refused && !strings.Contains(said, "PID "+strconv.Itoa(os.Getpid())+" on ") {
			t.Errorf("it is refused with %q, want our process named", said)
		}
	})
}

func TestWeHonourTheLocksOfResticWithEachCommand(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for _, mode := range []repo.LockMode{repo.Shared, repo.Exclusive} {
			t.Run(mode.String(), func(t *testing.T) {
				t.Parallel()
				s, other := withSnapshot(t, bin), withSnapshot(t, bin)
				end := s.theyHold(t, mode)
				for _, c := range commands() {
					s.weTry(t, c, mode, other)
				}
				end()
			})
		}
	})
}

// theyHold has restic hold a lock until end is called.
func (s *site) theyHold(t *testing.T, mode repo.LockMode) (end func()) {
	t.Helper()
	if mode == repo.Shared {
		b := s.startBackup(t)
		s.waitLocked(t)
		return func() {
			b.end()
			if err := b.wait(); err != nil {
				t.Error(err)
			}
		}
	}
	check := s.restic.Command(t.Context(), "check")
	check.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group with a stopped process in it may be hung up
	if err := check.Start(); err != nil {
		t.Fatal(err)
	}
	s.waitLocked(t)
	send(t, check, syscall.SIGSTOP)
	return func() {
		send(t, check, syscall.SIGCONT)
		if err := check.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// weTry runs a command of ours under a lock of restic.
func (s *site) weTry(t *testing.T, c command, held repo.LockMode, other *site) {
	refused := refusedBy(c.ourLock, held)
	if (c.lock == c.ourLock) != (c.why == "") {
		t.Errorf("%q: restic takes a lock that is %s, we one that is %s; the reason: %q", c.new, c.lock, c.ourLock, c.why)
	}
	if c.ours == "" || c.stays && !refused {
		return
	}
	t.Run(c.ours, func(t *testing.T) {
		code, said := s.weRun(t, s.words(t, c.ours, other)...)
		if want := map[bool]int{true: 11, false: 0}[refused]; code != want {
			t.Errorf("under restic's %s lock it ends with %d, want %d: %s", held, code, want, said)
		}
		if refused && !strings.Contains(said, "repository is locked: "+held.String()+" lock") {
			t.Errorf("it is refused with %q, want the lock named", said)
		}
	})
}

// weRun runs our command line, and returns its exit code and what it says of errors.
func (s *site) weRun(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	env := map[string]string{"BACKSTAY_REPOSITORY": s.restic.Dir, "BACKSTAY_PASSWORD_FILE": passwordFile(t, s.restic.Password), "HOME": t.TempDir()}
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, cli.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return env[name] }})
	return code, errs.String()
}
