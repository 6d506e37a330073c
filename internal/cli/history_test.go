package cli

import (
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

func TestAVersionIsCalledByWhatChanged(t *testing.T) {
	one, two := crypto.Hash([]byte("1")), crypto.Hash([]byte("2"))
	f, changed := file("a", one), file("a", two)
	owned, renamed := file("a", one), file("a", one)
	owned.UID, renamed.User = 7, "anna"
	link := tree.Node{Meta: entry.Meta{Name: "a", Type: entry.Symlink}}
	d, other := dir("a", one), dir("a", two)
	closed := other
	closed.Mode = 0o700
	for _, c := range []struct {
		before, after *tree.Node
		want          string
	}{
		{nil, nil, ""},
		{nil, &f, "new"},
		{&f, nil, "gone"},
		{&f, &f, ""},
		{&f, &changed, "changed"},
		{&f, &link, "changed"},
		{&f, &owned, "attributes"},
		{&f, &renamed, "attributes"},
		{&d, &d, ""},
		{&d, &other, "changed"},
		{&d, &closed, "changed"},
		{&other, &closed, "attributes"},
	} {
		if got := changeOf(c.before, c.after); got != c.want {
			t.Errorf("from %+v to %+v is %q, want %q", c.before, c.after, got, c.want)
		}
	}
}
