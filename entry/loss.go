package entry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Loss is what of an entry the file system that it is restored to can't hold, while the rest of it is restored. 0 is nothing.
type Loss uint8

// The losses.
const (
	LossOwner      Loss = 1 << iota // owner and group
	LossMode                        // permissions
	LossTime                        // modification time
	LossAttributes                  // extended attributes
	LossACL                         // POSIX access lists
	LossLink                        // it becomes a file of its own instead of a further name of another
)

// lossNames are in the order of the bits.
var lossNames = []string{"owner", "mode", "time", "attributes", "access list", "hard link"}

// LossOf returns what is lost without the extended attribute.
func LossOf(attribute string) Loss {
	if strings.HasPrefix(attribute, "system.posix_acl_") {
		return LossACL
	}
	return LossAttributes
}

// Names returns a word for each thing that is lost.
func (l Loss) Names() (names []string) {
	for i, name := range lossNames {
		if l&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names with commas between them.
func (l Loss) String() string { return strings.Join(l.Names(), ", ") }

// MarshalJSON returns the list of names.
func (l Loss) MarshalJSON() ([]byte, error) { return json.Marshal(l.Names()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Loss) UnmarshalJSON(p []byte) error {
	var names []string
	if err := json.Unmarshal(p, &names); err != nil {
		return err
	}
	*l = 0
	for _, name := range names {
		i := slices.Index(lossNames, name)
		if i < 0 {
			return fmt.Errorf("unknown loss %q", name)
		}
		*l |= 1 << i
	}
	return nil
}
