package server

import (
	"io"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
)

// places are the kinds of storages and sources that this program knows. It is an app.Places.
type places struct {
	clock clock.Clock
	rand  io.Reader
}

func (p places) options(at app.Place) (opt kinds.Options, err error) {
	opt = kinds.Options{Settings: at.Settings, Clock: p.clock, Rand: p.rand, Guard: at.Guard, Patience: at.Patience}
	if at.Upload != "" {
		if opt.Upload, err = limit.ParseRate(at.Upload, 1024); err != nil {
			return opt, err
		}
	}
	if at.Download != "" {
		opt.Download, err = limit.ParseRate(at.Download, 1024)
	}
	return opt, err
}

func (p places) StorageKinds() (all []app.Kind) {
	for _, s := range kinds.Storages() {
		all = append(all, app.Kind{Kind: s.Kind, Title: s.Title, Fields: kinds.Fields(s), Form: s.Form, Within: kinds.WithinLocation(s)})
	}
	return all
}

func (p places) SourceKinds() (all []app.Kind) {
	for _, s := range kinds.Sources() {
		all = append(all, app.Kind{Kind: s.Kind, Title: s.Title, Help: s.Help, Fields: s.Fields, Local: s.Local})
	}
	return all
}

func (p places) CheckStorage(at app.Place) ([]settings.Field, error) {
	opt, err := p.options(at)
	if err != nil {
		return nil, err
	}
	return kinds.Check(at.Location, opt)
}

func (p places) CheckRate(text string) error {
	if text == "" {
		return nil
	}
	_, err := limit.ParseRate(text, 1024)
	return err
}

func (p places) CheckSource(at app.Place) ([]settings.Field, error) {
	if _, _, err := p.OpenSource(at, source.Part{}, nil); err != nil {
		return nil, err
	}
	kind, err := kinds.FindSource(at.Kind)
	return kind.Fields, err
}

func (p places) OpenStorage(at app.Place) (storage.Backend, int, error) {
	opt, err := p.options(at)
	if err != nil {
		return nil, 0, err
	}
	connections, err := kinds.Connections(at.Location, opt)
	if err != nil {
		return nil, 0, err
	}
	b, err := kinds.Open(at.Location, opt)
	return b, connections, err
}

func (p places) LocalPath(at app.Place) (string, bool) { return kinds.LocalPath(at.Location) }

func (p places) OpenSource(at app.Place, part source.Part, notice func(string)) (source.Source, []string, error) {
	return kinds.OpenSource(at.Kind, at.Settings, part, kinds.Options{Clock: p.clock, Rand: p.rand, Guard: at.Guard, Patience: at.Patience}, notice)
}

// OpenTarget returns a folder of this machine that files are restored to.
func (p places) OpenTarget(folder, conflicts string) source.Restorer {
	when := files.Overwrite(conflicts)
	if conflicts == "overwrite" {
		when = files.Always
	}
	return files.NewTarget(folder, files.TargetOptions{Overwrite: when})
}
