package remote

import (
	"errors"
	"fmt"
	"strings"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
)

// Provider describes folders behind a server.
var Provider = source.Provider{Kind: "remote", Title: "Folder on a server", Help: "A folder behind SFTP, SMB, WebDAV, S3 or another place where repositories can live too.",
	Fields: []settings.Field{
		{Name: "location", Title: "Location", Help: "Such as sftp:user@host:/srv/data or s3:host/bucket/folder, without a password.", Required: true},
		{Name: "options", Title: "Settings", Help: "Settings of that kind of storage, one NAME=VALUE a line, such as sftp.password=...", Kind: settings.Pages},
		{Name: "excludes", Title: "Left out", Help: "Patterns as of backup --exclude, one a line.", Kind: settings.Lines},
	},
	Open: open, Paths: func(v settings.Values, env source.Env) []string { return []string{env.Path(v["location"])} }}

func open(v settings.Values, part source.Part, env source.Env) (source.Source, error) {
	if part.Paths != nil {
		return nil, errors.New("a folder on a server is backed up as a whole")
	}
	options := settings.Values{}
	for i, line := range v.Lines("options") {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d of the settings is not NAME=VALUE", i+1)
		}
		options[strings.TrimSpace(name)] = value
	}
	folder, err := env.Browse(v["location"], options)
	if err != nil {
		return nil, err
	}
	exclude, err := env.Exclude(append(v.Lines("excludes"), part.Excludes...))
	if err != nil {
		return nil, err
	}
	return New(folder, Options{Exclude: exclude}), nil
}
