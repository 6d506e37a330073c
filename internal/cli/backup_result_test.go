package cli

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/live"
	"github.com/backstay/backstay/internal/runner"
)

// tell prints what became of a backup to the repositories fast and slow, and returns what it wrote.
func tell(t *testing.T, asJSON bool, slow runner.BackupResult) (out, errs string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{sys: System{Stdout: &stdout, Stderr: &stderr, Clock: clock.System}, out: bufio.NewWriter(&stdout), flags: globals{json: asJSON}}
	d := live.Start(live.Options{Form: live.Log, Quiet: true, Out: &stdout, Err: &stderr})
	p.display.Store(d)
	fast := runner.BackupResult{Snapshot: made("fast")}
	err = p.backedUp(outcome{opened: []target{{location: "fast"}, {location: "slow"}}, results: []runner.BackupResult{fast, slow}})
	d.Stop()
	return flushed(t, p, &stdout), stderr.String(), err
}

func flushed(t *testing.T, p *program, b *bytes.Buffer) string {
	t.Helper()
	b.Reset()
	if err := p.out.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func made(name string) *snapshot.Snapshot {
	return &snapshot.Snapshot{ID: crypto.Hash([]byte(name)), Summary: &snapshot.Summary{}}
}

func TestARepositoryThatWasCaughtUpIsNoFailure(t *testing.T) {
	slow := runner.BackupResult{Snapshot: made("slow"), CaughtUp: &runner.CaughtUp{From: 0, Reason: archiver.ErrSlow}}
	out, errs, err := tell(t, false, slow)
	want := "Snapshot " + slow.Snapshot.ID.Short() + " saved in slow: it was too slow, and has a copy from fast.\n"
	if err != nil || errs != "" || !strings.HasSuffix(out, want) {
		t.Errorf("told is %q and %q, %v, want %q", out, errs, err, want)
	}
	if out, _, err := tell(t, true, slow); err != nil || strings.Count(out, `"copied_from":"fast"`) != 1 {
		t.Errorf("as JSON: %s, %v", out, err)
	}
}

func TestARepositoryThatCouldNotBeCaughtUpIsOne(t *testing.T) {
	_, errs, err := tell(t, false, runner.BackupResult{Err: errors.Join(archiver.ErrSlow, errors.New("then a copy failed"))})
	e := explain(err)
	want := "backstay copy -r slow --from-repo fast " + made("fast").ID.Short()
	if codeOf(e.Kind) != 4 || !strings.Contains(e.Hint, want) || !strings.Contains(errs, `"slow" dropped out: too slow`) {
		t.Errorf("told is %q, %v with %q, want %q", errs, err, e.Hint, want)
	}
}
