package tree

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

// mirror is the layout of a node as the format describes it, for encoding/json to write.
type mirror struct {
	Name       string                     `json:"name"`
	Type       string                     `json:"type"`
	Mode       os.FileMode                `json:"mode,omitempty"`
	ModTime    time.Time                  `json:"mtime"`
	AccessTime time.Time                  `json:"atime"`
	ChangeTime time.Time                  `json:"ctime"`
	UID        uint32                     `json:"uid"`
	GID        uint32                     `json:"gid"`
	User       string                     `json:"user,omitempty"`
	Group      string                     `json:"group,omitempty"`
	Inode      uint64                     `json:"inode,omitempty"`
	DeviceID   uint64                     `json:"device_id,omitempty"`
	Size       uint64                     `json:"size,omitempty"`
	Links      uint64                     `json:"links,omitempty"`
	LinkTarget string                     `json:"linktarget,omitempty"`
	TargetRaw  []byte                     `json:"linktarget_raw,omitempty"`
	Attributes []entry.Attribute          `json:"extended_attributes,omitempty"`
	Generic    map[string]json.RawMessage `json:"generic_attributes,omitempty"`
	Device     uint64                     `json:"device,omitempty"`
	Content    []crypto.ID                `json:"content"`
	Subtree    *crypto.ID                 `json:"subtree,omitempty"`
	Error      string                     `json:"error,omitempty"`
}

func quoted(name string) string {
	q := strconv.Quote(name)
	return q[1 : len(q)-1]
}

func clamped(t time.Time) time.Time {
	if t.Year() < 0 {
		return t.AddDate(-t.Year(), 0, 0)
	}
	if t.Year() > 9999 {
		return t.AddDate(9999-t.Year(), 0, 0)
	}
	return t
}

func mirrorOf(n Node) mirror {
	m := mirror{
		Name: quoted(n.Name), Type: string(n.Type), Mode: n.Mode,
		ModTime: clamped(n.ModTime), AccessTime: clamped(n.AccessTime), ChangeTime: clamped(n.ChangeTime),
		UID: n.UID, GID: n.GID, User: n.User, Group: n.Group, Inode: n.Inode, DeviceID: n.DeviceID,
		Size: n.Size, Links: n.Links, LinkTarget: n.LinkTarget, Attributes: n.Attributes, Generic: n.Generic,
		Device: n.Device, Content: n.Content, Error: n.Error,
	}
	if !utf8.ValidString(n.LinkTarget) {
		m.TargetRaw = []byte(n.LinkTarget)
	}
	if n.Type == entry.File && m.Content == nil {
		m.Content = []crypto.ID{}
	}
	if !n.Subtree.IsNull() {
		m.Subtree = &n.Subtree
	}
	return m
}

// mirrorTree is the tree of nodes by encoding/json.
func mirrorTree(nodes []Node) ([]byte, error) {
	list := make([]mirror, len(nodes))
	for i, n := range nodes {
		list[i] = mirrorOf(n)
	}
	p, err := json.Marshal(map[string]any{"nodes": list})
	return append(p, '\n'), err
}

func TestBytesAreThoseOfEncodingJSONAndDecodeToTheSameNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		want, err := mirrorTree(nodes)
		if err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		got := build(t, nodes...)
		if !bytes.Equal(got, want) {
			t.Fatalf("tree differs:\n got %s\nwant %s", got, want)
		}
		decoded, kinds := decode(got)
		for i, kind := range kinds {
			if kind != "" {
				t.Fatalf("node %q: %s", decoded[i].Name, kind)
			}
			if decoded[i].Name != nodes[i].Name || decoded[i].LinkTarget != nodes[i].LinkTarget {
				t.Fatalf("names %q -> %q came back as %q -> %q", nodes[i].Name, nodes[i].LinkTarget, decoded[i].Name, decoded[i].LinkTarget)
			}
			if y := nodes[i].ModTime.Year(); y >= 0 && y <= 9999 && !decoded[i].ModTime.Equal(nodes[i].ModTime) {
				t.Fatalf("time %v came back as %v", nodes[i].ModTime, decoded[i].ModTime)
			}
			if !cmp.Equal(decoded[i].Content, nodes[i].Content) || decoded[i].Subtree != nodes[i].Subtree {
				t.Fatalf("content or subtree of %q came back as %v, %v", nodes[i].Name, decoded[i].Content, decoded[i].Subtree)
			}
		}
		// Text that was no UTF-8 is written as an escape first, and as the character itself ever after.
		again := bytes.ReplaceAll(build(t, decoded...), []byte(`\ufffd`), []byte("\ufffd"))
		if want := bytes.ReplaceAll(got, []byte(`\ufffd`), []byte("\ufffd")); !bytes.Equal(again, want) {
			t.Fatalf("decoded and encoded it differs:\n got %s\nwant %s", again, want)
		}
	})
}

