package tree

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

// sample returns nodes as they are in everyday directories: files, with a directory now and then.
func sample(count int) []Node {
	nodes := make([]Node, count)
	moment := time.Date(2026, 3, 4, 5, 6, 7, 890_123_456, time.FixedZone("", 3600))
	for i := range nodes {
		n := &nodes[i]
		n.Meta = entry.Meta{
			Name: fmt.Sprintf("document-%06d.txt", i), Type: entry.File, Mode: 0o644, Size: uint64(1000 + i),
			ModTime: moment.Add(time.Duration(i) * 977 * time.Millisecond), UID: 1000, GID: 1000, User: "user", Group: "users",
			Inode: uint64(12_000_000 + i), DeviceID: 66306, Links: 1,
		}
		n.AccessTime, n.ChangeTime = n.ModTime, n.ModTime
		n.Content = []crypto.ID{crypto.Hash([]byte(n.Name))}
		if i%10 == 9 {
			n.Type, n.Size, n.Links, n.Content, n.Subtree = entry.Dir, 0, 0, nil, n.Content[0]
		}
	}
	return nodes
}

func BenchmarkEncode(b *testing.B) {
	nodes := sample(1000)
	var builder Builder
	var size int
	b.ReportAllocs()
	for b.Loop() {
		for i := range nodes {
			if err := builder.Append(&nodes[i]); err != nil {
				b.Fatal(err)
			}
		}
		size = len(builder.Finish())
	}
	b.SetBytes(int64(size))
}

func BenchmarkEncodeWithEncodingJSON(b *testing.B) {
	nodes := sample(1000)
	var size int
	b.ReportAllocs()
	for b.Loop() {
		p, err := mirrorTree(nodes)
		if err != nil {
			b.Fatal(err)
		}
		size = len(p)
	}
	b.SetBytes(int64(size))
}

func BenchmarkDecode(b *testing.B) {
	p := build(b, sample(1000)...)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var d Decoder
	for b.Loop() {
		d.Reset(p)
		var n Node
		err := d.Next(&n)
		for err == nil {
			err = d.Next(&n)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeWithEncodingJSON(b *testing.B) {
	p := build(b, sample(1000)...)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		var tree struct{ Nodes []mirror }
		if err := json.Unmarshal(p, &tree); err != nil {
			b.Fatal(err)
		}
	}
}
