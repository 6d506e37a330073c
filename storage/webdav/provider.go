package webdav

import (
	"errors"
	"net/url"
	"strings"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a folder of a WebDAV server.
var Provider = storage.Provider{
	Kind: "webdav", Title: "WebDAV server", Form: "webdav:https://HOST/PATH", Parse: parse, Open: open,
	Fields: []settings.Field{
		{Name: "url", Title: "Address", Help: "The address of the folder that holds the repository, as the server's help tells it. The folder is made where it is missing.", Required: true},
		{Name: "user", Title: "User", Help: "The name that you log in with."},
		{Name: "password", Title: "Password", Help: "The password of the user. Nextcloud and others make one for a single program: prefer that.", Kind: settings.Secret},
		{Name: "bearer-token", Title: "Token", Help: "A token to log in with, in the place of user and password.", Kind: settings.Secret},
		{Name: "vendor", Title: "Product", Help: "What the server runs. It decides which checksums are used.", Kind: settings.Choice,
			Choices: []string{"other", "nextcloud", "owncloud", "fastmail", "rclone"}, Default: "other"},
		{Name: "ca-certificate", Title: "Certificate authority", Help: "The certificate, in PEM, of the authority that signed the server's, if that is one of your own.", Kind: settings.Pages},
	},
	Connections: 5, // as many as restic has for a server
	Lacks: []storage.Lack{{Promise: "of several saves of one name one succeeds",
		Why: "most WebDAV servers look before they rename: of two programs that save one name at the same moment both may succeed, and the later one's file stays"}},
}

func parse(rest string) (settings.Values, error) {
	u, err := url.Parse(rest)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want webdav:https://HOST/PATH") // the error of url.Parse shows what it was given
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("a WebDAV address has no question mark and no number sign: write %3F and %23 where a folder's name has them")
	}
	v := settings.Values{}
	if u.User != nil {
		v["user"] = u.User.Username()
		v["password"], _ = u.User.Password()
		u.User = nil
	}
	v["url"] = u.String()
	return v, nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	parsed, err := parse(v["url"])
	if err != nil {
		return nil, err
	}
	if parsed["user"] != "" || parsed["password"] != "" {
		return nil, errors.New("setting url: give the user and the password as settings of their own")
	}
	if v["bearer-token"] != "" && (v["user"] != "" || v["password"] != "") {
		return nil, errors.New("a token takes the place of user and password: give one or the other")
	}
	base, err := url.Parse(v["url"])
	if err != nil {
		return nil, errors.New("setting url: not an address")
	}
	base.Path, base.RawPath = "/"+strings.Trim(base.Path, "/"), ""
	transport, err := newTransport(env, v["ca-certificate"])
	if err != nil {
		return nil, err
	}
	c := newClient(transport, v["user"], v["password"], v["bearer-token"])
	return &backend{base: base, client: c, vendor: vendors[v["vendor"]], env: env, made: make(map[string]bool)}, nil
}

// vendor is what is known of a product's checksums, which are of SHA-1.
type vendor struct {
	asks string // the properties that are asked for; "": all
	sent string // the header that the checksum goes in; "": none
	sums bool   // the server tells checksums
}

const usual = `<d:getlastmodified/><d:getcontentlength/><d:resourcetype/>`

var vendors = map[string]vendor{
	"other":     {asks: usual},
	"rclone":    {asks: usual},
	"nextcloud": {asks: usual + `<oc:checksums/>`, sent: "OC-Checksum", sums: true},
	"owncloud":  {asks: usual + `<oc:checksums/>`, sent: "OC-Checksum", sums: true},
	"fastmail":  {sums: true},
}
