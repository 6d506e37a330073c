package entry

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// ErrPlan is wrapped by errors about a plan file that was cut or changed after it was written.
var ErrPlan = errors.New("the plan is not as it was written")

// Totals counts a plan, or a report, by action.
type Totals map[Action]Total

// Total is a number of changes and the bytes of their entries in the snapshot.
type Total struct {
	Count int64  `json:"count"`
	Bytes uint64 `json:"bytes"`
}

// Add counts one change.
func (t Totals) Add(c Change) {
	n := t[c.Action]
	n.Count++
	n.Bytes += c.Size
	t[c.Action] = n
}

// changeJSON is a Change in a file: its path is quoted like a Go string, without the quotes, so that any bytes survive.
type changeJSON struct {
	Path    string `json:"path"`
	Type    Type   `json:"type"`
	Action  Action `json:"action"`
	Size    uint64 `json:"size,omitempty"`
	Old     uint64 `json:"old_size,omitempty"`
	Without Loss   `json:"without,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// MarshalJSON returns the change with its path quoted like a Go string, without the quotes around it.
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON(c)
	quoted := strconv.Quote(c.Path)
	j.Path = quoted[1 : len(quoted)-1]
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Change) UnmarshalJSON(p []byte) error {
	var j changeJSON
	if err := json.Unmarshal(p, &j); err != nil {
		return err
	}
	path, err := strconv.Unquote(`"` + j.Path + `"`)
	if err != nil {
		return fmt.Errorf("path %q: %w", j.Path, err)
	}
	*c = Change(j)
	c.Path = path
	return nil
}

// planEnd is the last line of a plan file.
type planEnd struct {
	Totals Totals `json:"totals"`
	Digest string `json:"sha256"` // of all lines before, in hex
}

// WritePlan writes one line of JSON for each change, and a last one with the totals and a digest of the others. It
// returns the totals. An error that the changes yield ends it: then the file is no plan.
func WritePlan(w io.Writer, changes iter.Seq2[Change, error]) (Totals, error) {
	digest := sha256.New()
	out := bufio.NewWriter(w)
	totals := make(Totals)
	var line []byte
	for c, err := range changes {
		if err == nil {
			line, err = c.appendLine(line[:0])
		}
		if err != nil {
			return totals, err
		}
		digest.Write(line)
		if _, err := out.Write(line); err != nil {
			return totals, fmt.Errorf("write plan: %w", err)
		}
		totals.Add(c)
	}
	err := json.NewEncoder(out).Encode(planEnd{Totals: totals, Digest: hex.EncodeToString(digest.Sum(nil))})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return totals, fmt.Errorf("write plan: %w", err)
	}
	return totals, nil
}

// ReadPlan yields the changes that WritePlan wrote. If the file was changed since, or cut, the last element is an error
// that wraps ErrPlan: who must not act on such a plan reads it to the end before.
func ReadPlan(r io.Reader) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		digest := sha256.New()
		in := bufio.NewReaderSize(r, 64<<10)
		for {
			line, err := readLine(in)
			if err == io.EOF {
				err = fmt.Errorf("%w: it is cut", ErrPlan)
			}
			var end planEnd
			if err == nil && bytes.HasPrefix(line, []byte(`{"totals":`)) {
				if json.Unmarshal(line, &end) != nil || end.Digest != hex.EncodeToString(digest.Sum(nil)) {
					yield(Change{}, fmt.Errorf("%w: its digest differs", ErrPlan))
				}
				return
			}
			digest.Write(line)
			var c Change
			if err == nil {
				if err = c.readLine(line); err != nil {
					err = fmt.Errorf("%w: %w", ErrPlan, err)
				}
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// readLine returns the next line with its end, valid until the next call.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	long := bytes.Clone(line)
	rest, err := in.ReadBytes('\n')
	return append(long, rest...), err
}

// A plan has a line for each file, and nearly all lines are plain: no loss, no reason, and a path that needs no quoting. These are
// written and read without encoding/json, which takes ten times as long. The format is the same.

// appendLine appends the JSON of the change and a newline.
func (c Change) appendLine(p []byte) ([]byte, error) {
	if c.Reason != "" || c.Without != 0 || !plainText(c.Path) {
		line, err := json.Marshal(c)
		if err != nil {
			return p, fmt.Errorf("write plan: %w", err)
		}
		return append(append(p, line...), '\n'), nil
	}
	p = append(append(p, `{"path":"`...), c.Path...)
	p = append(append(p, `","type":"`...), c.Type...)
	p = append(append(p, `","action":"`...), c.Action...)
	p = append(p, '"')
	if c.Size != 0 {
		p = strconv.AppendUint(append(p, `,"size":`...), c.Size, 10)
	}
	if c.Old != 0 {
		p = strconv.AppendUint(append(p, `,"old_size":`...), c.Old, 10)
	}
	return append(p, "}\n"...), nil
}

// plainText reports whether s stands in JSON as it is, quoted like a Go string or not.
func plainText(s string) bool {
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

// readLine reads a line that appendLine wrote.
func (c *Change) readLine(line []byte) error {
	if c.readPlain(string(line)) {
		return nil
	}
	return json.Unmarshal(line, c)
}

// readPlain reads a plain line, and reports whether it was one.
func (c *Change) readPlain(line string) bool {
	var kind, action string
	rest, ok := strings.CutPrefix(line, `{"path":"`)
	if ok {
		c.Path, rest, ok = strings.Cut(rest, `","type":"`)
	}
	if ok {
		kind, rest, ok = strings.Cut(rest, `","action":"`)
	}
	if ok {
		action, rest, ok = strings.Cut(rest, `"`)
	}
	if !ok || !plainText(c.Path) || !plainText(kind) || !plainText(action) {
		return false
	}
	c.Type, c.Action = Type(kind), Action(action)
	c.Size, rest, ok = cutNumber(rest, `,"size":`)
	if ok {
		c.Old, rest, ok = cutNumber(rest, `,"old_size":`)
	}
	return ok && rest == "}\n"
}

// cutNumber reads a number behind name, 0 if name isn't there.
func cutNumber(s, name string) (n uint64, rest string, ok bool) {
	rest, found := strings.CutPrefix(s, name)
	if !found {
		return 0, s, true
	}
	end := strings.IndexAny(rest, ",}")
	if end < 0 {
		return 0, s, false
	}
	n, err := strconv.ParseUint(rest[:end], 10, 64)
	return n, rest[end:], err == nil
}
