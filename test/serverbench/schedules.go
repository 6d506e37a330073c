//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

const (
	mustLag       = 5000 // milliseconds from due to claimed, as R17 demands
	schedulesTime = 70 * time.Second
)

// measureSchedules makes all plans hourly ones, half of them at full minutes and half spread over the hour by their jitter, lets the server
// start them for a bit more than a minute, and looks at how long after they were due runs were claimed. The plans have nothing to back up: it is the clock
// and the queue that are measured.
func (s *site) measureSchedules(ctx context.Context) error {
	s.stop()
	if err := s.inDatabase(ctx, func(tx *db.Tx) error { return s.makeHourly(ctx, tx) }); err != nil {
		return err
	}
	begun := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	used := processorTime(s.server.cmd.Process.Pid)
	select {
	case <-time.After(schedulesTime):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	used = processorTime(s.server.cmd.Process.Pid) - used
	s.stop()
	lags := map[string][]time.Duration{}
	late := 0
	err := s.inDatabase(ctx, func(tx *db.Tx) (err error) {
		lags, late, err = lagsSince(ctx, tx, begun)
		return err
	})
	if err != nil {
		return err
	}
	for _, kind := range []string{"at full minutes", "with jitter"} {
		what := fmt.Sprintf("R17, %d schedules, %s", s.scaled(plans), kind)
		s.record(row{Stage: "schedules", What: what, Figure: "runs", Value: float64(len(lags[kind]))})
		s.record(row{Stage: "schedules", What: what, Figure: "from due to claimed, median", Value: ms(percentile(lags[kind], 50)), Unit: "ms"})
		s.record(row{Stage: "schedules", What: what, Figure: "from due to claimed, p99", Value: ms(percentile(lags[kind], 99)), Unit: "ms", Most: mustLag})
	}
	s.record(row{Stage: "schedules", What: "R17", Figure: "due and not claimed", Value: float64(late), None: true})
	s.record(row{Stage: "schedules", What: "R17", Figure: "processor of the server", Value: 100 * used.Seconds() / schedulesTime.Seconds(), Unit: "% of a core"})
	return nil
}

func (s *site) scaled(n int) int { return max(10, int(float64(n)*s.Scale)) }

// inDatabase does something in the database, while no server is at it.
func (s *site) inDatabase(ctx context.Context, fn func(*db.Tx) error) error {
	location := s.url
	if location == "" {
		location = filepath.Join(s.data, "backstay.db")
	}
	d, err := db.Open(ctx, location)
	if err != nil {
		return err
	}
	return errors.Join(d.Write(ctx, fn), d.Close())
}

func (s *site) makeHourly(ctx context.Context, tx *db.Tx) error {
	all, err := db.All[backstay.Plan](ctx, tx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for i, p := range all {
		p.Sources, p.Repositories, p.Retries, p.Active, p.HandledAt = nil, nil, 0, true, &now
		p.Schedule = schedule.Schedule{Every: "hour", At: fmt.Sprintf("00:%02d", i/2%60)}
		if i%2 == 1 {
			p.Schedule = schedule.Schedule{Every: "hour", Jitter: "59m"}
		}
		next, err := p.Schedule.Next(now, p.ID)
		if err != nil {
			return err
		}
		next = next.UTC()
		p.NextAt = &next
		if err := db.Update(ctx, tx, &p); err != nil {
			return err
		}
	}
	return nil
}

// lagsSince returns how long after they were due scheduled runs were claimed, by the kind of their schedule, and how many were due for longer than is allowed
// and are not.
func lagsSince(ctx context.Context, tx *db.Tx, begun time.Time) (lags map[string][]time.Duration, late int, err error) {
	all, err := db.All[backstay.Plan](ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	jittered := map[string]bool{}
	for _, p := range all {
		jittered[p.ID] = p.Schedule.Jitter != ""
	}
	found, err := db.All[backstay.Run](ctx, tx, db.Condition{Column: "created_at", Op: db.Since, Value: begun.UTC()}, db.Condition{Column: "trigger", Op: db.Is, Value: "schedule"})
	lags = map[string][]time.Duration{}
	for _, run := range found {
		switch {
		case run.StartedAt == nil && time.Since(run.DueAt) > mustLag*time.Millisecond+time.Second:
			late++
		case run.StartedAt != nil:
			kind := map[bool]string{true: "with jitter", false: "at full minutes"}[jittered[run.Plan]]
			lags[kind] = append(lags[kind], run.StartedAt.Sub(run.DueAt))
		}
	}
	for _, some := range lags {
		slices.Sort(some)
	}
	return lags, late, err
}
