package web

import (
	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// preview is what a file looks like.
type preview struct {
	Text string
}

func (v *visit) preview(backstay.Snapshot, app.SnapshotEntry, string, bool) (*preview, error) {
	return nil, nil
}
