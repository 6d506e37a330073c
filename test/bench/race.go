//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/test/bench/dataset"
	"github.com/backstay/backstay/test/treegen"
)

// op is one measured command.
type op struct {
	name, title string
	args        func(data string, e engine) []string
}

// ops are in the order they are run. init and backup are run always, since all others need them.
func ops() []op {
	backup := func(data string, _ engine) []string { return []string{"backup", data} }
	return []op{
		{"init", "new repository", func(string, engine) []string { return []string{"init"} }},
		{"backup", "first backup", backup},
		{"unchanged", "unchanged second backup", backup},
		{"day2", "backup of day two's changes", backup},
		{"restore", "full restore", func(_ string, e engine) []string { return []string{"restore", "latest", "--target", e.restored()} }},
		{"check", "check --read-data", func(string, engine) []string { return []string{"check", "--read-data"} }},
		{"prune", "forget --keep-last 1 --prune", func(string, engine) []string { return []string{"forget", "--keep-last", "1", "--prune"} }},
	}
}

// sample is one measured command with what it left.
type sample struct {
	Set    string `json:"set"`
	Op     string `json:"op"`
	Engine string `json:"engine"`
	Round  int    `json:"round"`
	usage
	RepositoryBytes int64  `json:"repository_bytes"`
	RepositoryFiles int    `json:"repository_files"`
	Load            string `json:"load_average"`    // of the last minute, just before
	Wrong           string `json:"wrong,omitempty"` // why the figure doesn't count: the command lost, or the tree differs
}

// race is two engines on one data set.
type race struct {
	set     dataset.Set
	engines [2]engine
	stage   *stage
	data    string
	rounds  int
	cold    bool
	ops     []op
	seed    uint64
	bytes   int64 // of the data
	say     func(format string, args ...any)
	samples []sample
}

// run makes the data and runs all rounds. A round begins with empty homes on the data as the last one left it, changed
// by one more day: so both engines see the same, and the data of one round is about that of the next. Within a round
// the engines take turns at each command; which comes first changes from round to round.
func (r *race) run(ctx context.Context) (dataset.Stats, error) {
	stats, err := r.set.Generate(ctx, r.data, r.seed)
	if err != nil {
		return stats, err
	}
	r.bytes = stats.Bytes
	r.say("%s: %s\n%s: %d files in %d folders, %d bytes (%d copied from /usr/lib)", r.set.Name, r.set.Title, r.set.Name,
		stats.Files, stats.Folders, stats.Bytes, stats.Copied)
	for round := 1; round <= r.rounds; round++ {
		if err := r.round(ctx, round); err != nil {
			return stats, fmt.Errorf("set %q, round %d: %w", r.set.Name, round, err)
		}
	}
	return stats, nil
}

func (r *race) round(ctx context.Context, round int) error {
	for i := range r.engines {
		r.engines[i].place = r.stage.location(fmt.Sprint(r.set.Name, "-", r.engines[i].Name), round)
	}
	order := r.engines[:]
	if round%2 == 0 {
		order = []engine{r.engines[1], r.engines[0]}
	}
	r.say("%s: round %d, %s before %s", r.set.Name, round, order[0].Name, order[1].Name)
	for _, e := range order {
		if err := e.fresh(); err != nil {
			return err
		}
	}
	if err := r.warm(); err != nil {
		return err
	}
	for _, op := range r.ops {
		if op.name == "day2" {
			said, err := r.set.Mutate(r.data, r.seed+uint64(round))
			if err != nil {
				return err
			}
			r.say("%s: day two: %s", r.set.Name, said)
		}
		for _, e := range order {
			if err := r.one(ctx, round, op, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// one measures one command of one engine. That the command fails is a result, not an error.
func (r *race) one(ctx context.Context, round int, op op, e engine) error {
	if err := r.settle(); err != nil {
		return err
	}
	s := sample{Set: r.set.Name, Op: op.name, Engine: e.Name, Round: round, Load: load()}
	var err error
	if s.usage, err = e.run(ctx, op.args(r.data, e)...); err != nil {
		return err
	}
	if s.RepositoryBytes, s.RepositoryFiles, err = e.repositorySize(); err != nil {
		s.Wrong = err.Error()
	}
	if s.Exit != 0 {
		s.Wrong = fmt.Sprintf("exit code %d: %s", s.Exit, e.lastWords())
	} else if err := r.verify(ctx, op, round, e, &s); err != nil {
		return err
	}
	r.samples = append(r.samples, s)
	r.say("%s", s)
	return nil
}

// verify looks outside the clock whether the engine did its work: after each restore, and after the first prune, which
// it restores from for this. A tree that differs is noted in the sample.
func (r *race) verify(ctx context.Context, op op, round int, e engine, s *sample) error {
	switch {
	case op.name == "prune" && round == 1:
		u, err := e.run(ctx, "restore", "latest", "--target", e.restored())
		if err != nil {
			return err
		}
		if u.Exit != 0 {
			s.Wrong = fmt.Sprintf("restore after it: exit code %d: %s", u.Exit, e.lastWords())
		}
	case op.name != "restore":
		return nil
	}
	if s.Wrong == "" {
		found, err := treegen.Compare(r.data, filepath.Join(e.restored(), r.data), treegen.Options{Limit: 3})
		if err != nil {
			s.Wrong = err.Error()
		} else if len(found) > 0 {
			s.Wrong = fmt.Sprintf("the restored tree differs: %v", found)
		}
	}
	return os.RemoveAll(e.restored())
}

// settle has what earlier commands left unwritten in the file system written, so that none pays for another, and with
// cold caches all of it forgotten. With warm ones as much as the data is written and removed: on a virtual machine a page that nobody
// has used for a while costs several times one that somebody has just given back, which only the second engine would get.
func (r *race) settle() error {
	if !r.cold {
		if err := r.fill(); err != nil {
			return err
		}
	}
	f, err := os.Open(r.data)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write caches of %q back: %w", r.data, err)
	}
	if !r.cold {
		return nil
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("drop caches (needs root): %w", err)
	}
	return nil
}

func (r *race) fill() (err error) {
	f, err := os.Create(filepath.Join(filepath.Dir(r.data), "fill"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	zeros := make([]byte, 1<<20)
	for written := int64(0); written < r.bytes; written += int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return err
		}
	}
	return nil
}

// warm reads all data once, so that the first engine doesn't do it for the second.
func (r *race) warm() error {
	if r.cold {
		return nil
	}
	return filepath.WalkDir(r.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	})
}

// selectOps returns those named, with those that are always run.
func selectOps(names []string) ([]op, error) {
	var selected []op
	for _, o := range ops() {
		i := slices.Index(names, o.name)
		if i >= 0 {
			names = slices.Delete(slices.Clone(names), i, i+1)
		}
		if i >= 0 || o.name == "init" || o.name == "backup" {
			selected = append(selected, o)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("there is no operation %q", names[0])
	}
	return selected, nil
}
