package catalog_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/servers"
)

func TestWhatIsGoneOrDamagedOrOfAnotherFormatIsMadeAnewAndSaysSo(t *testing.T) {
	overwrite := func(p []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, want string
		harm       func(t *testing.T, path string)
	}{
		{"deleted", "there was none", func(t *testing.T, path string) { must(t, os.Remove(path)) }},
		{"deleted but for its log", "there was none", func(t *testing.T, path string) {
			c := open(t, path) // which keeps the log
			must(t, c.Add(t.Context(), catalog.Snapshot{Repository: "x", Source: "host-a"}, nil, func(func(differ.Change, error) bool) {}))
			must(t, os.Remove(path))
		}},
		{"empty", "there was none", overwrite(nil)},
		{"no database", "it was damaged", overwrite(bytes.Repeat([]byte("no database "), 1000))},
		{"another format", "it had format 99", func(t *testing.T, path string) { execute(t, "sqlite", path, `UPDATE format SET number = 99`) }},
		{"first page", "it was damaged", func(t *testing.T, path string) {
			p, err := os.ReadFile(path)
			must(t, err)
			copy(p[100:], bytes.Repeat([]byte{0xa5}, 3000))
			overwrite(p)(t, path)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalogue.db")
			p := newPlace(t, "r")
			want := fillFew(t, p, path, "there was none")
			c.harm(t, path)
			if got := fillFew(t, p, path, c.want); got != want {
				t.Errorf("made anew it answers\n%s\nwant\n%s", got, want)
			}
			if got := fillFew(t, p, path, ""); got != want {
				t.Errorf("opened again it answers\n%s\nwant\n%s", got, want)
			}
		})
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		url := servers.Postgres(t)
		p := newPlace(t, "r")
		want := fillFew(t, p, url, "there was none")
		for statement, why := range map[string]string{
			`DROP SCHEMA catalogue CASCADE`: "there was none", `UPDATE catalogue.format SET number = 99`: "it had format 99", `SELECT 1`: "",
		} {
			execute(t, "pgx", url, statement)
			if got := fillFew(t, p, url, why); got != want {
				t.Errorf("after %s it answers\n%s\nwant\n%s", statement, got, want)
			}
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, driver, url, statement string) {
	t.Helper()
	db, err := sql.Open(driver, url)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statement)
	must(t, err)
}

// fillFew opens a catalogue, which is to say why it is new, fills it with three snapshots, and returns what it answers.
func fillFew(t *testing.T, p *place, url, anew string) (answer string) {
	t.Helper()
	if len(p.made) == 0 {
		r, all := rand.New(rand.NewPCG(3, 3)), make(files)
		for i := range 3 {
			for range 5 {
				change(r, all)
			}
			p.take("host-a", p.moved.Add(time.Duration(i)*time.Hour), all)
		}
	}
	c, err := catalog.Open(t.Context(), url)
	must(t, err)
	defer func() { must(t, c.Close()) }()
	if (anew == "") != (c.Anew() == "") || !strings.HasPrefix(c.Anew(), anew) {
		t.Errorf("Anew = %q, want %q", c.Anew(), anew)
	}
	p.fill(c)
	return answers(t, c, "host-a")
}

// answers is what there is to know of a source.
func answers(t *testing.T, c *catalog.Catalog, source string) string {
	t.Helper()
	var all []string
	in := catalog.Scope{Source: source}
	page, err := c.Search(t.Context(), catalog.Query{In: []catalog.Scope{in}, Limit: 10_000})
	must(t, err)
	for _, h := range page.Hits {
		stays, err := c.History(t.Context(), in, h.Path)
		must(t, err)
		all = append(all, fmt.Sprintf("%q %v\n", h.Path, lines(stays)))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

func TestDamageThatIsMetIsNamedAndRebuildMendsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalogue.db")
	p := newPlace(t, "r")
	want := fillFew(t, p, path, "there was none")
	file, err := os.ReadFile(path)
	must(t, err)
	for i := 3 * 4096; i < len(file); i++ { // behind the schema and the format
		file[i] ^= 0x5a
	}
	must(t, os.WriteFile(path, file, 0o600))
	c := open(t, path)
	if c.Anew() == "" { // Open may have met it already
		if _, err := c.Search(t.Context(), catalog.Query{In: []catalog.Scope{{Source: "host-a"}}}); !errors.Is(err, catalog.ErrDamaged) {
			t.Errorf("Search = %v, want ErrDamaged", err)
		}
		must(t, c.Rebuild(t.Context()))
	}
	p.fill(c)
	if got := answers(t, c, "host-a"); got != want {
		t.Errorf("rebuilt it answers\n%s\nwant\n%s", got, want)
	}
}

func TestRebuildForgetsAllAndFillBringsItBack(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newPlace(t, "r")
		want := fillFew(t, p, url, "there was none")
		c := open(t, url)
		must(t, c.Rebuild(t.Context()))
		if got := answers(t, c, "host-a"); got != "" {
			t.Errorf("after Rebuild it answers %s", got)
		}
		p.fill(c)
		if got := answers(t, c, "host-a"); got != want {
			t.Errorf("filled again it answers\n%s\nwant\n%s", got, want)
		}
	})
}

