package web

import (
	"net/http"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// preview is what a file looks like.
type preview struct {
	Text    string
	Image   string // its address
	Name    string
	Note    string        // why there is nothing, or not all
	Confirm *confirmation // it is owed before anything is shown
}

// preview shows a file to who may read it. Whoever has to confirm first that it is them is asked to.
func (v *visit) preview(s backstay.Snapshot, e app.SnapshotEntry, raw string, may bool) (*preview, error) {
	if !may || e.Type != entry.File {
		return nil, nil
	}
	p := &preview{Name: baseName(raw)}
	if e.Size == 0 {
		p.Note = "The file is empty."
		return p, nil
	}
	found, err := v.App.PreviewFile(v.ctx, v.who, s.ID, raw)
	if err != nil {
		problem, _ := door.Failure(err)
		switch problem.Kind {
		case backstay.Unconfirmed:
			p.Confirm = v.confirmation()
		case backstay.Denied:
			return nil, nil
		case backstay.Failed:
			return nil, err
		default:
			p.Note = sentence(problem.Msg)
		}
		return p, nil
	}
	switch found.Kind {
	case app.PreviewText:
		p.Text = strings.ToValidUTF8(string(found.Bytes), "\uFFFD")
		if found.Truncated {
			p.Note = "This is the beginning. Download the file to see all of it."
		}
	case app.PreviewImage:
		p.Image = addressOf("/snapshots/"+s.ID+"/image", "path", raw)
	default:
		p.Note = "It is neither text nor an image that can be shown. Download it to look at it."
	}
	return p, nil
}

// image sends an image of a snapshot to the page that shows it. What it is its bytes say, not its name, and a browser runs nothing of it.
func (v *visit) image() error {
	found, err := v.App.PreviewFile(v.ctx, v.who, v.id(), v.query("path"))
	if err != nil {
		return err
	}
	if found.Kind != app.PreviewImage {
		return errNoPage
	}
	door.Guard(v.w.Header(), found.ContentType)
	v.w.Header().Set("Content-Disposition", "inline")
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(found.Bytes) // who asked may have gone
	return nil
}
