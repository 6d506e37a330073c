//go:build linux

// Command serverbench measures the real program backstay serve under load, on SQLite and on PostgreSQL, and holds each figure against what
// the project demands of itself.
//
//   - start: from exec to the first answer of /health, and the memory of a server that has nothing to do; with an empty database and with one
//     of 1,000 sources, 10,000 plans, 10,000 runs and 100,000 snapshots
//   - lists: each list of the API in that database, in pages, sorted and filtered, as the owner and as somebody with a role in one source
//   - clients: R15, a thousand clients that read, write, watch and download at once, one in a hundred of them a slow-loris
//   - schedules: R17, 10,000 hourly plans: how long after it was due a run is claimed
//
// The figures are printed as a table and saved with the machine and the settings.
//
//	go run ./test/serverbench                                # both databases, about six minutes on two cores
//	go run ./test/serverbench -databases sqlite -stages clients -for 10m
//	go run ./test/serverbench -scale 0.01 -for 5s            # does the benchmark itself work?
//
// The catalogue of paths is measured by a test of its own, with 5 million versions on both databases:
//
//	BACKSTAY_SOAK=1 go test ./internal/catalog -run AnyPartOfAName -v -timeout 60m
//
// The load is made on the same machine: the processor time of clients, server and PostgreSQL is told apart. The exit code is 1 if something
// did not work. A missed demand is reported, and is no failure.
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
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "serverbench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	Program   string        `json:"program"`
	Databases []string      `json:"databases"`
	Stages    []string      `json:"stages"`
	Clients   int           `json:"clients"`
	For       time.Duration `json:"for_nanoseconds"`
	Think     time.Duration `json:"think_nanoseconds"`
	Scale     float64       `json:"scale"`
	Rounds    int           `json:"rounds"`
	Idle      time.Duration `json:"idle_nanoseconds"`
	Profile   string        `json:"-"`
	Out       string        `json:"out"`
}

var allStages = []string{"start", "lists", "pages", "clients", "schedules"}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("serverbench", flag.ContinueOnError)
	flags.StringVar(&o.Program, "program", "", "the `program`; without it Backstay is built to bin/backstay")
	databases := flags.String("databases", "sqlite,postgres", "`names` of the databases")
	stages := flags.String("stages", strings.Join(allStages, ","), "`names` of what is measured")
	flags.IntVar(&o.Clients, "clients", 1000, "`number` of clients at once")
	flags.DurationVar(&o.For, "for", 45*time.Second, "`time` that they ask for")
	flags.DurationVar(&o.Think, "think", 2*time.Second, "`time` that a client waits on average before it asks again")
	flags.Float64Var(&o.Scale, "scale", 1, "size of the database; 1 stands for 100,000 snapshots")
	flags.IntVar(&o.Rounds, "rounds", 15, "how often each list is asked for, after two times that don't count")
	flags.DurationVar(&o.Idle, "idle", 10*time.Second, "`time` after the start at which an idle server is measured")
	flags.StringVar(&o.Out, "out", "bench-server.json", "`file` for the result")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.Databases, o.Stages = strings.Split(*databases, ","), strings.Split(*stages, ",")
	for _, name := range o.Stages {
		if !slices.Contains(allStages, name) {
			return o, fmt.Errorf("there is no stage %q: known are %s", name, strings.Join(allStages, ", "))
		}
	}
	if o.Scale <= 0 || o.Clients < 1 || o.Rounds < 1 || flags.NArg() > 0 {
		return o, errors.New("usage: -scale is above 0, -clients and -rounds at least 1, and there are only flags")
	}
	return o, nil
}

func run(args []string, out io.Writer) (err error) {
	opt, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if opt.Program == "" {
		opt.Program = filepath.Join("bin", "backstay")
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", opt.Program, "./cmd/backstay").CombinedOutput(); err != nil {
			return fmt.Errorf("build backstay: %w\n%s", err, out)
		}
	}
	work, err := os.MkdirTemp("", "backstay-serverbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	res := &result{Started: time.Now().UTC(), Machine: thisMachine(), Options: opt, out: out}
	fmt.Fprintf(out, "machine: %s\n", res.Machine)
	h := newHost(ctx, work)
	defer h.close()
	for _, name := range opt.Databases {
		if err = measureOn(ctx, opt, h, name, res); err != nil {
			break // what was measured so far is still printed and saved
		}
	}
	return errors.Join(err, res.print(), res.save(opt.Out))
}

// measureOn measures all stages on one kind of database.
func measureOn(ctx context.Context, opt options, h *host, name string, res *result) (err error) {
	site := &site{options: opt, database: name, data: filepath.Join(h.work, name), record: func(r row) { r.Database = name; res.add(r) }, say: func(format string, args ...any) {
		fmt.Fprintf(res.out, name+": "+format+"\n", args...)
	}}
	if site.url, err = h.newDatabase(name); err != nil {
		return err
	}
	defer site.stop()
	for _, stage := range []struct {
		name string
		run  func(context.Context) error
	}{{"empty", site.measureEmpty}, {"fill", site.fill}, {"start", site.measureFull}, {"lists", site.measureLists}, {"pages", site.measurePages}, {"clients", site.measureClients}, {"schedules", site.measureSchedules}} {
		if stage.name == "empty" && !slices.Contains(opt.Stages, "start") || slices.Contains(allStages, stage.name) && !slices.Contains(opt.Stages, stage.name) {
			continue
		}
		begun := time.Now()
		if err := stage.run(ctx); err != nil {
			return fmt.Errorf("%s on %s: %w\n%s", stage.name, name, err, site.logged())
		}
		site.say("%s took %.1f s", stage.name, time.Since(begun).Seconds())
	}
	return nil
}
