package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// maxLogLines is how many lines of a log a page has.
const maxLogLines = 500

// logView is a part of the log of a run.
type logView struct {
	Run          string
	Lines        []logLine
	Older, Newer string // the addresses of what is around it; "" without any
	Jump         jump
	Follow       bool // more lines come
	After        int64
}

// logLine is a line of it.
type logLine struct {
	ID          int64
	Time        html
	Level, Tone string
	Text        string
}

// jump leads to the first line that tells of something wrong.
type jump struct {
	Href, Word string
	line       int64
}

func jumpOf(log app.RunLog) jump {
	j := jump{Word: "Jump to first error", line: log.Error}
	if j.line == 0 {
		j.Word, j.line = "Jump to first warning", log.Warning
	}
	if j.line > 0 {
		j.Href = fmt.Sprintf("/activity/%s?from=%d#line-%d", log.Run.ID, j.line, j.line)
	}
	return j
}

// jumpTo leads to the first problem of a run where what is new of it tells of any.
func (v *visit) jumpTo(news app.RunNews) (jump, error) {
	if !slices.ContainsFunc(news.Lines, func(l backstay.RunLine) bool { return l.Level != "info" }) {
		return jump{}, nil
	}
	log, err := v.App.RunLog(v.ctx, v.who, news.Run.ID, 0, 1)
	return jumpOf(log), err
}

func (v *visit) logView(log app.RunLog) *logView {
	at := "/activity/" + log.Run.ID
	w := &logView{Run: log.Run.ID, Lines: v.logLines(log.Lines), Follow: !log.Run.State.Ended()}
	if len(w.Lines) == 0 {
		return w
	}
	first, last := w.Lines[0].ID, w.Lines[len(w.Lines)-1].ID
	w.After = last
	if first > 1 {
		w.Older = fmt.Sprintf("%s?from=%d#log", at, max(1, first-maxLogLines))
	}
	if last < log.Last {
		w.Newer, w.Follow = fmt.Sprintf("%s?from=%d#log", at, last+1), false
	}
	w.Jump = jumpOf(log)
	if line := w.Jump.line; line >= first && line <= last {
		w.Jump.Href = fmt.Sprintf("#line-%d", line)
	}
	return w
}

// lineLevels are the words and tones of a log's lines.
var lineLevels = map[string][2]string{"info": {"info", ""}, "warning": {"warn", "warn"}, "error": {"error", "fail"}}

func (v *visit) logLines(lines []backstay.RunLine) []logLine {
	all := make([]logLine, len(lines))
	for i, l := range lines {
		level := lineLevels[l.Level]
		all[i] = logLine{ID: l.Seq, Time: v.moment(l.Time, l.Time.In(v.zone).Format("15:04:05")), Level: level[0], Tone: level[1], Text: l.Text}
	}
	return all
}

// runLogText sends the whole log as a text.
func (v *visit) runLogText() error {
	log, err := v.App.RunLog(v.ctx, v.who, v.id(), 1, 1000)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="run-`+log.Run.ID+`.txt"`)
	lines := log.Lines
	for len(lines) > 0 {
		for _, l := range lines {
			if _, err := fmt.Fprintf(v.w, "%s %-7s %s\n", l.Time.UTC().Format(time.RFC3339), l.Level, l.Text); err != nil {
				return nil // who asked has gone
			}
		}
		if lines, err = v.App.RunLines(v.ctx, v.who, log.Run.ID, lines[len(lines)-1].Seq, 1000); err != nil {
			panic(http.ErrAbortHandler) // half a log must not pass for a whole one
		}
	}
	return nil
}

// wholeNumber is a number that a browser gives back; 0 for what is none.
func wholeNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// countless is a number as programs read it.
func countless(n int64) string { return strconv.FormatInt(n, 10) }