func TestAPasswordIsInNoError(t *testing.T) {
	for _, url := range []string{"postgres://u:sesame@127.0.0.1:1/x", "postgres://u:sesame@127.0.0.1:x/x", "postgres://u:ses%zzame@h/sesame?sslmode=sesame"} {
		_, err := catalog.Open(t.Context(), url)
		if err == nil || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "zzame") {
			t.Errorf("Open of %q = %v", url, err)
		}
	}
}

func TestTextMatchesAnyPartOfANameOrTheEndOfAPath(t *testing.T) {
	for _, c := range []struct {
		text, path string
		want       bool
	}{
		{"rep", "docs/Report.pdf", true}, {"PORT.P", "docs/Report.pdf", true}, {"docs", "docs/Report.pdf", false},
		{"re", "docs/Report.pdf", true}, {"po", "docs/Report.pdf", false}, // two characters are a beginning
		{"docs/rep", "docs/Report.pdf", true}, {"ocs/rep", "docs/Report.pdf", true}, {"docs/port", "docs/Report.pdf", false},
		{"docs/", "docs/Report.pdf", true}, {"docs/", "docs/sub/Report.pdf", false}, {"/docs/", "docs/a", true}, {"/docs/", "mydocs/a", false},
		{"a/b/c", "x/a/b/c", true}, {"/b/c", "x/ab/c", false}, {"/docs", "docs", true}, {"/ocs", "docs", false}, {"/", "docs", true},
		{"übung", "U\u0308BUNG", true}, {"U\u0308b", "übung", true}, {"ΣΊΣ", "σίςx", true}, {"日本", "日本語", true}, {"本語", "日本語", false},
		{"\ufffd", "bad\xff", false}, {"bad\xff", "bad\xfe", true}, {"e\nb", "line\nbreak", true}, {"100%", "1000", false}, {"", "any", true},
	} {
		if got := catalog.Matches(c.text, c.path); got != c.want {
			t.Errorf("%q matches %q = %v, want %v", c.text, c.path, got, c.want)
		}
	}
}

func TestOnlyCursorsOfPagesAreTaken(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "c.db"))
	for _, cursor := range []string{"x", "1.2.3", "1.2.3.4.5", "1.2.3.4 OR 1=1", "01.2.3.4"} {
		if _, err := c.Search(t.Context(), catalog.Query{Cursor: cursor}); !errors.Is(err, catalog.ErrCursor) {
			t.Errorf("cursor %q: %v, want ErrCursor", cursor, err)
		}
	}
}

