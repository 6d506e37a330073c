package tree

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"math"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/internal/jsonscan"
	"github.com/backstay/backstay/entry"
)

// readNode reads the fields of a node. It reports whether the name's escapes are whole; other errors the scanner keeps.
func (d *Decoder) readNode(n *Node) (nameOK bool) {
	s := &d.scanner
	nameOK = true
	var rawTarget []byte
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		if s.Null() {
			continue
		}
		switch string(key) {
		case "name":
			var name []byte
			name, nameOK = unquote(s.String())
			n.Name = d.text(name)
		case "type":
			n.Type = readType(s)
		case "mode":
			n.Mode = fs.FileMode(readUint32(s))
		case "mtime":
			n.ModTime = d.readTime()
		case "atime":
			n.AccessTime = d.readTime()
		case "ctime":
			n.ChangeTime = d.readTime()
		case "uid":
			n.UID = readUint32(s)
		case "gid":
			n.GID = readUint32(s)
		case "user":
			n.User = d.word(s.String())
		case "group":
			n.Group = d.word(s.String())
		case "inode":
			n.Inode = s.Uint64()
		case "device_id":
			n.DeviceID = s.Uint64()
		case "size":
			n.Size = s.Uint64()
		case "links":
			n.Links = s.Uint64()
		case "linktarget":
			n.LinkTarget = d.text(s.String())
		case "linktarget_raw":
			rawTarget = readBase64(s)
		case "extended_attributes":
			n.Attributes = d.readAttributes()
		case "generic_attributes":
			n.Generic = readGeneric(s)
		case "device":
			n.Device = s.Uint64()
		case "content":
			n.Content = d.readContent()
		case "subtree":
			s.Hex(n.Subtree[:])
		case "error":
			n.Error = d.text(s.String())
		default:
			s.Skip()
		}
	}
	if rawTarget != nil {
		n.LinkTarget = string(rawTarget)
	}
	return nameOK
}

func readType(s *jsonscan.Scanner) entry.Type {
	switch t := s.String(); string(t) { // without an allocation for each node
	case string(entry.File):
		return entry.File
	case string(entry.Dir):
		return entry.Dir
	case string(entry.Symlink):
		return entry.Symlink
	default:
		return entry.Type(t)
	}
}

func readUint32(s *jsonscan.Scanner) uint32 {
	v := s.Uint64()
	if v > math.MaxUint32 {
		s.Fail("number too large")
		return 0
	}
	return uint32(v)
}

func readBase64(s *jsonscan.Scanner) []byte {
	p, err := base64.StdEncoding.AppendDecode([]byte{}, s.String())
	if err != nil {
		s.Fail(err.Error())
	}
	return p
}

func (d *Decoder) readTime() time.Time {
	t, err := d.times.parse(d.scanner.String())
	if err != nil {
		d.scanner.Fail(err.Error())
	}
	return t
}

func (d *Decoder) readAttributes() []entry.Attribute {
	s := &d.scanner
	var list []entry.Attribute
	for s.Array(); s.Element(); {
		var a entry.Attribute
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			switch {
			case s.Null():
			case string(key) == "name":
				a.Name = d.word(s.String())
			case string(key) == "value":
				a.Value = readBase64(s)
			default:
				s.Skip()
			}
		}
		list = append(list, a)
	}
	return list
}

func readGeneric(s *jsonscan.Scanner) map[string]json.RawMessage {
	attributes := map[string]json.RawMessage{}
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		name := string(key)
		attributes[name] = bytes.Clone(s.Raw())
	}
	return attributes
}

func (d *Decoder) readContent() []crypto.ID {
	s := &d.scanner
	list := d.ids()
	for s.Array(); s.Element(); {
		var id crypto.ID
		s.Hex(id[:])
		list = append(list, id)
	}
	return d.keep(list)
}
