package rclone

import (
	"errors"
	"path"
	"strings"

	"github.com/backstay/backstay/settings"
)

// parseBucket takes NAME:/PREFIX apart, as restic writes it.
func parseBucket(field string) func(rest string) (settings.Values, error) {
	return func(rest string) (settings.Values, error) {
		name, prefix, _ := strings.Cut(rest, ":")
		if name == "" || strings.Contains(name, "/") {
			return nil, errors.New("want NAME:/PREFIX")
		}
		v := settings.Values{field: name}
		if prefix = strings.Trim(path.Clean("/"+prefix), "/"); prefix != "" {
			v["prefix"] = prefix
		}
		return v, nil
	}
}

// root is the folder of a repository in a bucket.
func root(v settings.Values, field string) (string, error) {
	if strings.Contains(v[field], "/") {
		return "", errors.New("setting " + field + ": it is a name without slashes; a folder in it is another setting")
	}
	return strings.TrimRight(v[field]+"/"+strings.Trim(path.Clean("/"+v["prefix"]), "/"), "/"), nil
}