// drawNodes draws a tree with all that the format has a rule for.
func drawNodes(t *rapid.T) []Node {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "root", "<b>&\u2028\b\f\x01", "\xff\xfe"}))
	name := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9._ -]{1,20}`), rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 12), func(p []byte) string { return string(p) }))
	names := rapid.SliceOfDistinct(name.Filter(safeName), rapid.ID[string]).Draw(t, "names")
	slices.Sort(names)
	nodes := make([]Node, len(names))
	for i := range nodes {
		n := &nodes[i]
		n.Name = names[i]
		n.Type = rapid.SampledFrom([]entry.Type{entry.File, entry.Dir, entry.Symlink, entry.Device, entry.CharDev, entry.Fifo, entry.Socket}).Draw(t, "type")
		n.Mode = fs.FileMode(rapid.Uint32().Draw(t, "mode"))
		n.ModTime, n.AccessTime, n.ChangeTime = drawTime(t), drawTime(t), drawTime(t)
		if rapid.Bool().Draw(t, "atime is mtime") {
			n.AccessTime = n.ModTime
		}
		n.UID, n.GID = rapid.Uint32().Draw(t, "uid"), rapid.Uint32().Draw(t, "gid")
		n.User, n.Group, n.Error = text.Draw(t, "user"), text.Draw(t, "group"), text.Draw(t, "error")
		for _, p := range []*uint64{&n.Inode, &n.DeviceID, &n.Size, &n.Links, &n.Device} {
			*p = rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(0))).Draw(t, "number")
		}
		switch n.Type {
		case entry.File:
			n.Content = drawIDs(t)
		case entry.Dir:
			n.Subtree = drawID(t)
		case entry.Symlink:
			n.LinkTarget = rapid.OneOf(text, name).Draw(t, "target")
		}
		if rapid.Bool().Draw(t, "attributes") {
			n.Attributes = drawAttributes(t, text)
			n.Generic = drawGeneric(t, text)
		}
	}
	return nodes
}

func drawTime(t *rapid.T) time.Time {
	seconds := rapid.OneOf(
		rapid.Int64Range(0, 1<<32), rapid.Int64Range(-70_000_000_000, 300_000_000_000),
		rapid.Just(int64(-62167219200)), rapid.Just(int64(253402300799)), rapid.Just(int64(951782400)))
	zone := time.FixedZone("", rapid.IntRange(-23*60, 23*60).Draw(t, "zone")*60)
	if rapid.Bool().Draw(t, "utc") {
		zone = time.UTC
	}
	nanos := rapid.OneOf(rapid.Int64Range(0, 999_999_999), rapid.Just(int64(0)), rapid.Just(int64(120_000_000)))
	return time.Unix(seconds.Draw(t, "seconds"), nanos.Draw(t, "nanoseconds")).In(zone)
}

func drawID(t *rapid.T) crypto.ID {
	return crypto.Hash([]byte{rapid.Byte().Draw(t, "id")})
}

func drawIDs(t *rapid.T) []crypto.ID {
	ids := make([]crypto.ID, rapid.IntRange(0, 70).Draw(t, "ids"))
	for i := range ids {
		ids[i] = drawID(t)
	}
	return ids
}

func drawAttributes(t *rapid.T, text *rapid.Generator[string]) []entry.Attribute {
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) entry.Attribute {
		value := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Just([]byte(nil))).Draw(t, "value")
		return entry.Attribute{Name: text.Draw(t, "attribute"), Value: value}
	})).Draw(t, "attributes")
}

func drawGeneric(t *rapid.T, text *rapid.Generator[string]) map[string]json.RawMessage {
	value := rapid.SampledFrom([]string{`null`, `"AQ=="`, ` { "a" : [ 1 , "<" ] } `, `12.50`})
	keys := rapid.SliceOfDistinct(text.Filter(utf8.ValidString), rapid.ID[string]).Draw(t, "generic")
	m := map[string]json.RawMessage{}
	for _, key := range keys {
		m[key] = json.RawMessage(value.Draw(t, "raw"))
	}
	return m
}
