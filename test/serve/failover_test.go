package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/test/servers"
)

// try starts a plan, and returns the id of the run if the server says that it has it.
func (p *process) try(t *testing.T, plan string) (id string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/v1/plans/"+plan+"/start", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return "", false
	}
	defer answer.Body.Close()
	var made struct{ ID string }
	if answer.StatusCode != http.StatusCreated || json.NewDecoder(answer.Body).Decode(&made) != nil {
		return "", false
	}
	return made.ID, true
}

// doneOnce fails the test unless each of the runs, or a repetition of it, succeeded, and once. It returns how many were lost and done twice.
func doneOnce(t *testing.T, all []backstay.Run, acknowledged []string) (lost, double int) {
	t.Helper()
	byID, root := map[string]backstay.Run{}, func(string) string { return "" }
	for _, run := range all {
		byID[run.ID] = run
	}
	root = func(id string) string {
		if of := byID[id].RetryOf; of != "" {
			return root(of)
		}
		return id
	}
	succeeded := map[string]int{}
	for _, run := range all {
		if run.Kind == backstay.RunBackup && run.State == backstay.Succeeded {
			succeeded[root(run.ID)]++
		}
	}
	for _, id := range acknowledged {
		switch n := succeeded[id]; {
		case n == 0:
			lost++
			t.Errorf("run %s was acknowledged and is %q: %+v", id, byID[id].State, byID[id].Failure)
		case n > 1:
			double++
			t.Errorf("run %s was done %d times", id, n)
		}
	}
	return lost, double
}

func TestTheDatabaseFailsOver(t *testing.T) {
	pair := servers.StartPostgresPair(t)
	in := newInstallation(t, pair.URL)
	p := in.start(t, "--runs", "10")
	s := setUp(t, p)
	s.unlimited(t, p)
	var acknowledged []string
	var longest time.Duration
	n := rounds(5)
	for range n {
		for i := range 6 {
			put(t, filepath.Join(s.sources[i], "file"), time.Now().String())
			if id, ok := p.try(t, s.plans[i]); ok {
				acknowledged = append(acknowledged, id)
			}
		}
		begun := time.Now()
		pair.Fail()
		for i := 6; ; i = (i+1)%10 + 6 {
			id, ok := p.try(t, s.plans[i])
			if ok {
				acknowledged = append(acknowledged, id)
				break
			}
			if time.Since(begun) > time.Minute {
				t.Fatal("the server does not find the new primary")
			}
			time.Sleep(50 * time.Millisecond)
		}
		took := time.Since(begun)
		if longest = max(longest, took); took > 15*time.Second {
			t.Errorf("a run was accepted only %s after the end of the primary", took)
		}
		p.until(t, 2*time.Minute, "all are over", allOver)
		pair.Rejoin()
	}
	lost, double := doneOnce(t, p.runs(t), acknowledged)
	s.repositorySound(t)
	t.Logf("R14: %d failovers, the longest %s, %d acknowledged runs, %d lost, %d double", n, longest.Round(time.Millisecond), len(acknowledged), lost, double)
}

// unlimited lets the storage have all its speed.
func (s *site) unlimited(t *testing.T, p *process) {
	t.Helper()
	var list struct{ Items []struct{ ID string } }
	p.ask(t, "GET", "/storages", nil, &list)
	p.ask(t, "PATCH", "/storages/"+list.Items[0].ID, map[string]any{"upload": "2048"}, nil)
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTheDatabaseTakesNoFurtherConnections takes all that there are, and ends those that the server has.
func TestTheDatabaseTakesNoFurtherConnections(t *testing.T) {
	pair := servers.StartPostgresPair(t)
	in := newInstallation(t, pair.URL)
	p := in.start(t, "--runs", "10")
	s := setUp(t, p)
	s.unlimited(t, p)
	n, refused := rounds(5), 0
	var acknowledged []string
	for range n {
		for i := range 4 {
			put(t, filepath.Join(s.sources[i], "file"), time.Now().String())
			if id, ok := p.try(t, s.plans[i]); ok {
				acknowledged = append(acknowledged, id)
			}
		}
		free := takeAll(t, pair.URL)
		for range 5 {
			if id, ok := p.try(t, s.plans[5]); ok {
				acknowledged = append(acknowledged, id)
			} else {
				refused++
			}
		}
		free()
		for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			if id, ok := p.try(t, s.plans[6]); ok {
				acknowledged = append(acknowledged, id)
				break
			}
			if time.Since(begun) > 15*time.Second {
				t.Fatal("the server does not come back")
			}
		}
		p.until(t, 2*time.Minute, "all are over", allOver)
	}
	if refused == 0 {
		t.Error("the server never lacked a connection")
	}
	lost, double := doneOnce(t, p.runs(t), acknowledged)
	s.repositorySound(t)
	t.Logf("R14: all connections taken, %d times: %d requests refused, %d acknowledged runs, %d lost, %d double", n, refused, len(acknowledged), lost, double)
}

// takeAll takes all connections of a PostgreSQL server from those who have them. Free gives them back.
func takeAll(t *testing.T, url string) (free func()) {
	t.Helper()
	var all []*pgx.Conn
	for range 20 {
		for {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				break
			}
			all = append(all, conn)
		}
		mine := []int32{}
		for _, conn := range all {
			mine = append(mine, int32(conn.PgConn().PID()))
		}
		var ended int
		err := all[0].QueryRow(t.Context(), `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = 'backstay' and pid <> all($1)`, mine).Scan(&ended)
		if err != nil {
			t.Fatal(err)
		}
		if ended == 0 {
			break
		}
	}
	return func() {
		for _, conn := range all {
			_ = conn.Close(context.Background())
		}
	}
}
