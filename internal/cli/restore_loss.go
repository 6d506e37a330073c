package cli

import (
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
)

// restoreLoss counts the paths that the target holds without one thing.
type restoreLoss struct {
	Count   int64  `json:"count"`
	Example string `json:"example"` // the first of them
}

// restoreLosses has a place for each kind of loss.
type restoreLosses [8]restoreLoss

func (l *restoreLosses) add(c entry.Change) {
	for i := range l {
		if c.Without&(1<<i) == 0 {
			continue
		}
		if l[i].Count++; l[i].Count == 1 {
			l[i].Example = c.Path
		}
	}
}

// named returns what was lost of something, by its name.
func (l *restoreLosses) named() map[string]restoreLoss {
	losses := map[string]restoreLoss{}
	for i, loss := range l {
		if loss.Count > 0 {
			losses[entry.Loss(1<<i).String()] = loss
		}
	}
	return losses
}

// print says in a line for each kind what the file system of the target can't hold.
func (l *restoreLosses) print(p *program) error {
	for i, loss := range l {
		if loss.Count == 0 {
			continue
		}
		err := p.say("  The target can't hold the %s of %s, such as %s", entry.Loss(1<<i), show.Plural(loss.Count, "path"), p.name(loss.Example))
		if err != nil {
			return err
		}
	}
	return nil
}
