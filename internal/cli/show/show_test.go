package show

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestSizesHaveABinaryUnit(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 17: "17 B", 1023: "1023 B", 1024: "1.0 KiB", 1666: "1.6 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB",
		1023 << 20: "1023.0 MiB", 5 << 40: "5.0 TiB", 1 << 50: "1.0 PiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCountsHaveCommasBetweenThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1: "-1", -123: "-123", -1234: "-1,234"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	if got := Plural(1, "file") + ", " + Plural(0, "file") + ", " + Plural(2000, "repository"); got != "1 file, 0 files, 2,000 repositories" {
		t.Errorf("Plural = %q", got)
	}
}

func TestDurationsAreInWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0:00", 4600 * time.Millisecond: "0:05", 59999 * time.Millisecond: "1:00", 754 * time.Second: "12:34",
		time.Hour: "1:00:00", 26*time.Hour + 3*time.Minute + 4*time.Second: "26:03:04",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTimesNameTheirZone(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	if got, want := Time(time.Date(2026, 11, 21, 4, 26, 42, 9, time.UTC).In(berlin)), "2026-11-21 05:26:42 CET"; got != want {
		t.Errorf("Time = %q, want %q", got, want)
	}
}

func TestNamesCannotSteerATerminal(t *testing.T) {
	for name, want := range map[string]string{
		"plain name.txt": "plain name.txt", "ünïcode-é 😀": "ünïcode-é 😀", `back\slash"quote`: `back\slash"quote`,
		"new\nline": `new\nline`, "\x1b[31mred": `\x1b[31mred`, "\x1b]0;title\a": `\x1b]0;title\a`, "csi\u009b2J": `csi\u009b2J`,
		"inv\xff\xfe": `inv\xff\xfe`, "evil\u202etxt.exe": `evil\u202etxt.exe`, "del\x7f": `del\x7f`, "\ufffd": "\ufffd",
	} {
		if got := Name(name); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("a\x00b\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Name(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Name(%q) = %q, no UTF-8", s, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("Name(%q) = %q, with a character at %d that is not printable", s, got, i)
		}
	})
}

func TestTablesLineUp(t *testing.T) {
	table := NewTable("ID", "Paths", ">Size")
	table.Add("02fa565f", "/home/ü\n/srv", "1.6 KiB")
	table.Add("cd1fb85e", "/etc", "17 B")
	var b strings.Builder
	if _, err := table.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"ID        Paths       Size",
		"--------------------------",
		"02fa565f  /home/ü  1.6 KiB",
		"          /srv",
		"cd1fb85e  /etc        17 B",
		"",
	}, "\n")
	if got := b.String(); got != want {
		t.Errorf("WriteTo wrote\n%s\nwant\n%s", got, want)
	}
}

func TestTextIsCutToColumns(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		n     int
		want  string
	}{
		{"plain", 5, 5, "plain"},
		{"plain", 5, 4, "pla…"},
		{"日本語", 6, 6, "日本語"},
		{"日本語", 6, 5, "日本…"},
		{"日本語", 6, 4, "日…"},
		{"e\u0301te\u0301", 3, 2, "e\u0301…"},
		{"😀x", 3, 3, "😀x"},
		{"", 0, 0, ""},
		{"ab", 2, 1, "…"},
	} {
		if got := Width(c.text); got != c.width {
			t.Errorf("Width(%q) = %d, want %d", c.text, got, c.width)
		}
		if got := Cut(c.text, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
