package files

import (
	"fmt"

	"github.com/backstay/backstay/entry"
)

// claim gives name the place that it has in the directory, unless another that is the same there has it.
func (l *planLevel) claim(name string) {
	if key := l.system.FoldName(name); l.folded[key] == "" {
		l.folded[key] = name
	}
}

// release frees the place of a name that is not restored. It still keeps what stands there from being deleted.
func (l *planLevel) release(name string) {
	if key := l.system.FoldName(name); l.folded[key] == name {
		l.folded[key] = ""
	}
}

// refuse returns why e can't be held in the directory: because of what it is, or because another entry has its place.
func (p *planner) refuse(level *planLevel, e *entry.Entry) error {
	if err := level.system.Refuses(e); err != nil {
		level.release(e.Name)
		return err
	}
	if level.folded == nil {
		return nil
	}
	if first := level.folded[level.system.FoldName(e.Name)]; first != e.Name {
		return fmt.Errorf("for %s it is the same name as %q, which has its place", level.system.Name, first)
	}
	return nil
}
