package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/retry"
)

// access is what a command does to a repository, and so which lock it takes.
type access int

const (
	watching access = iota // none: looks at the locks themselves
	reading                // shared lock, or none with --no-lock
	adding                 // shared lock
	deleting               // exclusive lock
)

// targets returns the repositories that were named: by flags, else by the environment.
func (p *program) targets() ([]target, error) {
	if p.flags.targets.twice {
		return nil, backstay.Errorf(backstay.Invalid, "a repository has two sources for its password").
			WithHint("Give each one --password-file or one --password-command, after its -r.")
	}
	if named := p.flags.targets.named; len(named) > 0 {
		return fromFile(named)
	}
	for _, name := range []string{"BACKSTAY_REPOSITORY", "RESTIC_REPOSITORY"} {
		location, file := p.sys.Getenv(name), p.sys.Getenv(name+"_FILE")
		switch {
		case location != "" && file != "":
			return nil, backstay.Errorf(backstay.Invalid, "the repository is named twice, by $%s and by $%s_FILE", name, name).WithHint("Unset one of them.")
		case location != "" || file != "":
			return fromFile([]target{{location: location, file: file}})
		}
	}
	return nil, backstay.Errorf(backstay.Invalid, "no repository is named").
		WithHint("Name one with -r LOCATION or --repository-file FILE, or set BACKSTAY_REPOSITORY.")
}

// fromFile reads the location of a repository that was named by a file. It is the only one then, as restic has it.
func fromFile(named []target) ([]target, error) {
	at := slices.IndexFunc(named, func(t target) bool { return t.file != "" })
	if at < 0 {
		return named, nil
	}
	if len(named) > 1 {
		return nil, backstay.Errorf(backstay.Invalid, "with --repository-file another repository is named").WithHint("Give one --repository-file, or -r for each repository.")
	}
	t := named[at]
	var err error
	if t.location, err = readText("repository", t.file); err != nil {
		return nil, err
	}
	if t.location == "" {
		return nil, backstay.Errorf(backstay.Invalid, "repository file %q is empty", t.file).WithHint("Write the location of the repository into it, such as /srv/backup.")
	}
	return []target{t}, nil
}

// target returns the one repository that was named.
func (p *program) target() (target, error) {
	ts, err := p.targets()
	if err != nil {
		return target{}, err
	}
	if len(ts) > 1 {
		return target{}, backstay.Errorf(backstay.Invalid, "%d repositories are named, this command takes one", len(ts)).WithHint("Run it once for each.")
	}
	return ts[0], nil
}

// passwordTries is how often somebody may mistype a password.
const passwordTries = 3

// openStorage opens the place of a repository.
func (p *program) openStorage(t target) (*metrics.Backend, error) {
	opt, err := p.storageOptions(p.flags.options)
	if err != nil {
		return nil, err
	}
	return kinds.Open(t.location, opt)
}

// open opens a repository.
func (p *program) open(ctx context.Context, t target) (*repo.Repo, error) {
	b, err := p.openStorage(t)
	if err != nil {
		return nil, err
	}
	opt, err := p.repoOptions()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		password, asked, err := p.password(ctx, t, false)
		if err != nil {
			return nil, err
		}
		r, err := repo.Open(ctx, b, password, opt)
		if asked && isTerminal(p.sys.Stdin) && errors.Is(err, repo.ErrWrongPassword) && try < passwordTries {
			p.notice("That password is wrong, try again.")
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("repository %q: %w", t, err)
		}
		return r, nil
	}
}

// withRepo opens the repository that was named, takes the lock and calls fn.
func (p *program) withRepo(cmd *cobra.Command, need access, fn func(ctx context.Context, r *repo.Repo) error) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	r, err := p.open(ctx, t)
	if err != nil {
		return err
	}
	return p.locked(ctx, r, need, fn)
}

// locked calls fn under a lock.
func (p *program) locked(ctx context.Context, r *repo.Repo, need access, fn func(ctx context.Context, r *repo.Repo) error) error {
	if need == watching || need == reading && p.flags.noLock {
		return fn(ctx, r)
	}
	mode := repo.Shared
	if need == deleting {
		mode = repo.Exclusive
	}
	ctx, unlock, err := r.Lock(ctx, mode, repo.LockOptions{Wait: p.flags.lockWait})
	if err != nil {
		return err
	}
	err = fn(ctx, r)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err) // a lost lock is the reason, the rest are its consequences
	}
	return errors.Join(err, unlock())
}

func (p *program) retried(e retry.Event) {
	p.notice(fmt.Sprintf("%v; trying again in %v", e.Err, e.Wait.Round(100*time.Millisecond)))
}

// lockDir is where this user's programs keep the local files of their locks; "" if there is no home.
func (p *program) lockDir() string {
	state := p.sys.Getenv("XDG_STATE_HOME")
	if state == "" {
		home := p.sys.Getenv("HOME")
		if home == "" {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "backstay", "locks")
}
