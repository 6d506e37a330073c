package smb

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a folder of a Windows share.
var Provider = storage.Provider{
	Kind: "smb", Title: "Windows share (SMB)", Form: "smb:USER@HOST/SHARE/PATH", Parse: parse, Open: open,
	Fields: []settings.Field{
		{Name: "host", Title: "Server", Help: "The name or address of the server.", Required: true},
		{Name: "port", Title: "Port", Help: "The port of the server, if it is not the usual one.", Kind: settings.Number, Default: "445"},
		{Name: "share", Title: "Share", Help: "The name of the share, as the server's list of shares has it.", Required: true},
		{Name: "path", Title: "Folder", Help: "The folder in the share that holds the repository. It is made where it is missing."},
		{Name: "user", Title: "User", Help: "The name that you log in with.", Required: true},
		{Name: "password", Title: "Password", Help: "The password of the user.", Kind: settings.Secret},
		{Name: "domain", Title: "Domain", Help: "The Windows domain of the user, if there is one.", Default: "WORKGROUP"},
	},
	Connections: 5, // as many as restic has for a server
	Lacks: []storage.Lack{{Promise: "of several saves of one name one succeeds",
		Why: "the file is looked for right before it is renamed, and the server replaces: of two programs that save one name at the same moment both may succeed, and the later one's file stays"}},
}

// parse takes USER@HOST/SHARE/PATH apart, with a port, a domain (DOMAIN;USER) and a password or without, also after //.
func parse(rest string) (settings.Values, error) {
	u, err := url.Parse("smb://" + strings.TrimLeft(rest, "/"))
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want smb:USER@HOST/SHARE/PATH") // the error of url.Parse shows what it was given
	}
	share, folder, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	v := settings.Values{"host": u.Hostname(), "share": share, "path": folder}
	if u.Port() != "" {
		v["port"] = u.Port()
	}
	if u.User != nil {
		v["user"] = u.User.Username()
		v["password"], _ = u.User.Password()
	}
	if domain, user, found := strings.Cut(v["user"], ";"); found {
		v["domain"], v["user"] = domain, user
	}
	return v, nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	if strings.ContainsAny(v["share"], `/\`) {
		return nil, errors.New("setting share: it is a name without slashes; a folder in it is another setting")
	}
	folder := strings.TrimPrefix(path.Clean("/"+v["path"]), "/")
	if err := checkPath(folder); err != nil {
		return nil, errors.New("setting path: " + err.Error())
	}
	login := login{address: net.JoinHostPort(v["host"], v["port"]), host: v["host"], share: v["share"],
		user: v["user"], password: v["password"], domain: v["domain"], dial: env.Dial}
	return &backend{folder: folder, env: env, pool: newPool(env.Clock, login.connect)}, nil
}
