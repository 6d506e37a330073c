package live

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
)

// Errors of writing are left alone here: they are those of a terminal or a log that is gone, and the run goes on
// without it. What the command itself prints in the end meets the same error, and reports it.

// draw writes the status as it is now.
func (d *Display) draw() {
	st := d.snapshot()
	d.out.Lock()
	defer d.out.Unlock()
	switch d.opt.Form {
	case Line:
		d.drawn = true
		_, _ = io.WriteString(d.opt.Err, "\r"+show.Cut(d.line(st), d.opt.Width()-1)+eraseToEnd)
	case Log:
		_, _ = fmt.Fprintln(d.opt.Err, d.line(st))
	case JSONLine:
		writeJSON(d.opt.Out, jsonStatus(st))
	}
}

const eraseToEnd = "\x1b[K"

// clear removes the status line, so that something else can be written in its place.
func (d *Display) clear() {
	if d.drawn {
		_, _ = io.WriteString(d.opt.Err, "\r"+eraseToEnd)
		d.drawn = false
	}
}

// line puts the status into words, the most important first: the end may be cut off.
func (d *Display) line(st status) string {
	parts := []string{"[" + show.Duration(st.Elapsed) + "]"}
	if st.Total != (count{}) {
		parts = append(parts, fmt.Sprintf("%5.1f%%", 100*st.share()))
	}
	parts = append(parts, of(show.Count(st.Done.files), show.Count(st.Total.files), st.Total.files)+" files",
		of(show.Size(st.Done.bytes), show.Size(st.Total.bytes), st.Total.bytes), show.Size(int64(st.Rate))+"/s")
	if left, ok := st.left(); ok {
		parts = append(parts, show.Duration(left)+" left")
	}
	if st.Failed > 0 {
		parts = append(parts, show.Plural(st.Failed, "error"))
	}
	if len(st.Current) > 0 {
		parts = append(parts, d.opt.Name(path.Base(st.Current[0])))
	}
	if more := len(st.Current) - 1; more > 0 {
		parts = append(parts, fmt.Sprintf("(+%d)", more))
	}
	return strings.Join(parts, "  ")
}

func of(done, total string, known int64) string {
	if known == 0 {
		return done
	}
	return done + " / " + total
}

// message writes what an event says, above the status line.
func (d *Display) message(e progress.Event) {
	d.out.Lock()
	defer d.out.Unlock()
	if d.opt.Form == JSONLine {
		d.messageJSON(e)
		return
	}
	d.clear()
	switch e.Kind {
	case progress.Failed:
		text := e.Err.Error()
		if !strings.Contains(text, e.Item) {
			text = e.Item + ": " + text
		}
		_, _ = fmt.Fprintln(d.opt.Err, "not done:", d.opt.Name(text))
	case progress.Notice:
		_, _ = fmt.Fprintln(d.opt.Err, d.opt.Name(e.Text))
	case progress.Finished:
		_, _ = fmt.Fprintf(d.opt.Err, "%-10s %10s  %s\n", e.State, show.Size(e.Bytes), d.opt.Name(e.Item))
	}
}

func (d *Display) messageJSON(e progress.Event) {
	switch e.Kind {
	case progress.Failed:
		writeJSON(d.opt.Err, map[string]any{"message_type": "error", "error": map[string]string{"message": e.Err.Error()}, "during": d.opt.During, "item": e.Item})
	case progress.Notice:
		writeJSON(d.opt.Err, map[string]any{"message_type": "notice", "message": e.Text, "item": e.Item})
	case progress.Finished:
		writeJSON(d.opt.Out, map[string]any{"message_type": "verbose_status", "action": jsonAction(e.State), "item": e.Item, "data_size": e.Bytes})
	}
}

// jsonAction is the word that programs made for restic's output know.
func jsonAction(state string) string {
	switch state {
	case "changed":
		return "modified"
	case "unmodified":
		return "unchanged"
	}
	return state
}

// statusJSON has the fields that programs made for restic's output know.
type statusJSON struct {
	MessageType      string   `json:"message_type"`
	SecondsElapsed   int64    `json:"seconds_elapsed,omitempty"`
	SecondsRemaining int64    `json:"seconds_remaining,omitempty"`
	PercentDone      float64  `json:"percent_done"` // 0 to 1
	TotalFiles       int64    `json:"total_files,omitempty"`
	FilesDone        int64    `json:"files_done,omitempty"`
	TotalBytes       int64    `json:"total_bytes,omitempty"`
	BytesDone        int64    `json:"bytes_done,omitempty"`
	ErrorCount       int64    `json:"error_count,omitempty"`
	CurrentFiles     []string `json:"current_files,omitempty"`
}

func jsonStatus(st status) statusJSON {
	left, _ := st.left()
	return statusJSON{MessageType: "status", SecondsElapsed: int64(st.Elapsed.Seconds()), SecondsRemaining: int64(left.Seconds()),
		PercentDone: st.share(), TotalFiles: st.Total.files, FilesDone: st.Done.files, TotalBytes: st.Total.bytes,
		BytesDone: st.Done.bytes, ErrorCount: st.Failed, CurrentFiles: st.Current}
}

func writeJSON(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }
