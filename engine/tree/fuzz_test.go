package tree

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode takes any bytes for a tree: no panic, and the nodes that are accepted make a tree that decodes to the same.
func FuzzDecode(f *testing.F) {
	p, err := mirrorTree(sample(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Add([]byte(`{"nodes":[{"name":"a","type":"file","content":[],"mtime":"2020-02-30T00:00:00+01:00"},{"name":"a\\\"b","type":"fifo"}]}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		var good []Node
		for n, err := range Decode(p) {
			if err == nil {
				good = append(good, n)
			}
		}
		first := build(t, good...)
		again, kinds := decode(first)
		for i, kind := range kinds {
			if kind != "" {
				t.Fatalf("node %q of %q: %s", again[i].Name, first, kind)
			}
		}
		if second := build(t, again...); !bytes.Equal(first, second) {
			t.Fatalf("encoded twice it differs:\n first %s\nsecond %s", first, second)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"plain", "<&>", "del\x7f", "\xff\xfe", "\u2028", "nl\n", `q"b\`, "ünï", "😀", "\x00\b\f", "\ufffd", "\u00a0\U000e0001"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var b Builder
		b.appendName(name)
		want, err := json.Marshal(quoted(name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.buf, want) {
			t.Fatalf("name %q is written %s, want %s", name, b.buf, want)
		}
		if got := string(appendString(nil, name)); got != marshal(t, name) {
			t.Fatalf("text %q is written %s, want %s", name, got, marshal(t, name))
		}
		if got, ok := unquote([]byte(quoted(name))); !ok || string(got) != name {
			t.Fatalf("name %q is read as %q, %t", name, got, ok)
		}
		stored := strings.ToValidUTF8(name, "\ufffd")
		wantName, wantErr := strconv.Unquote(`"` + stored + `"`)
		if got, ok := unquote([]byte(stored)); ok != (wantErr == nil) || ok && string(got) != wantName {
			t.Fatalf("stored name %q is read as %q, %t, want %q, %v", stored, got, ok, wantName, wantErr)
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	p, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{
		"2024-02-29T23:59:59.123456789+05:30", "2023-02-29T00:00:00Z", "2000-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "2020-01-01T00:00:00-00:00",
		"2020-01-01T00:00:00.Z", "2020-01-01T00:00:00.1234567891Z", "2020-01-01T00:00:00", "2020-01-01T24:00:00Z", "2020-01-01T00:00:00+24:00", "",
		"9999-12-31T23:59:59.5-23:59", "2020-04-31T00:00:00Z", "2020-1-01T00:00:00Z", "2020-01-01t00:00:00z", "2020-01-01T00:00:00,5Z", "2020-00-10T00:00:00Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want time.Time
		wantErr := want.UnmarshalText([]byte(text))
		var c times
		for range 2 { // the second time it is remembered
			got, err := c.parse([]byte(text))
			if (err == nil) != (wantErr == nil) || !got.Equal(want) {
				t.Fatalf("time %q is read as %v, %v, want %v, %v", text, got, err, want, wantErr)
			}
			if a, b := got.Format(time.RFC3339Nano), want.Format(time.RFC3339Nano); err == nil && a != b {
				t.Fatalf("time %q is written as %s, want %s", text, a, b)
			}
		}
	})
}

func TestNodesDoNotChangeWhenTheBytesTheyCameFromDo(t *testing.T) {
	p := build(t, sample(200)...)
	decoded, _ := decode(p)
	clear(p)
	want := sample(200)
	if diff := cmp.Diff(build(t, want...), build(t, decoded...)); diff != "" {
		t.Error(diff)
	}
}
