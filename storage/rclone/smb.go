package rclone

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloudsoda/go-smb2"
	_ "github.com/rclone/rclone/backend/smb" // registers itself

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// SMB is the kind of storage that is a folder of a Windows share.
var SMB = provide(storage.Provider{
	Kind: "smb", Title: "Windows share (SMB)", Form: "smb:USER@HOST/SHARE/PATH", Parse: parseSMB,
	Fields: []settings.Field{
		{Name: "host", Title: "Server", Help: "The name or address of the server.", Required: true},
		{Name: "port", Title: "Port", Help: "The port of the server, if it is not the usual one.", Kind: settings.Number, Default: "445"},
		{Name: "share", Title: "Share", Help: "The name of the share, as the server's list of shares has it.", Required: true},
		{Name: "path", Title: "Folder", Help: "The folder in the share that holds the repository. It is made where it is missing."},
		{Name: "user", Title: "User", Help: "The name that you log in with.", Required: true},
		{Name: "password", Title: "Password", Help: "The password of the user.", Kind: settings.Secret},
		{Name: "domain", Title: "Domain", Help: "The Windows domain of the user, if there is one.", Default: "WORKGROUP"},
	},
	Lacks: []storage.Lack{{Promise: "of several saves of one name one succeeds",
		Why: "the file is looked for right before it is renamed, and the server replaces: of two programs that save one name at the same moment both may succeed, and the later one's file stays"}},
}, smb)

// parseSMB takes USER@HOST/SHARE/PATH apart, with a port, a domain (DOMAIN;USER) and a password or without, also after //.
func parseSMB(rest string) (settings.Values, error) {
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

func smb(v settings.Values) (remote, error) {
	if strings.ContainsAny(v["share"], `/\`) {
		return remote{}, errors.New("setting share: it is a name without slashes; a folder in it is another setting")
	}
	return remote{
		backend: "smb", root: strings.TrimRight(v["share"]+"/"+strings.Trim(v["path"], "/"), "/") + "/",
		target: net.JoinHostPort(v["host"], v["port"]), exclusive: true, replaces: true, alone: true, status: smbReply,
		options: map[string]string{
			"user": v["user"], "pass": v["password"], "domain": v["domain"], "spn": "cifs/" + v["host"], // some servers want their own name
		},
	}, nil
}

// statuses are those of SMB (MS-ERREF) that have their like in HTTP, in whose words they are explained.
var statuses = map[uint32]int{
	0xC0000022: http.StatusForbidden,           // access denied
	0xC000006D: http.StatusUnauthorized,        // logon failure
	0xC000006E: http.StatusUnauthorized,        // account restriction
	0xC0000071: http.StatusUnauthorized,        // password expired
	0xC0000072: http.StatusUnauthorized,        // account disabled
	0xC0000234: http.StatusUnauthorized,        // account locked out
	0xC000007F: http.StatusInsufficientStorage, // disk full
	0xC0000044: http.StatusInsufficientStorage, // quota exceeded
	0xC00000CC: http.StatusMethodNotAllowed,    // no share of that name
}

func smbReply(err error) reply {
	if answer := (*smb2.ResponseError)(nil); errors.As(err, &answer) {
		return reply{code: statuses[answer.Code]}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return reply{code: http.StatusForbidden}
	case errors.Is(err, fs.ErrNotExist):
		return reply{code: http.StatusNotFound}
	}
	return reply{}
}
