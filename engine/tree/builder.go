package tree

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

const (
	head = `{"nodes":[`
	tail = "]}\n"
)

// Builder makes trees, one after the other. The zero Builder is ready to use; it keeps its buffer from tree to tree. It
// is not safe for use by several goroutines.
type Builder struct {
	buf    []byte
	open   bool   // buf holds a tree that is not finished
	last   string // name of the node appended last, "" before the first
	quoted []byte // scratch for names

	time     time.Time // the time encoded last and its text: most nodes have the same two or three times
	timeText []byte
}

// Append adds a node after the others of the tree. Its name must be above theirs. Content nil of a File stands for an
// empty file. An error is a *ProblemError; the tree is then as before.
//
// Texts that are not UTF-8 are kept exactly in Name, LinkTarget and attribute values; elsewhere the format has no way
// to say them, and what is not UTF-8 becomes U+FFFD.
func (b *Builder) Append(n *Node) error {
	b.begin()
	if kind := b.problem(n); kind != "" {
		return &ProblemError{Kind: kind, Name: n.Name}
	}
	before := len(b.buf)
	if b.last != "" {
		b.buf = append(b.buf, ',')
	}
	if err := b.appendNode(n); err != nil {
		b.buf = b.buf[:before]
		return &ProblemError{Kind: BadValue, Name: n.Name, Err: err}
	}
	b.last = n.Name
	return nil
}

// Finish returns the bytes of the tree, valid until the next Append or Finish, which begin another one.
func (b *Builder) Finish() []byte {
	b.begin()
	b.open = false
	b.buf = append(b.buf, tail...)
	return b.buf
}

func (b *Builder) begin() {
	if !b.open {
		b.buf, b.last, b.open = append(b.buf[:0], head...), "", true
	}
}

func (b *Builder) problem(n *Node) Kind {
	kind := n.problem()
	switch {
	case kind != "" || n.Name > b.last:
		return kind
	case n.Name == b.last:
		return Duplicate
	}
	return Unsorted
}

// appendNode writes n. The order of the fields, and which are left out when zero, is the format.
func (b *Builder) appendNode(n *Node) error {
	b.buf = append(b.buf, `{"name":`...)
	b.appendName(n.Name)
	b.buf = append(b.buf, `,"type":"`...)
	b.buf = append(b.buf, n.Type...)
	b.buf = append(b.buf, '"')
	b.appendNumber(`,"mode":`, uint64(n.Mode))
	b.appendTime(`,"mtime":"`, n.ModTime)
	b.appendTime(`,"atime":"`, n.AccessTime)
	b.appendTime(`,"ctime":"`, n.ChangeTime)
	b.buf = append(b.buf, `,"uid":`...)
	b.buf = strconv.AppendUint(b.buf, uint64(n.UID), 10)
	b.buf = append(b.buf, `,"gid":`...)
	b.buf = strconv.AppendUint(b.buf, uint64(n.GID), 10)
	b.appendText(`,"user":`, n.User)
	b.appendText(`,"group":`, n.Group)
	b.appendNumber(`,"inode":`, n.Inode)
	b.appendNumber(`,"device_id":`, n.DeviceID)
	b.appendNumber(`,"size":`, n.Size)
	b.appendNumber(`,"links":`, n.Links)
	b.appendText(`,"linktarget":`, n.LinkTarget)
	if !utf8.ValidString(n.LinkTarget) {
		b.buf = append(b.buf, `,"linktarget_raw":`...)
		b.appendBase64([]byte(n.LinkTarget))
	}
	b.appendAttributes(n.Attributes)
	if err := b.appendGeneric(n.Generic); err != nil {
		return err
	}
	b.appendNumber(`,"device":`, n.Device)
	b.appendContent(n)
	if !n.Subtree.IsNull() {
		b.buf = append(b.buf, `,"subtree":`...)
		b.appendID(&n.Subtree)
	}
	b.appendText(`,"error":`, n.Error)
	b.buf = append(b.buf, '}')
	return nil
}

func (b *Builder) appendNumber(key string, v uint64) {
	if v != 0 {
		b.buf = append(b.buf, key...)
		b.buf = strconv.AppendUint(b.buf, v, 10)
	}
}

func (b *Builder) appendText(key, s string) {
	if s != "" {
		b.buf = append(b.buf, key...)
		b.buf = appendString(b.buf, s)
	}
}

func (b *Builder) appendName(name string) {
	if isPlain(name) {
		b.buf = append(b.buf, '"')
		b.buf = append(b.buf, name...)
		b.buf = append(b.buf, '"')
		return
	}
	b.quoted = strconv.AppendQuote(b.quoted[:0], name)
	b.buf = appendString(b.buf, string(b.quoted[1:len(b.quoted)-1]))
}

func (b *Builder) appendTime(key string, t time.Time) {
	if len(b.timeText) == 0 || t != b.time { // not Equal: the zone counts too
		b.time = t
		b.timeText = appendTime(b.timeText[:0], t)
	}
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, b.timeText...)
	b.buf = append(b.buf, '"')
}

func (b *Builder) appendBase64(p []byte) {
	b.buf = append(b.buf, '"')
	b.buf = base64.StdEncoding.AppendEncode(b.buf, p)
	b.buf = append(b.buf, '"')
}

func (b *Builder) appendAttributes(list []entry.Attribute) {
	if len(list) == 0 {
		return
	}
	separator := `,"extended_attributes":[`
	for _, a := range list {
		b.buf = append(b.buf, separator...)
		b.buf = append(b.buf, `{"name":`...)
		b.buf = appendString(b.buf, a.Name)
		b.buf = append(b.buf, `,"value":`...)
		if a.Value == nil {
			b.buf = append(b.buf, "null"...)
		} else {
			b.appendBase64(a.Value)
		}
		b.buf = append(b.buf, '}')
		separator = ","
	}
	b.buf = append(b.buf, ']')
}

func (b *Builder) appendGeneric(attributes map[string]json.RawMessage) error {
	if len(attributes) == 0 {
		return nil
	}
	p, err := json.Marshal(attributes) // sorts the keys, removes white space
	if err != nil {
		return err
	}
	b.buf = append(b.buf, `,"generic_attributes":`...)
	b.buf = append(b.buf, p...)
	return nil
}

func (b *Builder) appendContent(n *Node) {
	if n.Content == nil && n.Type != entry.File {
		b.buf = append(b.buf, `,"content":null`...)
		return
	}
	b.buf = append(b.buf, `,"content":[`...)
	for i := range n.Content {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.appendID(&n.Content[i])
	}
	b.buf = append(b.buf, ']')
}

func (b *Builder) appendID(id *crypto.ID) {
	b.buf = append(b.buf, '"')
	b.buf = hex.AppendEncode(b.buf, id[:])
	b.buf = append(b.buf, '"')
}
