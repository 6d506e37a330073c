//go:build linux

// Command bench measures Backstay against restic: the same commands at their defaults, in turn, on the same data.
//
// An operation is one command; a sample is one measured run of it; a round is all operations of both engines, from empty
// repositories on. Medians of the rounds are compared, and each ratio is held against what the project demands of
// itself. Outside the clock each restored tree is compared with the data, so that a fast wrong answer counts for nothing.
// All samples are printed and saved, with the machine, the versions and the order in which they were measured.
//
//	go run ./test/bench                      # all sets, three rounds, about 15 minutes on two cores
//	go run ./test/bench -sets small -ops restore -rounds 5
//	go run ./test/bench -storage s3 -delay 50ms -sets big -ops restore    # a store that answers late
//	go run ./test/bench -million             # the memory that a backup of a million files takes
//	go run ./test/bench -scale 0.01 -rounds 1 -a restic   # does the benchmark itself work?
//
// The exit code is 1 if a command failed or a tree differs. A missed demand is reported, and is no failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/backstay/backstay/test/bench/dataset"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "exec" {
		return execMain(args[1:], out)
	}
	set, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return bench(ctx, set, out)
}

// settings are the flags.
type settings struct {
	A      string   `json:"a"`
	B      string   `json:"b"`
	Dir    string   `json:"dir"`
	Scale  float64  `json:"scale"`
	Sets   []string `json:"sets"`
	Ops    []string `json:"ops"`
	Rounds int      `json:"rounds"`
	Cold   bool     `json:"cold"`
	// Storage is where the repositories live, and Delay what each request to it waits.
	Storage string        `json:"storage"`
	Delay   time.Duration `json:"delay_nanoseconds"`
	Seed    uint64        `json:"seed"`
	Out     string        `json:"out"`
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.A, "a", "", "first engine's `program`; without it Backstay is built to bin/backstay")
	flags.StringVar(&s.B, "b", restic(), "second engine's `program`; by default RESTIC_BIN, else restic on PATH")
	flags.StringVar(&s.Dir, "dir", "", "`folder` for data, repositories and restored trees; by default /dev/shm if it has room, else the temporary folder")
	flags.Float64Var(&s.Scale, "scale", 1, "size of the data; 1 stands for 95,000 files of 0.9 GB, 2.3 GB mixed, one file of 2.1 GB")
	sets := flags.String("sets", "small,mixed,big", "`names` of the data sets: small, mixed, big, million")
	ops := flags.String("ops", "unchanged,day2,restore,check,prune", "`names` of the operations; init and backup always are among them")
	flags.IntVar(&s.Rounds, "rounds", 3, "how often all is measured; medians count")
	flags.BoolVar(&s.Cold, "cold", false, "empty the page cache before each operation (needs root)")
	flags.StringVar(&s.Storage, "storage", "local", "`kind` of storage: local, s3 (a server on this machine) or sftp (OpenSSH on this machine)")
	flags.DurationVar(&s.Delay, "delay", 0, "`time` that each request to s3 waits, such as 50ms")
	million := flags.Bool("million", false, "the same as -sets million -ops unchanged -rounds 1")
	flags.Uint64Var(&s.Seed, "seed", 1, "seed of the data")
	flags.StringVar(&s.Out, "out", "bench.json", "`file` for the result")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.Sets, s.Ops = strings.Split(*sets, ","), strings.FieldsFunc(*ops, func(c rune) bool { return c == ',' })
	if *million {
		s.Sets, s.Ops, s.Rounds = []string{"million"}, []string{"unchanged"}, 1
	}
	if s.Scale <= 0 || s.Rounds < 1 || flags.NArg() > 0 {
		return s, errors.New("usage: -scale is above 0, -rounds at least 1, and there are only flags")
	}
	return s, nil
}

func restic() string {
	if path := os.Getenv("RESTIC_BIN"); path != "" {
		return path
	}
	return "restic"
}

func bench(ctx context.Context, set settings, out io.Writer) (err error) {
	ops, err := selectOps(set.Ops)
	if err != nil {
		return err
	}
	sets, err := selectSets(set.Sets, set.Scale)
	if err != nil {
		return err
	}
	work, err := workFolder(set.Dir, room(sets))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	engines, err := openEngines(ctx, set, work)
	if err != nil {
		return err
	}
	scene, err := setUp(ctx, set.Storage, work, set.Delay)
	if err != nil {
		return err
	}
	defer scene.close()
	for i := range engines {
		engines[i].vars, engines[i].flags = scene.env(), scene.flags(i == 0 || !strings.HasPrefix(engines[i].Name, "restic"))
	}
	res := result{Started: time.Now().UTC(), Machine: thisMachine(work), Engines: engines, Settings: set, Sets: map[string]dataset.Stats{}}
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	say("machine: %s\na: %s %s: %s\nb: %s %s: %s\ncache: %s\nstorage: %s, each request delayed by %v", res.Machine, engines[0].Name, engines[0].Path, engines[0].Version,
		engines[1].Name, engines[1].Path, engines[1].Version, map[bool]string{true: "cold before each operation", false: "warm"}[set.Cold], set.Storage, set.Delay)
	for _, s := range sets {
		r := race{set: s, engines: engines, stage: scene, data: filepath.Join(work, "data"), rounds: set.Rounds, cold: set.Cold, ops: ops, seed: set.Seed, say: say}
		stats, raceErr := r.run(ctx)
		res.Sets[s.Name] = stats
		res.Samples = append(res.Samples, r.samples...)
		err = errors.Join(raceErr, os.RemoveAll(r.data), os.RemoveAll(engines[0].home), os.RemoveAll(engines[1].home))
		if err != nil {
			break // what was measured so far is still printed and saved
		}
	}
	res.Rows = rows(res.Samples, engines[0].Name, engines[1].Name)
	err = errors.Join(err, res.print(out), res.save(set.Out))
	if err == nil && res.wrong() {
		err = errors.New("a command failed or restored a tree that differs; see WRONG above")
	}
	return err
}

func selectSets(names []string, scale float64) ([]dataset.Set, error) {
	var selected []dataset.Set
	all := dataset.Sets(scale)
	for _, name := range names {
		i := slices.IndexFunc(all, func(s dataset.Set) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no data set %q", name)
		}
		selected = append(selected, all[i])
	}
	return selected, nil
}

// room returns the bytes that the largest set takes with what is made of it: the data and one restored tree, in blocks
// of 4 KiB, and two repositories, each with a pack or two more while it is pruned.
func room(sets []dataset.Set) (most int64) {
	for _, s := range sets {
		tree := s.Bytes + int64(s.Files)*4096
		most = max(most, 2*tree+2*s.Bytes+256<<20)
	}
	return most
}

// openEngines finds both programs. Two of the same name are told apart by a letter.
func openEngines(ctx context.Context, set settings, work string) (engines [2]engine, err error) {
	if set.A == "" {
		set.A = filepath.Join("bin", "backstay")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", set.A, "./cmd/backstay").CombinedOutput(); err != nil {
			return engines, fmt.Errorf("build backstay: %w\n%s", err, out)
		}
	}
	names := [2]string{filepath.Base(set.A), filepath.Base(set.B)}
	if names[0] == names[1] {
		names = [2]string{names[0] + "-a", names[1] + "-b"}
	}
	for i, program := range []string{set.A, set.B} {
		if engines[i], err = openEngine(ctx, names[i], program, work); err != nil {
			return engines, err
		}
	}
	return engines, nil
}
