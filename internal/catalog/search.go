package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/entry"
)

// Scope is what somebody may see of a source.
type Scope struct {
	Source string
	// Prefixes are the paths that may be seen, each with all below it. Without any it is the whole source.
	Prefixes []string
}

// Query says what to look for. All conditions hold together.
type Query struct {
	// Text is any part of the name, in upper or lower case. With a slash it is a part of the path that reaches into the
	// name: "letters/2024" finds 2024.txt in the folder letters. Less than three characters are the beginning of a name.
	// "" finds everything.
	Text string
	// In is where to look: what is not named here is not found. Several scopes of one source add up.
	In   []Scope
	Type entry.Type // "" for all
	// From and To bound the time of the snapshots to look in, both inclusive and in milliseconds; zero times don't.
	From, To time.Time
	Limit    int    // hits of a page; by default 50
	Cursor   string // Next of the page before
}

// Hit is a path that was found: of its versions that match and are in a snapshot that was looked in, the one that came last.
type Hit struct {
	Repository, Source string
	Path               string // slash-separated, without a leading slash, its bytes as they are
	Version
	First, Last Snapshot // between which it stayed like this
}

// Page is a part of what was found.
type Page struct {
	Hits []Hit // those that changed last come first
	// Next is the Cursor of the next page, "" if this was the last. A page may have few hits, or none, and a Next all the
	// same: a search ends its page when it has looked at so much that the next hits would keep a person waiting.
	Next string
}

// ErrCursor means that a cursor is not one that a page had.
var ErrCursor = errors.New("no cursor of a page")

const defaultLimit = 50

// Search returns a page of what a query finds: each path of a source once.
func (c *Catalog) Search(ctx context.Context, q Query) (Page, error) {
	var page Page
	err := c.read(ctx, func(s session) (err error) {
		page, err = c.search(ctx, s, q)
		return err
	})
	return page, c.fail("search the catalogue", err)
}

func (c *Catalog) search(ctx context.Context, s session, q Query) (Page, error) {
	q.Limit = cmp.Or(max(q.Limit, 0), defaultLimit)
	f := finder{s: s, query: q, pattern: patternOf(q.Text), from: dawn, to: forever, limits: c.limits, work: c.limits.patience}
	if !q.From.IsZero() {
		f.from = momentOf(q.From)
	}
	if !q.To.IsZero() {
		f.to = momentOf(q.To)
	}
	if err := f.place.parse(q.Cursor); err != nil {
		return Page{}, err
	}
	if strings.IndexByte(q.Text, 0) >= 0 || len(q.Text) > longest { // no path is like that
		return Page{}, nil
	}
	if err := f.enter(ctx, q.In); err != nil || len(f.scopes) == 0 {
		return Page{}, err
	}
	return f.page(ctx)
}

// key is a version: where it stands in the order of the hits.
type key struct{ first, series, dir, name int64 }

// compare puts what began last first.
func (k key) compare(o key) int {
	return cmp.Or(-cmp.Compare(k.first, o.first), -cmp.Compare(k.series, o.series), cmp.Compare(k.dir, o.dir), cmp.Compare(k.name, o.name))
}

// start is before all keys.
var start = key{first: forever}

func (k key) String() string { return fmt.Sprintf("%x.%x.%x.%x", k.first, k.series, k.dir, k.name) }

func (k *key) parse(cursor string) error {
	*k = start
	if cursor == "" {
		return nil
	}
	if n, err := fmt.Sscanf(cursor, "%x.%x.%x.%x", &k.first, &k.series, &k.dir, &k.name); err != nil || n != 4 || k.String() != cursor {
		return fmt.Errorf("%q: %w", cursor, ErrCursor)
	}
	return nil
}

