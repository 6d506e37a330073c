//go:build linux && (amd64 || arm64)

package crash

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
)

// exitKilled is how trap ends when it has killed the program.
const exitKilled = 137

// target is a kill to be.
type target struct {
	op    operation
	point string
	nth   int
}

func (k target) String() string { return fmt.Sprintf("%s at %s:%d", k.op.name, k.point, k.nth) }

// tally is what was seen of the kills at points.
type tally struct {
	mu                 sync.Mutex
	kills, lost, pairs int
	points, operations map[string]bool
}

func (a *tally) String() string {
	return fmt.Sprintf("%d kills at %d named points of %d operations (of %d pairs of point and operation), %d lost",
		a.kills, len(a.points), len(a.operations), a.pairs, a.lost)
}

func (a *tally) add(k target, lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kills++
	a.points[k.point], a.operations[k.op.name] = true, true
	if lost {
		a.lost++
	}
}

func TestAKillAtANamedPointLosesNothing(t *testing.T) {
	l := newLab(t)
	l.trap = buildTrap(t)
	seed, perOperation, times := uint64(1), 11, 1
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		perOperation, times = 1000, 10
	}
	all := &tally{points: make(map[string]bool), operations: make(map[string]bool)}
	var targets []target
	each(t, l.operations(t), func(op operation) string { return op.name }, func(t *testing.T, op operation) {
		reached := l.points(t, op)
		all.mu.Lock()
		defer all.mu.Unlock()
		all.pairs += len(reached)
		targets = append(targets, choose(op, reached, seed, perOperation, times)...)
	})
	each(t, targets, target.String, func(t *testing.T, k target) { l.killAt(t, k, all) })
	t.Logf("R1: %v, seed %d", all, seed)
	if len(all.points) < 40 {
		t.Errorf("there were kills at %d points, want 40 at least", len(all.points))
	}
}

// choose chooses at which of the points that an operation reaches it is killed, and at which time.
func choose(op operation, reached map[string]int, seed uint64, most, times int) (chosen []target) {
	rng := rand.New(rand.NewPCG(seed, uint64(crc32.ChecksumIEEE([]byte(op.name)))))
	names := slices.Sorted(maps.Keys(reached))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:min(most, len(names))] {
		for range min(times, reached[name]) {
			chosen = append(chosen, target{op, name, 1 + rng.IntN(reached[name])})
		}
	}
	return chosen
}

// buildTrap builds the program that kills at points, and looks whether it works here.
func buildTrap(t *testing.T) string {
	t.Helper()
	path := build(t, "trap")
	if out, err := exec.CommandContext(t.Context(), path, "true").CombinedOutput(); err != nil {
		t.Skipf("this machine lets nobody watch system calls (seccomp): %v: %s", err, out)
	}
	return path
}

// points runs the operation without a kill and returns how often it reaches each point.
func (l *lab) points(t *testing.T, op operation) map[string]int {
	t.Helper()
	r := l.enter(t, op)
	if killed, err := r.trapped(t.Context(), op, "BACKSTAY_POINTS="+r.at("points")); err != nil || killed {
		t.Fatalf("killed %t, %v", killed, err)
	}
	f, err := os.Open(r.at("points"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reached := make(map[string]int)
	for {
		var name string
		var n int
		if _, err := fmt.Fscanln(f, &name, &n); err != nil {
			return reached
		}
		reached[name] = n
	}
}

// killAt kills an operation, then looks what is left. How often a point is reached may differ between runs; then it is killed there
// earlier.
func (l *lab) killAt(t *testing.T, k target, all *tally) {
	for n := k.nth; n > 0; n /= 2 {
		r := l.enter(t, k.op)
		killed, err := r.trapped(t.Context(), k.op, fmt.Sprintf("BACKSTAY_CRASH=%s:%d", k.point, n))
		if err != nil {
			t.Fatal(err)
		}
		if !killed {
			continue
		}
		err = r.recovers(t.Context(), k.op, n%3 == 0)
		if err != nil {
			t.Error(err)
		}
		all.add(k, err != nil)
		return
	}
	t.Errorf("%v: it was not reached, not even once", k)
}

// trapped runs the operation in a trap.
func (r *room) trapped(ctx context.Context, op operation, env ...string) (killed bool, err error) {
	cmd, said := r.command(ctx, op.args(r)...)
	cmd.Path, cmd.Args = r.trap, append([]string{r.trap, r.binary}, cmd.Args[1:]...)
	cmd.Env = append(cmd.Env, env...)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitKilled {
		return true, nil
	}
	if err != nil {
		err = fmt.Errorf("%s %v: %w: %s", op.name, env, err, said)
	}
	return false, err
}
