package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

func build(t interface {
	Helper()
	Fatalf(string, ...any)
}, nodes ...Node) []byte {
	t.Helper()
	var b Builder
	for i := range nodes {
		if err := b.Append(&nodes[i]); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	return b.Finish()
}

// decode returns the nodes of p and the problems, "" for a node without one.
func decode(p []byte) (nodes []Node, kinds []Kind) {
	for n, err := range Decode(p) {
		var problem *ProblemError
		if errors.As(err, &problem) {
			kinds = append(kinds, problem.Kind)
		} else {
			kinds = append(kinds, "")
		}
		nodes = append(nodes, n)
	}
	return nodes, kinds
}

func file(name string) Node {
	return Node{Meta: entry.Meta{Name: name, Type: entry.File, Mode: 0o644}, Content: []crypto.ID{}}
}

func TestTheEmptyTreeHasItsWellKnownID(t *testing.T) {
	p := build(t)
	if id := crypto.Hash(p).String(); id != "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8" {
		t.Errorf("empty tree %q has the id %s", p, id)
	}
	if nodes, kinds := decode(p); len(nodes) != 0 || len(kinds) != 0 {
		t.Errorf("the empty tree decodes to %v, %v", nodes, kinds)
	}
}

func TestNamesStandInTreesAsResticWritesThem(t *testing.T) {
	tests := []struct{ name, stored string }{ // in the order of a tree
		{"<&>.html", `\u003c\u0026\u003e.html`},
		{"del\x7f", `del\\x7f`},
		{"inv\xff\xfeutf8", `inv\\xff\\xfeutf8`},
		{"ls\u2028sep", `ls\\u2028sep`},
		{"nl\nname", `nl\\nname`},
		{`quote"back\slash`, `quote\\\"back\\\\slash`},
		{"tab\tname", `tab\\tname`},
		{"ünïcode-é", "ünïcode-é"},
		{"😀.txt", "😀.txt"},
	}
	var nodes []Node
	for _, test := range tests {
		nodes = append(nodes, file(test.name))
	}
	p := build(t, nodes...)
	got, kinds := decode(p)
	for i, test := range tests {
		if !bytes.Contains(p, []byte(`{"name":"`+test.stored+`",`)) {
			t.Errorf("%q is not stored as %q in %s", test.name, test.stored, p)
		}
		if got[i].Name != test.name || kinds[i] != "" {
			t.Errorf("%q decodes to %q, %s", test.stored, got[i].Name, kinds[i])
		}
	}
}

func TestModesAreThoseOfGo(t *testing.T) {
	tests := []struct {
		mode   fs.FileMode
		stored string
	}{
		{fs.ModeSetuid | 0o755, "8389101"},
		{fs.ModeDir | fs.ModeSticky | 0o777, "2148532735"},
		{fs.ModeDir | 0o755, "2147484141"},
		{fs.ModeSymlink | 0o777, "134218239"},
		{fs.ModeNamedPipe | 0o644, "33554852"},
	}
	for _, test := range tests {
		n := file("x")
		n.Mode = test.mode
		p := build(t, n)
		if !strings.Contains(string(p), `"mode":`+test.stored+`,`) {
			t.Errorf("mode %v is not stored as %s in %s", test.mode, test.stored, p)
		}
		if got, _ := decode(p); got[0].Mode != test.mode {
			t.Errorf("mode %s decodes to %v, want %v", test.stored, got[0].Mode, test.mode)
		}
	}
}

func TestABuilderRefusesWhatIsUnfitForATree(t *testing.T) {
	dir := Node{Meta: entry.Meta{Name: "d", Type: entry.Dir}}
	irregular := file("x")
	irregular.Type = "irregular"
	generic := file("x")
	generic.Generic = map[string]json.RawMessage{"k": json.RawMessage("{")}
	tests := []struct {
		node Node
		want Kind
	}{
		{file(""), UnsafeName}, {file("."), UnsafeName}, {file(".."), UnsafeName}, {file("a/b"), UnsafeName}, {file("/"), UnsafeName}, {file("a\x00"), UnsafeName},
		{file("c"), Duplicate}, {file("bz"), Unsorted}, {file("C"), Unsorted},
		{irregular, UnknownType}, {dir, NoSubtree}, {generic, BadValue},
	}
	for _, test := range tests {
		var b Builder
		first, last := file("c"), file("é")
		if err := b.Append(&first); err != nil {
			t.Fatal(err)
		}
		var problem *ProblemError
		if err := b.Append(&test.node); !errors.As(err, &problem) || problem.Kind != test.want || problem.Name != test.node.Name {
			t.Errorf("Append of %q = %v, want %s", test.node.Name, err, test.want)
		}
		if err := b.Append(&last); err != nil {
			t.Errorf("Append after a refused node: %v", err)
		}
		if got, want := b.Finish(), build(t, first, last); !bytes.Equal(got, want) {
			t.Errorf("a refused node left its traces:\n got %s\nwant %s", got, want)
		}
	}
}

func TestABuilderMakesOneTreeAfterTheOther(t *testing.T) {
	var b Builder
	for _, name := range []string{"z", "a"} {
		n := file(name)
		if err := b.Append(&n); err != nil {
			t.Fatal(err)
		}
		if got, want := b.Finish(), build(t, n); !bytes.Equal(got, want) {
			t.Errorf("tree of %q = %s, want %s", name, got, want)
		}
	}
	if got := string(b.Finish()); got != "{\"nodes\":[]}\n" {
		t.Errorf("tree without nodes = %s", got)
	}
}

func TestAZoneThatRFC3339CannotSayGivesWayToUTC(t *testing.T) {
	moment := time.Date(1880, 5, 1, 12, 0, 0, 5, time.FixedZone("LMT", 53*60+28))
	n := file("old")
	n.ModTime = moment
	got, _ := decode(build(t, n))
	if !got[0].ModTime.Equal(moment) {
		t.Errorf("time = %v, want the moment %v", got[0].ModTime, moment)
	}
}

func TestEachProblemIsReportedAndTheOtherNodesAreRead(t *testing.T) {
	const times = `"mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0`
	node := func(name, kind, rest string) string {
		return `{"name":"` + name + `","type":"` + kind + `",` + times + rest + `}`
	}
	good := func(name string) string { return node(name, "file", `,"content":[]`) }
	tests := []struct {
		name  string
		nodes []string
		want  []Kind
	}{
		{"unsorted", []string{good("b"), good("a"), good("c")}, []Kind{"", Unsorted, ""}},
		{"duplicate", []string{good("a"), good("a"), good("b")}, []Kind{"", Duplicate, ""}},
		{"duplicate not beside", []string{good("b"), good("c"), good("b"), good("a"), good("a"), good("d"), good("d")},
			[]Kind{"", "", Duplicate, Unsorted, Duplicate, "", Duplicate}},
		{"unsafe names", []string{good("../evil"), good("."), good(".."), good(""), good(`a\\x00b`), good("c")},
			[]Kind{UnsafeName, UnsafeName, UnsafeName, UnsafeName, UnsafeName, ""}},
		{"broken escape", []string{good(`a\\q`), good(`b\"`), good(`c\\`), good("d")}, []Kind{BadName, BadName, BadName, ""}},
		{"unknown type", []string{node("a", "irregular", ""), node("b", "", ""), good("c")}, []Kind{UnknownType, UnknownType, ""}},
		{"no content", []string{node("a", "file", `,"content":null`), node("b", "file", ""), good("c")}, []Kind{NoContent, NoContent, ""}},
		{"no subtree", []string{node("a", "dir", `,"content":null`), node("b", "dir", `,"subtree":null`), good("c")}, []Kind{NoSubtree, NoSubtree, ""}},
		{"bad values", []string{
			node("a", "file", `,"mode":"x"`), node("b", "file", `,"mode":4294967296`), node("c", "file", `,"size":-1`),
			node("d", "file", `,"content":["00"]`), node("e", "file", `,"mtime":"yesterday"`), node("f", "file", `,"linktarget_raw":"%"`),
			`7`, `null`, `{}`, good("g")},
			[]Kind{BadValue, BadValue, BadValue, BadValue, BadValue, BadValue, BadValue, BadValue, UnsafeName, ""}},
		{"unknown keys", []string{node("a", "file", `,"content":[],"new":{"x":[1,2.5e3,"\u00e9"]}`)}, []Kind{""}},
		{"cut", []string{good("a"), `{"name":"b"`}, []Kind{"", Malformed}},
		{"comma missing", []string{good("a") + good("b")}, []Kind{"", Malformed}},
	}
	for _, test := range tests {
		p := []byte(`{"nodes":[` + strings.Join(test.nodes, ",") + "]}\n")
		if _, got := decode(p); !slices.Equal(got, test.want) {
			t.Errorf("%s: problems %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTheShapeOfATreeIsChecked(t *testing.T) {
	tests := []struct {
		doc  string
		want []Kind
	}{
		{`{"nodes":[]}`, nil},
		{` { "nodes" : [ ] } `, nil},
		{`{"nodes":null}`, nil},
		{`{"before":[{}],"nodes":[],"after":null}`, nil},
		{``, []Kind{Malformed}},
		{`{}`, []Kind{Malformed}},
		{`[]`, []Kind{Malformed}},
		{`{"nodes":{}}`, []Kind{Malformed}},
		{`{"nodes":[]`, []Kind{Malformed}},
		{`{"nodes":[]}x`, []Kind{Malformed}},
		{`{"nodes":[],"nodes":[]}`, []Kind{Malformed}},
		{`{"packs":[{"id":"00"}]}`, []Kind{Malformed}},
	}
	for _, test := range tests {
		if nodes, got := decode([]byte(test.doc)); !slices.Equal(got, test.want) {
			t.Errorf("%s: problems %q, want %q (nodes %v)", test.doc, got, test.want, nodes)
		}
	}
}

func TestTheEndOfATreeStaysTheEnd(t *testing.T) {
	var d Decoder
	var n Node
	if err := d.Next(&n); err != io.EOF {
		t.Errorf("Next of the zero Decoder = %v, want io.EOF", err)
	}
	d.Reset([]byte(`{"nodes":[`))
	var problem *ProblemError
	if err := d.Next(&n); !errors.As(err, &problem) || problem.Kind != Malformed {
		t.Errorf("Next of a cut tree = %v, want %s", err, Malformed)
	}
	for range 2 {
		if err := d.Next(&n); err != io.EOF {
			t.Errorf("Next at the end = %v, want io.EOF", err)
		}
	}
}