// finder looks for one page.
type finder struct {
	s        session
	limits   limits
	query    Query
	pattern  pattern
	from, to int64
	scopes   map[int64][]string // prefixes by the number of the source; nil for all of it
	ranges   [][2]int64         // the numbers of names in the scopes
	series   map[int64]series   // in the scopes
	all      bool               // the scopes are all there is
	partly   bool               // some are parts of sources
	dirs     map[int64]bool     // those that the pattern allows; nil if they are not known
	scope    *narrow            // nil if it isn't worth knowing
	likely   map[int64]bool     // directories that were sifted
	place    key                // behind which to go on
	work     int                // how much may still be looked at
}

type series struct {
	id         int64
	source     int64
	sourceName string
	repository string
}

// Other work than looking at an entry of an index counts as so many entries.
const (
	costOfMoment = 50
	costOfKey    = 10
	costOfDir    = 2
)

// enter finds out what the scopes are in the database.
func (f *finder) enter(ctx context.Context, in []Scope) error {
	wanted := make(map[string][]string)
	for _, s := range in {
		prefixes, known := wanted[s.Source]
		switch {
		case len(s.Prefixes) == 0 || known && prefixes == nil:
			wanted[s.Source] = nil
		default:
			wanted[s.Source] = append(prefixes, s.Prefixes...)
		}
	}
	f.scopes, f.series, f.all = make(map[int64][]string), make(map[int64]series), true
	open := false // the last range ends at the source before
	err := f.s.each(ctx, `SELECT id, name FROM sources ORDER BY id`, nil, func(scan func(...any) error) error {
		var id int64
		var name string
		if err := scan(&id, &name); err != nil {
			return err
		}
		prefixes, ok := wanted[name]
		if !ok {
			f.all, open = false, false
			return nil
		}
		f.scopes[id] = prefixes
		f.partly = f.partly || prefixes != nil
		first, last := span(id)
		if open {
			f.ranges[len(f.ranges)-1][1] = last
		} else {
			f.ranges = append(f.ranges, [2]int64{first, last})
		}
		open = true
		return nil
	})
	if err != nil {
		return err
	}
	return f.s.each(ctx, `SELECT e.id, e.source, o.name, e.repository FROM series e JOIN sources o ON o.id = e.source`, nil,
		func(scan func(...any) error) error {
			var s series
			err := scan(&s.id, &s.source, &s.sourceName, &s.repository)
			if _, ok := f.scopes[s.source]; ok {
				f.series[s.id] = s
			}
			return err
		})
}

// allows reports whether a path of a source is in the scopes.
func (f *finder) allows(source int64, path string) bool {
	prefixes, ok := f.scopes[source]
	return ok && (prefixes == nil || slices.ContainsFunc(prefixes, func(prefix string) bool { return below(prefix, path) }))
}

// below reports whether a path is the prefix or in it.
func below(prefix, path string) bool {
	prefix = strings.Trim(prefix, "/")
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (prefix == "" || rest == "" || rest[0] == '/')
}

// page collects hits until there are enough, or none are left, or it has worked enough.
func (f *finder) page(ctx context.Context) (Page, error) {
	var hits []found
	for keys, err := range f.keys(ctx) {
		if err != nil {
			return Page{}, err
		}
		likely, err := f.sift(ctx, keys)
		if err != nil {
			return Page{}, err
		}
		some, err := f.judge(ctx, likely)
		if err != nil {
			return Page{}, err
		}
		hits = append(hits, some...)
		if len(hits) >= f.query.Limit {
			hits = hits[:f.query.Limit]
			f.place, f.work = hits[len(hits)-1].key, 0
			break
		}
		f.place = keys[len(keys)-1]
		if f.work -= costOfKey*len(likely) + costOfDir*len(keys); f.work <= 0 {
			break
		}
	}
	page := Page{}
	if f.work <= 0 {
		page.Next = f.place.String()
	}
	err := f.date(ctx, hits)
	for _, h := range hits {
		page.Hits = append(page.Hits, h.Hit)
	}
	return page, err
}
