package app

import (
	"context"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// RunNews is a run as it is now, and the lines of its log that are new.
type RunNews struct {
	Run   backstay.Run
	Lines []backstay.RunLine
	More  bool // there are more lines than these
}

// RunNews returns a run with the lines of its log after one.
func (a *App) RunNews(ctx context.Context, who backstay.Actor, id string, after int64) (news RunNews, err error) {
	err = a.look(ctx, who, "run.read", func(t *task) error {
		if news.Run, err = a.Runs.find(t, id); err != nil {
			return err
		}
		news.Lines, err = t.tx.Lines(ctx, id, after, db.MaxPage)
		news.More = len(news.Lines) == db.MaxPage
		return err
	})
	return news, err
}
