package notify

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACleanMessageIsText(t *testing.T) {
	m := Message{ID: "a\r\nb", Subject: " two\r\nlines\tand\u2028more \x00", Text: "one\r\ntwo\r\rthree\x1b[31m\n\u202egnp.exe\n\xff\n", Link: "https://h/a b",
		Facts: []Fact{{"n\n", "v\x07"}}, Project: "p\x7f", Thread: "t\n", Event: "run\n.failed"}.Clean()
	for _, c := range []struct{ name, got, want string }{
		{"ID", m.ID, "a b"}, {"Subject", m.Subject, "two lines and more"}, {"Text", m.Text, "one\ntwo  three[31m\ngnp.exe\n\ufffd"}, {"Link", m.Link, "https://h/a%20b"},
		{"Facts", m.Facts[0].Name + "=" + m.Facts[0].Value, "n=v"}, {"Project", m.Project, "p"}, {"Thread", m.Thread, "t"}, {"Event", m.Event, "run .failed"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestACleanMessageHasItsBounds(t *testing.T) {
	big := strings.Repeat("ä\u0301😀", 1<<20)
	m := Message{ID: big, Subject: big, Text: big, Link: "https://h/" + big, Project: big, Facts: make([]Fact, 1000)}
	for i := range m.Facts {
		m.Facts[i] = Fact{big, big}
	}
	m = m.Clean()
	if len(m.ID) > maxID || len(m.Subject) > maxSubject || len(m.Text) > maxText || m.Link != "" || len(m.Facts) != maxFacts || len(m.Facts[0].Value) > maxFact {
		t.Errorf("Clean leaves %d, %d, %d, %d bytes and %d facts", len(m.ID), len(m.Subject), len(m.Text), len(m.Link), len(m.Facts))
	}
	if !strings.HasSuffix(m.Subject, "…") {
		t.Errorf("Subject = %q, want dots at its end", m.Subject)
	}
	for _, n := range []int{100, 1000, 100000} {
		if text := m.Plain(n); len(text) > max(n, maxSubject+maxFact) && n > 1000 {
			t.Errorf("Plain(%d) has %d bytes", n, len(text))
		}
	}
}

func TestALinkIsOneOfAWebPage(t *testing.T) {
	for given, want := range map[string]string{
		"https://b.example/runs/1?a=b#c": "https://b.example/runs/1?a=b#c", "http://localhost:8080/": "http://localhost:8080/",
		"javascript:alert(1)": "", "data:text/html,x": "", "file:///etc/passwd": "", "//h/": "", "/runs/1": "", "https:///x": "", "https://user:secret@h/": "",
		"https://h/\r\nBcc: x": "", "HTTPS://h/": "https://h/", " https://h/": "",
	} {
		if got := link(given); got != want {
			t.Errorf("link(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestACutPartsNoCharacters(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcdef", 5, "ab…"}, {"äöü", 6, "äöü"}, {"äöüß", 7, "äö…"}, {"äöüß", 6, "ä…"}, {"a\u0301bcdef", 6, "a\u0301…"}, {"a\u0301bcdef", 5, "…"},
		{"abc", 2, ""}, {"abc", 0, ""}, {"abc", -1, ""}, {"x👩\u200d💻yz", 13, "x…"}, {"\xff\xfe\xfd\xfc\xfb", 4, "\xff…"},
	} {
		if got := Cut(c.s, max(c.n, 0)); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

func TestPlainTellsAll(t *testing.T) {
	m := Message{ID: "m1", Severity: "error", Subject: "Backup failed", Text: "one\ntwo", Link: "https://h/1", Facts: []Fact{{"Files", "3"}, {"Size", "1 GiB"}}, Project: "Shop",
		Time: time.Date(2026, 11, 27, 23, 30, 0, 0, time.FixedZone("", 3600))}
	const want = "ERROR: Backup failed\n\none\ntwo\n\nFiles: 3\nSize: 1 GiB\n\nhttps://h/1\n\nBackstay · Shop · 2026-11-27 22:30 UTC · #ca0df2c9"
	if got := m.Plain(1000); got != want {
		t.Errorf("Plain = %q, want %q", got, want)
	}
	if got := m.Plain(98); len(got) > 98 || !strings.HasPrefix(got, "ERROR: Backup failed\n\none\nt…\n\nhttps") || !strings.HasSuffix(got, "#ca0df2c9") {
		t.Errorf("Plain(98) = %q", got)
	}
}

func TestTheReferenceIsThatOfTheID(t *testing.T) {
	a, b := Message{ID: "m1", Text: "x"}, Message{ID: "m1", Text: "y"}
	if a.Ref() != b.Ref() || a.Ref() == (Message{ID: "m2"}).Ref() || len(a.Ref()) != 8 {
		t.Errorf("Ref = %q, %q", a.Ref(), b.Ref())
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\r\nb\u202e", "https://h/")
	f.Add("\xff😀‍👩", "javascript:x")
	f.Fuzz(func(t *testing.T, s, address string) {
		m := Message{ID: s, Subject: s, Text: s, Link: address, Facts: []Fact{{s, s}}, Project: s}.Clean()
		if again := m.Clean(); again.Subject != m.Subject || again.Text != m.Text || again.Link != m.Link {
			t.Errorf("Clean of %q, %q isn't clean: %q, %q, %q", s, address, m, again, address)
		}
		for _, r := range m.Subject + m.Facts[0].Value + m.ID {
			if unicode.IsControl(r) || turns(r) {
				t.Errorf("%q is in a line of %q", r, s)
			}
		}
		if len(m.Plain(500)) > 500+maxSubject || !utf8.ValidString(m.Plain(500)) {
			t.Errorf("Plain = %q", m.Plain(500))
		}
	})
}
