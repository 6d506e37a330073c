package retention_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/retention"
)

// restic runs a restic binary on one repository.
type restic struct {
	binary, repo string
	release      int // 14 for version 0.14
}

// newRestic copies a repository without snapshots. Its key file asks for next to no work to open it: a key made by restic
// itself costs half a second in each of the hundred runs.
func newRestic(t *testing.T) restic {
	t.Helper()
	binary, err := exec.LookPath(cmp.Or(os.Getenv("RESTIC_BIN"), "restic"))
	if err != nil {
		t.Skipf("restic is not installed (Debian: restic), or RESTIC_BIN is wrong: %v", err)
	}
	r := restic{binary: binary, repo: t.TempDir()}
	if err := os.CopyFS(r.repo, os.DirFS("testdata/repository")); err != nil {
		t.Fatal(err)
	}
	version, err := r.run("UTC", "version")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(version), "restic 0.%d", &r.release); err != nil {
		t.Fatalf("version %q: %v", version, err)
	}
	return r
}

// run runs restic in a time zone and returns what it printed.
func (r restic) run(zone string, args ...string) ([]byte, error) {
	cmd := exec.Command(r.binary, append([]string{"--repo", r.repo, "--no-cache"}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=test", "TZ="+zone)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("restic %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// fill makes snapshots that are minutes to months apart, in three time zones, with and without tags.
func (r restic) fill(t *testing.T) {
	t.Helper()
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	when := time.Date(2026, 1, 7, 3, 30, 0, 0, time.UTC)
	var backups [][]string // zone and arguments
	for i := range 60 {
		zone := []string{"UTC", "America/New_York", "Asia/Kolkata"}[random.IntN(3)]
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{zone, "backup", "--quiet", "--host", "h", "--time", when.In(location).Format(time.DateTime), dir}
		if tags := []string{"", "a", "b", "a,b"}[random.IntN(4)]; tags != "" {
			args = append(args, "--tag", tags)
		}
		backups = append(backups, args)
		unit := []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}[min(random.IntN(4), i/8)]
		when = when.Add(-unit * time.Duration(1+random.IntN(20)) / 2)
	}
	r.runAll(t, backups)
}

// runAll makes the backups in several repositories of the same key at once, since each of them mostly waits for its lock,
// and brings their snapshot files together.
func (r restic) runAll(t *testing.T, backups [][]string) {
	t.Helper()
	var work errgroup.Group
	for part := range slices.Chunk(backups, 8) {
		other := newRestic(t)
		work.Go(func() error {
			for _, args := range part {
				if _, err := other.run(args[0], args[1:]...); err != nil {
					return err
				}
			}
			return os.CopyFS(filepath.Join(r.repo, "snapshots"), os.DirFS(filepath.Join(other.repo, "snapshots")))
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
}

func (r restic) snapshots(t *testing.T) []retention.Snapshot {
	t.Helper()
	out, err := r.run("UTC", "snapshots", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var group []retention.Snapshot // its JSON names the same fields
	if err := json.Unmarshal(out, &group); err != nil {
		t.Fatal(err)
	}
	return group
}

// forget returns the times of the snapshots that restic keeps, and why.
func (r restic) forget(t *testing.T, flags string) map[string][]string {
	t.Helper()
	out, err := r.run("UTC", append([]string{"forget", "--dry-run", "--no-lock", "--json"}, strings.Fields(flags)...)...)
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Reasons []struct {
			Snapshot struct{ Time time.Time }
			Matches  []string
		}
	}
	if err := json.Unmarshal(out, &groups); err != nil || len(groups) != 1 {
		t.Fatalf("restic forget %s: %d groups, want 1; %v\n%s", flags, len(groups), err, out)
	}
	kept := map[string][]string{}
	for _, k := range groups[0].Reasons {
		kept[k.Snapshot.Time.Format(time.RFC3339)] = k.Matches
	}
	return kept
}

func TestResticDecidesAlike(t *testing.T) {
	r := newRestic(t)
	r.fill(t)
	group := r.snapshots(t)
	for _, flags := range []string{
		"--keep-last 1", "--keep-last 7", "--keep-last 1000", "--keep-hourly 9", "--keep-daily 11", "--keep-weekly 6", "--keep-monthly 5",
		"--keep-yearly 2", "--keep-daily 1000", "--keep-weekly 1000", "--keep-monthly 1000", "--keep-yearly 1000",
		"--keep-within 3d", "--keep-within 9y", "--keep-within-daily 9y", "--keep-within-yearly 9y", "--keep-within 1y2m", "--keep-within 36h", "--keep-within 1m1d1h", "--keep-within-hourly 30h",
		"--keep-within-daily 2m", "--keep-within-weekly 3m", "--keep-within-monthly 1y", "--keep-within-yearly 2y",
		"--keep-tag a", "--keep-tag a,b", "--keep-tag a,b --keep-tag b --keep-daily 1",
		"--keep-last 3 --keep-hourly 6 --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 10",
		"--keep-last 1 --keep-within 2d --keep-within-daily 14d --keep-within-weekly 2m --keep-monthly 4 --keep-tag b",
	} {
		t.Run(flags, func(t *testing.T) {
			decisions, err := retention.Apply(policy(t, flags), time.Now(), group)
			if err != nil {
				t.Fatal(err)
			}
			theirs, ours := r.forget(t, flags), map[string][]string{}
			for _, d := range decisions {
				if d.Keep {
					ours[d.Time.Format(time.RFC3339)] = d.Reasons
				}
			}
			if r.release < 18 { // 0.14 has no rule for the oldest snapshot, and 0.16 does not say when it keeps one by it
				oldest := decisions[len(decisions)-1].Time.Format(time.RFC3339)
				delete(theirs, oldest)
				delete(ours, oldest)
			}
			if diff := gocmp.Diff(theirs, ours); diff != "" {
				t.Errorf("kept by restic forget %s (-) and by us (+):\n%s", flags, diff)
			}
		})
	}
}

// policy reads restic's flags.
func policy(t *testing.T, flags string) retention.Policy {
	t.Helper()
	var p retention.Policy
	targets := map[string]interface{ UnmarshalText([]byte) error }{
		"last": &p.Last, "hourly": &p.Hourly, "daily": &p.Daily, "weekly": &p.Weekly, "monthly": &p.Monthly, "yearly": &p.Yearly,
		"within": &p.Within, "within-hourly": &p.WithinHourly, "within-daily": &p.WithinDaily, "within-weekly": &p.WithinWeekly,
		"within-monthly": &p.WithinMonthly, "within-yearly": &p.WithinYearly,
	}
	words := strings.Fields(flags)
	for i := 0; i < len(words); i += 2 {
		name, value := strings.TrimPrefix(words[i], "--keep-"), words[i+1]
		if name == "tag" {
			p.Tags = append(p.Tags, strings.Split(value, ","))
			continue
		}
		if err := targets[name].UnmarshalText([]byte(value)); err != nil {
			t.Fatal(fmt.Errorf("%s %s: %w", words[i], value, err))
		}
	}
	return p
}
