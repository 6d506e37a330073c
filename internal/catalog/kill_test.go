package catalog_test

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage/local"
)

// A process that fills is killed at any moment. What is in the catalogue then is right, and the next Fill brings the rest.
func TestAProcessThatIsKilledLeavesWholeSnapshots(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		dir := filepath.Join(t.TempDir(), "repository")
		w := newWorld(t, url, 11, 0)
		p := newPlaceIn(t, "r", local.New(local.OS{}, dir, local.Options{}))
		w.places = append(w.places, p)
		for range 40 {
			for range 4 {
				change(w.rand, w.now["host-a"])
			}
			for path := range w.now["host-a"] {
				w.all[path] = true
			}
			p.moved = p.moved.Add(time.Second)
			p.take("host-a", p.moved, w.now["host-a"])
		}
		killed := 0
		for range seeds(6) {
			if fillAndKill(t, url, dir, w.rand) {
				killed++
			}
			if w.compareWhatIsIn(p); w.rand.IntN(3) == 0 { // what is being added may have lost its base
				for id := range p.made {
					if w.rand.IntN(10) == 0 {
						p.forget(id)
					}
				}
			}
		}
		if killed == 0 {
			t.Error("no process was killed before it was done")
		}
		p.fill(w.c)
		w.compareHistories(sources...)
		w.empty()
	})
}

// compareWhatIsIn compares histories with those snapshots that the catalogue has.
func (w *world) compareWhatIsIn(p *place) {
	w.Helper()
	known, err := w.c.Snapshots(w.Context(), p.name)
	must(w.T, err)
	made := maps.Clone(p.made)
	defer func() { p.made = made }()
	p.made = make(map[crypto.ID]*record)
	for _, s := range known {
		p.made[s.ID] = p.gone[s.ID]
		if made[s.ID] != nil {
			p.made[s.ID] = made[s.ID]
		}
	}
	w.compareHistories(sources...)
	w.Logf("%d of %d snapshots are in", len(known), len(made))
}

const childDir, childURL = "CATALOG_TEST_REPOSITORY", "CATALOG_TEST_URL"

// fillAndKill lets another process fill the catalogue, and reports whether it was killed before it was done.
func fillAndKill(t *testing.T, url, dir string, r *rand.Rand) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildFills$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines, after := bufio.NewScanner(out), r.IntN(25)
	for lines.Scan() && after > 0 {
		after--
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	must(t, cmd.Process.Kill())
	return cmd.Wait() != nil
}

func TestChildFills(t *testing.T) {
	dir, url := os.Getenv(childDir), os.Getenv(childURL)
	if dir == "" {
		return
	}
	r, err := repo.Open(t.Context(), local.New(local.OS{}, dir, local.Options{}), "password", repo.Options{})
	must(t, err)
	must(t, r.LoadIndex(t.Context()))
	c := open(t, url)
	c.Tiny()
	opt := (&place{name: "r"}).options()
	opt.Progress = func(progress.Event) { fmt.Println("step") }
	fmt.Println("begun")
	must(t, catalog.Fill(t.Context(), c, r, opt))
}