// The tree of a snapshot that is not there, of two that have it in common, and of one in which it was mended.
func TestWhatCannotBeReadIsTheOnlyThingThatIsMissing(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c, p := open(t, url), newPlace(t, "r")
		p.lost = map[string]bool{"bad": true}
		all := files{"bad": directory(1), "bad/in": plain(1), "good": directory(1), "good/in": plain(1)}
		at := func(h int) time.Time { return p.moved.Add(time.Duration(h) * time.Hour) }
		delete(all, "bad/in")
		p.take("s", at(1), all)
		all["bad/in"], all["good/in"] = plain(7), plain(2)
		p.take("s", at(2), all) // its bad can't be compared with the one before
		all["good/more"] = plain(1)
		p.take("s", at(3), all) // its bad is the same, and isn't read
		p.lost = nil
		all["bad/in"] = plain(8)
		p.take("s", at(4), all)
		var failed []string
		opt := p.options()
		opt.Progress = func(e progress.Event) {
			if e.Kind == progress.Failed {
				failed = append(failed, e.Item)
			}
		}
		must(t, p.repo.LoadIndex(t.Context()))
		must(t, catalog.Fill(t.Context(), c, p.repo, opt))
		if fmt.Sprint(failed) != "[bad bad]" {
			t.Errorf("failed %q, want bad of the first two", failed)
		}
		known, err := c.Snapshots(t.Context(), "r")
		must(t, err)
		var lost []int64
		for _, s := range known {
			lost = append(lost, s.Lost)
		}
		if fmt.Sprint(lost) != "[1 1 1 0]" {
			t.Errorf("lost %v", lost)
		}
		for path, want := range map[string]int{"bad": 4, "bad/in": 1, "good/in": 4, "good/more": 2} {
			stays, err := c.History(t.Context(), catalog.Scope{Source: "s"}, path)
			if must(t, err); len(lines(stays)) != want {
				t.Errorf("%s is in %q, want %d snapshots", path, lines(stays), want)
			}
		}
	})
}

func directory(sec int64) *node {
	return &node{Meta: entry.Meta{Type: entry.Dir, ModTime: time.Unix(sec, 0)}}
}

func plain(sec int64) *node {
	return &node{Meta: entry.Meta{Type: entry.File, ModTime: time.Unix(sec, 0)}}
}

func TestASnapshotThatWasReplacedIsReadAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c, p := open(t, url), newPlace(t, "r")
		first := p.take("s", p.moved, files{"a": plain(1), "secret": plain(1)})
		p.take("s", p.moved.Add(time.Hour), files{"a": plain(1), "secret": plain(1)})
		p.fill(c)
		second := p.take("t", p.moved, files{"a": plain(1)}) // for its tree
		must(t, quickrepo.Locked(t.Context(), p.repo, repo.Exclusive, func(ctx context.Context) error {
			s := *first.snapshot
			s.Tree = second.snapshot.Tree
			return snapshot.Replace(ctx, p.repo, &s)
		}))
		p.fill(c)
		stays, err := c.History(t.Context(), catalog.Scope{Source: "s"}, "secret")
		if must(t, err); len(lines(stays)) != 1 {
			t.Errorf("secret is in %q, want only the snapshot that was not replaced", lines(stays))
		}
		stays, err = c.History(t.Context(), catalog.Scope{Source: "s"}, "a")
		if must(t, err); len(lines(stays)) != 2 {
			t.Errorf("a is in %q, want both", lines(stays))
		}
	})
}

func TestAnAddThatWasBrokenOffIsUndoneByTheNextOne(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c, p := open(t, url), newPlace(t, "r")
		c.Tiny()
		all := make(files)
		for i := range 20 {
			all[fmt.Sprintf("file%02d", i)] = plain(0)
		}
		base := p.take("s", p.moved, all)
		p.fill(c)
		diff := func(r *record) iter.Seq2[differ.Change, error] {
			must(t, p.repo.LoadIndex(t.Context()))
			return differ.Diff(t.Context(), p.repo, base.snapshot.Tree, r.snapshot.Tree, differ.Options{})
		}
		for n := range 20 {
			other := make(files)
			for path := range all {
				other[path] = plain(int64(n + 1))
			}
			broken := p.take("s", p.moved.Add(time.Duration(n+1)*time.Hour), other)
			ctx, cancel := context.WithCancelCause(t.Context())
			ref := p.ref(base)
			if err := c.Add(ctx, p.ref(broken), &ref, stopAfter(n, cancel, diff(broken))); err == nil {
				t.Fatalf("Add that is cancelled after %d changes = nil", n)
			}
			cancel(nil)
			p.forget(broken.snapshot.ID)
			all[fmt.Sprintf("file%02d", n)] = plain(int64(n + 1)) // and nothing else
			next := p.take("s", p.moved.Add(time.Duration(n+1)*time.Hour), all)
			must(t, c.Add(t.Context(), p.ref(next), &ref, diff(next)))
			base = next
		}
		w := &world{T: t, c: c, places: []*place{p}, all: make(map[string]bool)}
		for path := range all {
			w.all[path] = true
		}
		w.compareHistories("s")
	})
}
