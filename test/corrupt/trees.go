package corrupt

import (
	"fmt"
	"strings"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
)

// trees returns the variants of trees that are not as they should be, though they were sealed by the owner of the key.
func trees() []Variant {
	node := func(kind checker.Kind, name, text, path string) Variant {
		return Variant{Name: "a tree has " + name, Damage: func(l *Lab) []checker.Finding {
			tree := l.third(`{"nodes":[` + l.fill(text) + `]}` + "\n")
			return []checker.Finding{l.in(kind, checker.Error, tree, path)}
		}}
	}
	file := func(name string) string { return fmt.Sprintf(`{"name":%q,"type":"file","content":[]}`, name) }
	list := []Variant{
		node(checker.TreeOrder, "names out of order", file("b")+","+file("a"), "/a"),
		node(checker.TreeDuplicate, "a name twice", file("a")+","+file("a"), "/a"),
		node(checker.UnsafeName, "a name that leads out of it", file("../evil"), "/../evil"),
		node(checker.UnsafeName, "a name with a slash", file("a/evil"), "/a/evil"),
		node(checker.UnsafeName, "a name that is a dot", file("."), "/."),
		node(checker.UnsafeName, "a name that is two dots", file(".."), "/.."),
		node(checker.UnsafeName, "a name with a NUL", `{"name":"a\\x00b","type":"file","content":[]}`, "/a\x00b"),
		node(checker.UnsafeName, "an empty name", `{"name":"","type":"file","content":[]}`, "/"),
		node(checker.UnsafeName, "no name", `{"type":"file","content":[]}`, "/"),
		node(checker.TreeName, "a name with a broken escape", `{"name":"a\\q","type":"file","content":[]}`, `/a\q`),
		node(checker.NoContent, "a file with content null", `{"name":"f","type":"file","size":5,"content":null}`, "/f"),
		node(checker.NoContent, "a file without content", `{"name":"f","type":"file","size":5}`, "/f"),
		node(checker.NoSubtree, "a directory without a subtree", `{"name":"d","type":"dir","content":null}`, "/d"),
		node(checker.NoSubtree, "a directory with subtree null", `{"name":"d","type":"dir","subtree":null}`, "/d"),
		node(checker.UnknownType, "a node of an unknown type", `{"name":"x","type":"portal"}`, "/x"),
		node(checker.UnknownType, "an irregular node", `{"name":"x","type":"irregular"}`, "/x"),
		node(checker.UnknownType, "a node without type", `{"name":"x"}`, "/x"),
		node(checker.TreeValue, "a size that is a text", `{"name":"f","type":"file","size":"5","content":[]}`, "/f"),
		node(checker.TreeValue, "a content ID too short", `{"name":"f","type":"file","content":["00"]}`, "/f"),
		node(checker.TreeValue, "a time that is none", `{"name":"f","type":"file","mtime":"yesterday","content":[]}`, "/f"),
		node(checker.BlobsMissing, "content that is in no index", `{"name":"f","type":"file","content":["{gone}"]}`, "/f"),
		node(checker.BlobsMissing, "a subtree that is in no index", `{"name":"d","type":"dir","subtree":"{gone}"}`, "/d"),
		node(checker.BlobsMissing, "a subtree that is data", `{"name":"d","type":"dir","subtree":"{a}"}`, "/d"),
		node(checker.BlobsMissing, "content that is a tree", `{"name":"f","type":"file","content":["{pics}"]}`, "/f"),
	}
	for i := range list { // what is missing is not a fact of the tree
		damage := list[i].Damage
		list[i].Damage = func(l *Lab) []checker.Finding {
			found := damage(l)
			if found[0].Kind == checker.BlobsMissing {
				found[0].Object = checker.Object{Type: "repository"}
			}
			return found
		}
	}
	return append(append(list, malformed()...), wellFormed()...)
}

// fill puts the IDs of named blobs in the place of {name}; {gone} is that of a blob that isn't there.
func (l *Lab) fill(text string) string {
	text = strings.ReplaceAll(text, "{gone}", crypto.Hash([]byte("gone")).String())
	for name, h := range l.Blobs {
		text = strings.ReplaceAll(text, "{"+name+"}", h.ID.String())
	}
	return text
}

// malformed returns the variants of trees that can't be read to their end.
func malformed() []Variant {
	var list []Variant
	for name, text := range map[string]string{
		"cut":                  `{"nodes":[{"name":"a","type":"file","content":[]},{"name":`,
		"no JSON":              "nonsense",
		"a list":               "[]",
		"null":                 "null",
		"an object of nothing": "{}",
		"two lists":            `{"nodes":[],"nodes":[]}`,
		"with a tail":          `{"nodes":[]} more`,
		"a snapshot":           `{"time":"2026-01-01T00:00:00Z","tree":"00"}`,
	} {
		list = append(list, Variant{Name: "a tree is " + name, Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{l.in(checker.TreeMalformed, checker.Error, l.third(text), "/")}
		}})
	}
	return list
}

// wellFormed returns the variants of trees with which nothing, or not much, is wrong.
func wellFormed() []Variant {
	good := func(name, text string) Variant {
		return Variant{Name: "a tree has " + name, Damage: func(l *Lab) []checker.Finding {
			l.third(l.fill(text))
			return nil
		}}
	}
	return []Variant{
		good("no newline", `{"nodes":[]}`),
		good("null for nodes", `{"nodes":null}`),
		good("space and fields of a later version", `{ "v":{"nodes":1}, "nodes" : [ {"type":"file","name":"f","content":[],"new":[1]} ] , "z":null }`),
		good("the tree of another snapshot", `{"nodes":[{"name":"d","type":"dir","subtree":"{root1}"}]}`),
		{Name: "a file has a wrong size", Damage: func(l *Lab) []checker.Finding {
			tree := l.third(l.fill(`{"nodes":[{"name":"f","type":"file","size":7,"content":["{a}"]}]}`))
			return []checker.Finding{l.in(checker.WrongSize, checker.Warning, tree, "/f")}
		}},
		{Name: "problems of several kinds are far below", Damage: func(l *Lab) []checker.Finding {
			inner := l.TreeJSON("inner", l.fill(`{"nodes":[{"name":"b","type":"file","size":1,"content":["{a}"]},{"name":"a","type":"portal"},{"name":"c","type":"file"}]}`))
			l.TreeJSON("outer", l.fill(`{"nodes":[{"name":"x","type":"dir","subtree":"{inner}"},{"name":"y","type":"dir","subtree":"{inner}"}]}`))
			l.Pack("inners", "inner", "outer")
			l.IndexFile("inners", l.Entry("inners"))
			l.third(l.fill(`{"nodes":[{"name":"deep","type":"dir","subtree":"{outer}"}]}`))
			o := object("tree", inner.ID)
			return []checker.Finding{
				l.in(checker.UnknownType, checker.Error, o, "/deep/x/a"), l.in(checker.NoContent, checker.Error, o, "/deep/x/c"),
				l.in(checker.WrongSize, checker.Warning, o, "/deep/x/b"),
			}
		}},
	}
}
