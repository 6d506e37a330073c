package app

import (
	"context"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// RunLog is a run with a part of its log.
type RunLog struct {
	Run     backstay.Run
	Lines   []backstay.RunLine
	Last    int64 // the number of the last line there is; 0 without any
	Error   int64 // that of the first error
	Warning int64 // and of the first warning
}

// RunLog returns a run with so many lines of its log from one on; from 0: the newest.
func (a *App) RunLog(ctx context.Context, who backstay.Actor, id string, from int64, limit int) (log RunLog, err error) {
	err = a.look(ctx, who, "run.read", func(t *task) error {
		if log.Run, err = a.Runs.find(t, id); err != nil {
			return err
		}
		if log.Last, log.Error, log.Warning, err = t.tx.LogEnds(ctx, id); err != nil {
			return err
		}
		limit = max(1, min(limit, db.MaxPage))
		after := from - 1
		if from <= 0 {
			after = max(0, log.Last-int64(limit))
		}
		log.Lines, err = t.tx.Lines(ctx, id, after, limit)
		return err
	})
	return log, err
}
