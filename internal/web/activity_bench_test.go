//go:build unix

package web_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// BenchmarkPagesWithManyRuns measures what the server takes for the pages of runs, alerts and the overview when there are 10,000 runs of 12
// weeks, with a log of 10,000 lines, 200 plans and 200 sources. It reports the time that 19 of 20 requests take at most, and what of the
// processor one takes with the client in the same process, which says more on a machine that has other things to do.
func BenchmarkPagesWithManyRuns(b *testing.B) {
	s := servertest.Start(b, server.Options{}).Claim(b)
	var projects struct{ Items []struct{ ID string } }
	s.Owner.Get(b, "/projects", &projects)
	long := fillRuns(b, filepath.Join(s.Data, "backstay.db"), projects.Items[0].ID)
	for _, path := range []string{"/", "/activity", "/activity?state=problem", "/activity?kind=backup&from=2026-01-01", "/activity/" + long, "/alerts"} {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			before := cpu(b)
			for b.Loop() {
				begun := time.Now()
				if a := s.Owner.Page(b, http.MethodGet, path, nil); a.Status != http.StatusOK {
					b.Fatalf("GET %s = %d", path, a.Status)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*19/20].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(len(took)), "cpu-ms/op")
		})
	}
}

// cpu is the time that this process has had of the processor.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fillRuns writes to the database what the server would after 12 weeks, and returns a run with a long log.
func fillRuns(b *testing.B, file, project string) (long string) {
	b.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, file)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	record := func(id string, at time.Time) backstay.Record {
		return backstay.Record{ID: id, CreatedAt: at, UpdatedAt: at, Version: 1}
	}
	place := func(scope backstay.Scope) backstay.Placed { return backstay.Placed{Project: project, Scope: scope} }
	err = d.Write(ctx, func(tx *db.Tx) error {
		for i := range 200 {
			source, plan := fmt.Sprintf("source%010d", i), fmt.Sprintf("plan%012d", i)
			in := backstay.ProjectScope(project)
			if err := db.Insert(ctx, tx, &backstay.Source{Record: record(source, now), Placed: place(in.Of("source", source)), Name: fmt.Sprint("Source ", i), Kind: "files"}); err != nil {
				return err
			}
			if err := db.Insert(ctx, tx, &backstay.Plan{Record: record(plan, now), Placed: place(in.Of("plan", plan)), Name: fmt.Sprint("Plan ", i), Sources: []string{source}}); err != nil {
				return err
			}
		}
		for i := range 10_000 {
			at := now.Add(-time.Duration(i) * 12 * 7 * 24 * time.Hour / 10_000)
			end, id, source := at.Add(time.Minute), fmt.Sprintf("run%013d", i), fmt.Sprintf("source%010d", i%200)
			r := backstay.Run{Record: record(id, at), Placed: place(backstay.ProjectScope(project).Of("source", source).Of("run", id)), Kind: backstay.RunBackup, State: backstay.Succeeded,
				Plan: fmt.Sprintf("plan%012d", i%200), Sources: []string{source}, Trigger: "schedule", DueAt: at, StartedAt: &at, EndedAt: &end, Attempt: 1}
			if i%50 == 0 {
				r.State, r.Failure = backstay.RunFailed, &backstay.Failure{Code: "BST-2002", Text: "there is no repository"}
			}
			if err := db.Insert(ctx, tx, &r); err != nil {
				return err
			}
		}
		long = fmt.Sprintf("run%013d", 0)
		var lines []backstay.RunLine
		for i := range 10_000 {
			lines = append(lines, backstay.RunLine{Run: long, Seq: int64(i + 1), Time: now, Level: "info", Text: fmt.Sprint("line ", i)})
		}
		for some := range slices.Chunk(lines, 1000) {
			if err := tx.AddLines(ctx, some); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return long
}
