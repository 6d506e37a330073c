//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// engine is one contestant: a program with restic's verbs. It has a home, and so a cache, of its own.
type engine struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Version string `json:"version"`

	home  string // with the repository, the cache, the restored tree and temporary files in it
	place string // of the repository, if it isn't in there
	flags []string
	vars  []string
}

// openEngine finds the program and asks for its version.
func openEngine(ctx context.Context, name, program, work string) (engine, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return engine{}, fmt.Errorf("find %s: %w", name, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return engine{}, fmt.Errorf("find %s: %w", name, err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return engine{}, fmt.Errorf("ask %q for its version: %w", path, err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	return engine{Name: name, Path: path, Version: version, home: filepath.Join(work, name)}, nil
}

func (e engine) repository() string { return cmp.Or(e.place, filepath.Join(e.home, "repository")) }
func (e engine) restored() string   { return filepath.Join(e.home, "restored") }
func (e engine) log() string        { return filepath.Join(e.home, "log") }

// fresh gives the engine an empty home.
func (e engine) fresh() error {
	if err := os.RemoveAll(e.home); err != nil {
		return fmt.Errorf("empty home of %s: %w", e.Name, err)
	}
	if err := os.MkdirAll(filepath.Join(e.home, "tmp"), 0o700); err != nil {
		return fmt.Errorf("make home of %s: %w", e.Name, err)
	}
	return nil
}

// env is the same for each engine but for the folders, and has nothing of the caller's that could change defaults.
func (e engine) env() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.home, "XDG_CACHE_HOME=" + filepath.Join(e.home, "cache"),
		"TMPDIR=" + filepath.Join(e.home, "tmp"), "BACKSTAY_PASSWORD=bench", "RESTIC_PASSWORD=bench",
	}, e.vars...)
}

func (e engine) run(ctx context.Context, args ...string) (usage, error) {
	return measure(ctx, e.env(), e.log(), e.command(args...))
}

func (e engine) command(args ...string) []string {
	return slices.Concat([]string{e.Path, "-q", "-r", e.repository()}, e.flags, args)
}

// lastWords returns the end of what the last command said.
func (e engine) lastWords() string {
	b, err := os.ReadFile(e.log())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-1000):]))
}

// repositorySize returns the bytes and the number of the files in the repository; 0 where it is on a server.
func (e engine) repositorySize() (bytes int64, files int, err error) {
	if e.place != "" {
		return 0, 0, nil
	}
	err = filepath.WalkDir(e.repository(), func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes, files = bytes+info.Size(), files+1
		return nil
	})
	return bytes, files, err
}
