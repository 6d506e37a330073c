package api_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/resticbin"
)

// verify verifies the repository and returns the run.
func (b *backed) verify(t *testing.T, level string) backstay.Run {
	t.Helper()
	id := b.made(t, "/repositories/"+b.repository+"/verify", map[string]any{"level": level})
	b.quiet(t)
	var run backstay.Run
	b.Owner.Get(t, "/runs/"+id, &run)
	return run
}

// health is that of the one snapshot.
func (b *backed) health(t *testing.T) (backstay.Health, string) {
	t.Helper()
	all := b.snapshots(t)
	if len(all) != 1 {
		t.Fatalf("there are %d snapshots", len(all))
	}
	return all[0].Health, all[0].HealthLevel
}

func TestVerificationsMarkTheHealthOfSnapshots(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := back(t, s, map[string]any{"verify": "structure"})
		b.backUp(t)
		if health, level := b.health(t); health != backstay.HealthGood || level != "structure" {
			t.Errorf("after the backup it is %s by %s", health, level)
		}
		for _, level := range []string{"sample", "full", "structure"} {
			if run := b.verify(t, level); run.State != backstay.Succeeded {
				t.Fatalf("a verification %s is %s: %+v", level, run.State, run.Failure)
			}
		}
		if health, level := b.health(t); health != backstay.HealthGood || level != "full" {
			t.Errorf("after a full verification and a look at the structure it is %s by %s", health, level)
		}
		damage(t, filepath.Join(b.location, "data"))
		run := b.verify(t, "full")
		if run.State != backstay.RunFailed || run.Failure == nil || run.Failure.Code == "" || run.Failure.Hint == "" {
			t.Errorf("the verification is %s, %+v", run.State, run.Failure)
		}
		if health, _ := b.health(t); health != backstay.HealthDamaged {
			t.Errorf("the snapshot is %s", health)
		}
		b.verify(t, "structure")
		if health, _ := b.health(t); health != backstay.HealthDamaged {
			t.Errorf("after a look at the structure the damaged snapshot is %s", health)
		}
		var log struct{ Items []backstay.RunLine }
		if s.Owner.Get(t, "/runs/"+run.ID+"/log", &log); len(log.Items) == 0 {
			t.Error("the log tells nothing of the damage")
		}
	})
}

// damage changes a byte in the first half of every pack, where the data is.
func damage(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content[len(content)/4] ^= 1
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatResticMakesAndRemovesIsSeenByAScan(t *testing.T) {
	theirs := resticbin.Newest(t)
	s := servertest.Start(t, server.Options{}).Claim(t)
	b := back(t, s, nil)
	b.backUp(t)
	repo := resticbin.Repo{Bin: theirs, Dir: b.location, Password: b.password(t)}
	scan := func(want int) []backstay.Snapshot {
		t.Helper()
		s.Owner.Post(t, "/repositories/"+b.repository+"/scan", nil, nil)
		b.quiet(t)
		all := b.snapshots(t)
		if len(all) != want {
			t.Fatalf("there are %d snapshots, want %d", len(all), want)
		}
		return all
	}
	if _, err := repo.Run(t.Context(), "backup", "--host", "elsewhere", "--tag", "theirs", b.dir); err != nil {
		t.Fatal(err)
	}
	all := scan(2)
	if got := all[1]; got.Host != "elsewhere" || got.Source != "" || got.Health != backstay.HealthUnverified || len(got.Tags) != 1 {
		t.Errorf("what restic made is %+v", got)
	}
	if _, err := repo.Run(t.Context(), "forget", all[0].Handle); err != nil {
		t.Fatal(err)
	}
	if left := scan(1); left[0].Handle != all[1].Handle {
		t.Errorf("left is %+v", left)
	}
}
