package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage/limit"
)

// globals are the flags that every command has.
type globals struct {
	json     bool
	quiet    bool
	verbose  int
	noLock   bool // a flag of commands that only read
	lockWait time.Duration
	targets  targets

	compression   string
	packSize      int // MiB
	options       []string
	limitUpload   rateFlag
	limitDownload rateFlag
}

func (g *globals) register(flags *pflag.FlagSet) {
	flags.VarP(locationFlag{&g.targets, func(t *target) *string { return &t.location }}, "repo", "r", "`location` of the repository (default $BACKSTAY_REPOSITORY, $RESTIC_REPOSITORY)")
	flags.Var(locationFlag{&g.targets, func(t *target) *string { return &t.file }}, "repository-file", "`file` with the location of the repository, instead of --repo (default $BACKSTAY_REPOSITORY_FILE, $RESTIC_REPOSITORY_FILE)")
	flags.Var(passwordFlag{&g.targets, func(s *passwordSource) *string { return &s.file }}, "password-file", "`file` with the password of the repository named before it")
	flags.Var(passwordFlag{&g.targets, func(s *passwordSource) *string { return &s.command }}, "password-command", "`command` that prints the password of the repository named before it")
	flags.BoolVar(&g.json, "json", false, "print JSON, for programs")
	flags.BoolVarP(&g.quiet, "quiet", "q", false, "show no progress and no comments")
	flags.CountVarP(&g.verbose, "verbose", "v", "say more; twice: still more")
	flags.DurationVar(&g.lockWait, "lock-wait", 0, "`time` to wait for another program's lock, such as 10m; also --retry-lock")
	flags.StringVar(&g.compression, "compression", "auto", "`level` for new data: off, fastest, auto, better or max")
	flags.IntVar(&g.packSize, "pack-size", 16, "size in `MiB` that new pack files have at least, 4 to 128")
	flags.StringArrayVarP(&g.options, "option", "o", nil, "`name=value` of a setting of the storage, kind.name=value for that kind only, or name=@file to read it from a file; may be repeated")
	flags.Var(&g.limitUpload, "limit-upload", "limit of all uploads to a repository together in `KiB/s`, also by time of day: 1024,08:00-18:00=256; 0: none")
	flags.Var(&g.limitDownload, "limit-download", "limit of all downloads from a repository together in `KiB/s`; 0: none")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "retry-lock" { // restic's word for it
			name = "lock-wait"
		}
		return pflag.NormalizedName(name)
	})
}

// storageOptions are the options of a storage, as the flags say. The settings are those given.
func (p *program) storageOptions(options []string) (kinds.Options, error) {
	given := make(settings.Values)
	for _, option := range options {
		name, value, err := readOption(option)
		if err != nil {
			return kinds.Options{}, err
		}
		given[name] = value
	}
	return kinds.Options{Settings: given, Getenv: p.sys.Getenv, Upload: p.flags.limitUpload.Rate, Download: p.flags.limitDownload.Rate,
		Retried: p.retried, Clock: p.sys.Clock, Rand: p.sys.Rand}, nil
}

// readOption takes name=value or name=@file apart. A secret has to come from a file: everybody on the machine can see arguments.
func readOption(option string) (name, value string, err error) {
	name, value, found := strings.Cut(option, "=")
	if !found {
		return "", "", backstay.Errorf(backstay.Invalid, "option %q has no value", name).WithHint("Write it as -o NAME=VALUE.")
	}
	if file, found := strings.CutPrefix(value, "@"); found {
		value, err = readText("option "+name, file)
		return name, value, err
	}
	if f, known := kinds.Field(name); known && f.IsSecret() {
		hint := "Write it into a file that only you can read: -o " + name + "=@FILE"
		if len(f.Env) > 0 {
			hint += ", or set $" + f.Env[0]
		}
		return "", "", backstay.Errorf(backstay.Invalid, "option %q is a secret, and everybody on this machine can see it there", name).WithHint(hint + ".")
	}
	return name, value, nil
}

// repoOptions are the options of a repository, as the flags say.
func (p *program) repoOptions() (repo.Options, error) {
	level, err := repo.ParseCompression(p.flags.compression)
	if err != nil {
		return repo.Options{}, backstay.Errorf(backstay.Invalid, "%w", err)
	}
	if p.flags.packSize < 4 || p.flags.packSize > 128 {
		return repo.Options{}, backstay.Errorf(backstay.Invalid, "pack size %d: it is 4 to 128", p.flags.packSize)
	}
	return repo.Options{Compression: level, PackSize: p.flags.packSize << 20, Clock: p.sys.Clock, Rand: p.sys.Rand, LockDir: p.lockDir(), Progress: p.event}, nil
}

// rateFlag is a flag of KiB per second.
type rateFlag struct{ limit.Rate }

func (f *rateFlag) String() string { return "" }
func (f *rateFlag) Type() string   { return "KiB/s" }

func (f *rateFlag) Set(s string) (err error) {
	f.Rate, err = limit.ParseRate(s, 1<<10)
	return err
}

// target is a repository as it was named.
type target struct {
	location string
	file     string // has the location, if it isn't empty
	password passwordSource
	env      string // comes before REPOSITORY and PASSWORD in the names of its environment variables: "" or "FROM_"
}

// String is the location as it may be shown.
func (t target) String() string { return kinds.Shown(t.location) }

// passwordSource is where a password comes from, by flags. One at most is set.
type passwordSource struct{ file, command string }

// targets collects repositories in the order of the command line. A source of passwords belongs to the repository named
// before it; one that comes before all of them is for those that have none.
type targets struct {
	named    []target
	fallback passwordSource
	twice    bool // a repository was given two sources
}

func (t *targets) last() *passwordSource {
	if len(t.named) == 0 {
		return &t.fallback
	}
	return &t.named[len(t.named)-1].password
}

type locationFlag struct {
	*targets
	field func(*target) *string
}

func (f locationFlag) String() string { return "" }
func (f locationFlag) Type() string   { return "location" }

func (f locationFlag) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	f.named = append(f.named, target{})
	*f.field(&f.named[len(f.named)-1]) = s
	return nil
}

type passwordFlag struct {
	*targets
	field func(*passwordSource) *string
}

func (f passwordFlag) String() string { return "" }
func (f passwordFlag) Type() string   { return "string" }

// Set leaves the complaint about a second source to whoever uses the targets: an error here would be shown with s, and a
// command may have a password in it.
func (f passwordFlag) Set(s string) error {
	source := f.last()
	f.twice = f.twice || *source != (passwordSource{})
	*f.field(source) = s
	return nil
}
