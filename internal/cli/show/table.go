package show

import (
	"io"
	"strings"
)

// Table lines cells up in columns. It holds all of its rows until it is written.
type Table struct {
	header []string
	rows   [][]string
}

// NewTable returns a table with the titles of its columns. The cells below a title that starts with ">" are aligned to the right;
// the sign itself isn't shown.
func NewTable(titles ...string) *Table { return &Table{header: titles} }

// Add appends a row. A cell of several lines makes the row as high as its lines.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

const columnGap = "  "

// WriteTo writes the titles, a rule and the rows.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	titles, right := make([]string, len(t.header)), make([]bool, len(t.header))
	for i, title := range t.header {
		titles[i], right[i] = strings.CutPrefix(title, ">")
	}
	widths := t.widths(titles)
	total := len(columnGap) * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	writeRow(&b, titles, widths, right)
	b.WriteString(strings.Repeat("-", total) + "\n")
	for _, row := range t.rows {
		writeRow(&b, row, widths, right)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (t *Table) widths(titles []string) []int {
	widths := make([]int, len(titles))
	measure := func(row []string) {
		for i, cell := range row {
			for line := range strings.Lines(cell) {
				widths[i] = max(widths[i], Width(strings.TrimSuffix(line, "\n")))
			}
		}
	}
	measure(titles)
	for _, row := range t.rows {
		measure(row)
	}
	return widths
}

func writeRow(b *strings.Builder, row []string, widths []int, right []bool) {
	cells, height := make([][]string, len(row)), 1
	for i, cell := range row {
		cells[i] = strings.Split(cell, "\n")
		height = max(height, len(cells[i]))
	}
	for y := range height {
		var line strings.Builder
		for i := range cells {
			text := ""
			if y < len(cells[i]) {
				text = cells[i][y]
			}
			pad := strings.Repeat(" ", widths[i]-Width(text))
			if right[i] {
				text = pad + text
			} else {
				text += pad
			}
			line.WriteString(text + columnGap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
