package local

import (
	"errors"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a folder of this machine.
var Provider = storage.Provider{Kind: "local", Title: "Folder of this machine", Form: "/PATH", Parse: parse, Open: open,
	Fields: []settings.Field{
		{Name: "path", Title: "Folder", Local: true, Help: "The folder that holds the repository. It is made where it is missing.", Required: true},
	}}

func parse(rest string) (settings.Values, error) {
	if rest == "" {
		return nil, errors.New("the path is empty")
	}
	return settings.Values{"path": rest}, nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	return New(OS{}, v["path"], Options{Clock: env.Clock, Rand: env.Rand}), nil
}
