package dataset

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// dump is what a database's dump tool writes: a table of accounts full of padding, then events with identifiers and
// JSON, in turns of some thousand rows.
func (l *language) dump(r *rand.Rand) func(b []byte) []byte {
	row := 0
	return func(b []byte) []byte {
		row++
		if row%2000 == 1 {
			table := []string{"accounts (aid, bid, abalance, filler)", "events (id, at, actor, kind, payload)"}[row/2000%2]
			b = append(b, "\\.\n\nCOPY public."+table+" FROM stdin;\n"...)
		}
		if row/2000%2 == 0 {
			return fmt.Appendf(b, "%d\t%d\t0\t%84s\n", row, row/100_000+1, "")
		}
		b = strconv.AppendInt(b, int64(row), 10)
		b = append(b, '\t')
		b = moment(b, row)
		b = fmt.Appendf(b, "\tuser%d\t%s\t", r.IntN(20_000), l.words[r.IntN(40)])
		b = l.object(b, r)
		return append(b, '\n')
	}
}

// object is a small JSON object.
func (l *language) object(b []byte, r *rand.Rand) []byte {
	b = append(b, `{"id": "`...)
	b = hexadecimal(b, r)
	b = append(b, `", "amount": `...)
	b = strconv.AppendInt(b, int64(min(r.IntN(1e6), r.IntN(1e6))), 10)
	b = append(b, `, "state": "`...)
	b = append(b, l.words[r.IntN(12)]...)
	b = append(b, `", "note": "`...)
	b = l.sentence(b, r, 3+r.IntN(8))
	return append(b, `"}`...)
}

func hexadecimal(b []byte, r *rand.Rand) []byte {
	v := r.Uint64()
	for range 16 {
		b = append(b, "0123456789abcdef"[v&15])
		v >>= 4
	}
	return b
}

// moment appends the time of the n-th event: about seven in a second.
func moment(b []byte, n int) []byte {
	t := time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(n) * 137 * time.Millisecond)
	return t.AppendFormat(b, "2006-01-02 15:04:05.000")
}

// jsonLines is one object in each line.
func (l *language) jsonLines(r *rand.Rand) func(b []byte) []byte {
	return func(b []byte) []byte { return append(l.object(b, r), '\n') }
}

// jsonFile is indented, as package descriptions and settings are.
func (l *language) jsonFile(r *rand.Rand) func(b []byte) []byte {
	return func(b []byte) []byte {
		b = append(b, "  {\n    \"name\": \""...)
		b = append(b, l.identifiers[l.nameRank.draw(r)]...)
		b = append(b, "\",\n    \"description\": \""...)
		b = l.sentence(b, r, 4+r.IntN(6))
		b = fmt.Appendf(b, "\",\n    \"version\": \"%d.%d.%d\",\n    \"dependencies\": [\n", r.IntN(9), r.IntN(20), r.IntN(30))
		for range r.IntN(5) {
			b = append(append(append(b, "      \""...), l.identifiers[l.nameRank.draw(r)]...), "\",\n"...)
		}
		return append(b, "    ]\n  },\n"...)
	}
}

// accessLog is a web server's.
func (l *language) accessLog(r *rand.Rand) func(b []byte) []byte {
	row := 0
	return func(b []byte) []byte {
		row++
		host := min(r.IntN(5000), r.IntN(5000))
		b = fmt.Appendf(b, "10.%d.%d.%d - - [", host>>8, host&255, host%7)
		b = moment(b, row)
		b = fmt.Appendf(b, "] \"GET /%s/%s?id=%d HTTP/1.1\" %d %d \"https://example.org/%s\" \"Mozilla/5.0 (X11; Linux x86_64) %s/%d.0\"\n",
			l.words[l.wordRank.draw(r)], l.words[l.wordRank.draw(r)], r.IntN(100_000), []int{200, 200, 200, 304, 404, 500}[r.IntN(6)],
			min(r.IntN(50_000), r.IntN(50_000)), l.words[r.IntN(300)], []string{"Gecko", "Chrome", "Safari"}[r.IntN(3)], 100+r.IntN(20))
		return b
	}
}

// csv is measurements.
func csv(r *rand.Rand) func(b []byte) []byte {
	row, value := 0, 1000.0
	return func(b []byte) []byte {
		row++
		value += r.Float64() - 0.5
		b = strconv.AppendInt(b, int64(row), 10)
		b = append(b, ',')
		b = moment(b, row)
		return fmt.Appendf(b, ",sensor-%d,%.3f,%.2f,%t\n", row%64, value, r.Float64()*100, r.IntN(50) == 0)
	}
}

// archive returns a kind that is a tar of source text, documents and some pictures. It ends in the middle of a file.
func (l *language) archive() kind {
	kinds := []kind{l.code(), l.code(), l.prose, l.jsonFile, random}
	return func(r *rand.Rand) func(b []byte) []byte {
		n := 0
		return func(b []byte) []byte {
			n++
			f := file{size: 500 + int64(r.ExpFloat64()*20_000), kind: kinds[n%len(kinds)], seed: r.Uint64()}
			if n%len(kinds) == len(kinds)-1 {
				f.size /= 4 // pictures take less than a tenth of what is installed
			}
			var buf bytes.Buffer
			w := tar.NewWriter(&buf)
			name := fmt.Sprintf("share/%s/%s-%d", l.words[n/50%len(l.words)], l.words[r.IntN(2000)], n)
			header := &tar.Header{Name: name, Mode: 0o644, Size: f.size, ModTime: time.Unix(1_700_000_000+int64(n), 0), Format: tar.FormatUSTAR}
			if w.WriteHeader(header) != nil || f.fill(w) != nil || w.Flush() != nil {
				panic("a tar in memory can't fail") // name and size are in bounds
			}
			return append(b, buf.Bytes()...)
		}
	}
}
