package app

import (
	"context"
	"sync"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// RunNews is a run as it is now, and the lines of its log that are new.
type RunNews struct {
	Run   backstay.Run
	Lines []backstay.RunLine
	More  bool // there are more lines than these
}

// How runs are watched. What they say is in the database, so that any process can tell, whichever works on them.
const (
	LookForNews = time.Second
	quiet       = 15 * time.Second // after which who watches is told that there is nothing new
	keptLines   = db.MaxPage       // of a log, for all who watch
)

// newsroom asks the database for all in this process who watch runs, however many they are: once each LookForNews.
type newsroom struct {
	mu     sync.Mutex // guards topics and what is in them
	topics map[string]*topic
}

// topic is a run that somebody watches.
type topic struct {
	readers int
	changed chan struct{} // closed, and another one made, when there is something to tell
	spoke   time.Time     // when that was
	edition int           // counts the changes
	gone    bool
	run     backstay.Run
	lines   []backstay.RunLine // the newest of the log
	from    int64              // the number of the line before them: who knows less asks the database
}

// last is the number of the newest line.
func (t *topic) last() int64 {
	return lastOf(t.lines, t.from)
}

func lastOf(lines []backstay.RunLine, otherwise int64) int64 {
	if len(lines) == 0 {
		return otherwise
	}
	return lines[len(lines)-1].Seq
}

// tell wakes who waits for news.
func (t *topic) tell(now time.Time) {
	close(t.changed)
	t.changed, t.spoke = make(chan struct{}), now
}

// RunFeed is what somebody reads who watches a run. It is used by one goroutine.
type RunFeed struct {
	app     *App
	who     backstay.Actor
	id      string
	after   int64 // the number of the last line that was read
	next    *RunNews
	topic   *topic
	edition int
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

// WatchRun returns what a run tells from now on, and the lines of its log after one. It has to be closed.
func (a *App) WatchRun(ctx context.Context, who backstay.Actor, id string, after int64) (*RunFeed, error) {
	news, err := a.RunNews(ctx, who, id, after)
	if err != nil {
		return nil, err
	}
	f := &RunFeed{app: a, who: who, id: id, after: after, next: &news}
	a.news.mu.Lock()
	defer a.news.mu.Unlock()
	if a.news.topics == nil {
		a.news.topics = map[string]*topic{}
	}
	if f.topic = a.news.topics[id]; f.topic == nil {
		f.topic = &topic{changed: make(chan struct{}), spoke: a.now(), from: lastOf(news.Lines, after)}
		a.news.topics[id] = f.topic
	}
	f.topic.readers++
	f.edition = f.topic.edition // what it told until now is older than what was read just now
	return f, nil
}

// Close ends the watch.
func (f *RunFeed) Close() {
	f.app.news.mu.Lock()
	defer f.app.news.mu.Unlock()
	if f.topic.readers--; f.topic.readers == 0 && f.app.news.topics[f.id] == f.topic {
		delete(f.app.news.topics, f.id)
	}
}

// Next waits for something new, at first for nothing. It reports false if it was quiet for a while.
func (f *RunFeed) Next(ctx context.Context) (news RunNews, is bool, err error) {
	if f.next != nil {
		news, is, f.next = *f.next, true, nil
	} else if news, is, err = f.wait(ctx); err != nil {
		return news, false, err
	}
	f.after = lastOf(news.Lines, f.after)
	if news.More {
		more, err := f.app.RunNews(ctx, f.who, f.id, f.after)
		f.next = &more
		return news, is, err
	}
	return news, is, nil
}

func (f *RunFeed) wait(ctx context.Context) (news RunNews, is bool, err error) {
	changed, news, is, behind := f.look()
	if !is && !behind {
		select {
		case <-changed:
		case <-ctx.Done():
			return news, false, context.Cause(ctx)
		}
		_, news, is, behind = f.look()
	}
	if behind {
		news, err = f.app.RunNews(ctx, f.who, f.id, f.after)
		return news, err == nil, err
	}
	return news, is, nil
}

// look returns what is new for this reader; behind says that the database knows.
func (f *RunFeed) look() (changed <-chan struct{}, news RunNews, is, behind bool) {
	f.app.news.mu.Lock()
	defer f.app.news.mu.Unlock()
	t := f.topic
	if t.edition == f.edition {
		return t.changed, news, false, false
	}
	f.edition = t.edition
	if t.gone || f.after < t.from {
		return t.changed, news, false, true
	}
	news.Run = t.run
	for _, line := range t.lines {
		if line.Seq > f.after {
			news.Lines = append(news.Lines, line)
		}
	}
	return t.changed, news, true, false
}

// TellNews looks what is new of the runs that are watched, and tells those who do.
func (a *App) TellNews(ctx context.Context) error {
	last := a.news.watched()
	if len(last) == 0 {
		return nil
	}
	var runs []backstay.Run
	lines := map[string][]backstay.RunLine{}
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if runs, err = tx.RunsOf(ctx, last); err != nil {
			return err
		}
		for _, run := range runs {
			if !a.news.differs(run) {
				continue
			}
			lines[run.ID] = nil // it has changed, whether there are lines or not
			for more := true; more; {
				some, err := tx.Lines(ctx, run.ID, last[run.ID], db.MaxPage)
				if err != nil {
					return err
				}
				more = len(some) == db.MaxPage
				last[run.ID] = lastOf(some, last[run.ID])
				lines[run.ID] = append(lines[run.ID], some...)
			}
		}
		return nil
	})
	if err != nil {
		return explain(err, "run")
	}
	a.news.publish(runs, lines, last, a.now())
	return nil
}

// watched returns the runs that are watched, with the newest line that is known of each.
func (n *newsroom) watched() map[string]int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]int64, len(n.topics))
	for id, t := range n.topics {
		all[id] = t.last()
	}
	return all
}

// differs reports whether a run is another than it was. Whoever writes to its log changes the run, too: it prolongs the lease or ends it.
func (n *newsroom) differs(run backstay.Run) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.topics[run.ID]
	if t == nil || t.edition == 0 {
		return t != nil
	}
	was := t.run
	leased := (was.LeaseUntil == nil) == (run.LeaseUntil == nil) && (run.LeaseUntil == nil || was.LeaseUntil.Equal(*run.LeaseUntil))
	return !leased || was.Version != run.Version || was.State != run.State || was.Fence != run.Fence || was.Cancel != run.Cancel
}

// publish tells of what has changed, and of runs that are no longer there.
func (n *newsroom) publish(runs []backstay.Run, lines map[string][]backstay.RunLine, asked map[string]int64, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	there := map[string]backstay.Run{}
	for _, run := range runs {
		there[run.ID] = run
	}
	for id := range asked {
		t := n.topics[id]
		if t == nil {
			continue
		}
		run, is := there[id]
		_, changed := lines[id]
		switch {
		case !is:
			t.gone, t.edition = true, t.edition+1
			t.tell(now)
		case changed:
			t.run, t.edition = run, t.edition+1
			t.add(lines[id])
			t.tell(now)
		case now.Sub(t.spoke).Abs() >= quiet:
			t.tell(now)
		}
	}
}

// add takes in lines, and lets go of the oldest.
func (t *topic) add(lines []backstay.RunLine) {
	for _, line := range lines {
		if line.Seq > t.last() {
			t.lines = append(t.lines, line)
		}
	}
	if drop := len(t.lines) - keptLines; drop > 0 {
		t.from = t.lines[drop-1].Seq
		t.lines = append([]backstay.RunLine(nil), t.lines[drop:]...)
	}
}
