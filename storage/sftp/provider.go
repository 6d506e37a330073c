package sftp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a folder of an SSH server.
var Provider = storage.Provider{Kind: "sftp", Title: "SFTP server", Form: "sftp:USER@HOST:/PATH", Parse: parse, Open: open,
	Fields: []settings.Field{
		{Name: "host", Title: "Server", Help: "The name or address of the SSH server.", Required: true},
		{Name: "port", Title: "Port", Help: "The port of the SSH server, if it isn't 22.", Kind: settings.Number},
		{Name: "user", Title: "User", Help: "The user to log in as.", Env: []string{"USER", "LOGNAME"}},
		{Name: "path", Title: "Folder", Help: "The folder on the server that holds the repository; without a slash at its beginning it is in the user's home. " +
			"It is made where it is missing.", Required: true},
		{Name: "private-key", Title: "Private key", Kind: settings.Pages, Help: "A private SSH key with which the user may log in."},
		{Name: "private-key-file", Title: "File of the private key", Help: "The path of a file that holds the private key, instead of the key itself."},
		{Name: "passphrase", Title: "Passphrase", Kind: settings.Secret, Help: "The passphrase of the private key, if it has one."},
		{Name: "password", Title: "Password", Kind: settings.Secret, Help: "The user's password on the server, where no key is used."},
		{Name: "agent", Title: "SSH agent", Help: "The socket of an SSH agent whose keys are tried too.", Env: []string{"SSH_AUTH_SOCK"}},
		{Name: "known-hosts", Title: "Known hosts", Kind: settings.Pages,
			Help: "Lines as in ~/.ssh/known_hosts with the server's own key, by which it is recognized; ssh-keyscan HOST prints them, to be compared with what its administrator says."},
		{Name: "known-hosts-file", Title: "File of known hosts", Help: "The path of a file with such lines."},
		{Name: "command", Title: "Command", Help: "A command that makes the connection instead, and speaks SFTP over its input and output, such as: ssh HOST -s sftp. " +
			"It is run without a shell, and looks after keys and known hosts by itself."},
		{Name: "args", Title: "Arguments of ssh", Help: "Arguments for the ssh of this machine, which then makes the connection by its own configuration."},
	}}

const forms = "want USER@HOST:/PATH, HOST:PATH or //USER@HOST:PORT//PATH"

// parse takes both of restic's forms of a location apart: "user@host:path", and "//user@host:port/path" in which the first slash after
// the host only separates.
func parse(rest string) (settings.Values, error) {
	v := settings.Values{}
	if strings.HasPrefix(rest, "//") {
		u, err := url.Parse("sftp:" + rest)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
			return nil, errors.New("the location can't be read: " + forms) // the error may show a password
		}
		v["host"], v["port"], v["path"] = u.Hostname(), u.Port(), u.Path[1:]
		if u.User != nil {
			v["user"] = u.User.Username()
			v["password"], _ = u.User.Password()
		}
	} else {
		server, dir, found := strings.Cut(rest, ":")
		if server, dir = bracketed(rest, server, dir); !found {
			return nil, errors.New("the location has no path: " + forms)
		}
		v["path"], v["host"] = dir, server
		if at := strings.LastIndexByte(server, '@'); at >= 0 { // users may have a domain
			v["user"], v["host"] = server[:at], server[at+1:]
		}
		v["host"] = strings.Trim(v["host"], "[]")
	}
	if v["path"] == "" {
		v["path"] = "." // the user's home
	}
	maps.DeleteFunc(v, func(_, value string) bool { return value == "" })
	return v, check(v)
}

// bracketed cuts a location after an IPv6 address in brackets, if it has one.
func bracketed(rest, server, dir string) (string, string) {
	if open, end := strings.IndexByte(rest, '['), strings.Index(rest, "]:"); open >= 0 && end > open && !strings.ContainsAny(rest[:open], ":/") {
		return rest[:end+1], rest[end+2:]
	}
	return server, dir
}

// check refuses a host or a path that can't be meant.
func check(v settings.Values) error {
	switch host := v["host"]; {
	case host == "" || strings.ContainsAny(host, " /@") || strings.HasPrefix(host, "-"):
		return errors.New("the server's name can't be used: " + forms)
	case strings.HasPrefix(v["path"], "~"):
		return errors.New("the path begins with ~, which SFTP servers don't know: a path without a slash at its beginning is in the user's home")
	}
	v["path"] = path.Clean(v["path"])
	return nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	if err := check(v); err != nil {
		return nil, err
	}
	run, err := newCommand(v)
	if err != nil {
		return nil, err
	}
	if len(run) > 0 {
		return newBackend(v["path"], env, run.dial), nil
	}
	l, err := newLogin(v, env)
	if err != nil {
		return nil, err
	}
	return newBackend(v["path"], env, l.dial), nil
}

func newLogin(v settings.Values, env storage.Env) (*login, error) {
	if v["user"] == "" {
		return nil, errors.New("setting \"user\" is missing: as whom to log in")
	}
	if v["known-hosts"] == "" && v["known-hosts-file"] == "" {
		return nil, errors.New("neither \"known-hosts\" nor \"known-hosts-file\" is set: without them the server can't be told from another one")
	}
	port := v["port"]
	if port == "" {
		port = "22"
	}
	known, err := knownHosts(v["known-hosts"], v["known-hosts-file"])
	if err != nil {
		return nil, err
	}
	keys, err := privateKeys(v)
	if err != nil {
		return nil, err
	}
	return &login{address: net.JoinHostPort(v["host"], port), user: v["user"], keys: keys, password: v["password"], agent: v["agent"],
		known: known, env: env}, nil
}

// privateKeys reads the keys that are given, as they are or in a file.
func privateKeys(v settings.Values) (keys []ssh.Signer, err error) {
	for _, name := range []string{"private-key", "private-key-file"} {
		content := []byte(v[name])
		if len(content) == 0 {
			continue
		}
		if name == "private-key-file" {
			if content, err = os.ReadFile(v[name]); err != nil {
				return nil, fmt.Errorf("setting %q: %w", name, err)
			}
		}
		key, err := privateKey(content, v["passphrase"])
		if err != nil {
			return nil, fmt.Errorf("setting %q: %w", name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func privateKey(content []byte, passphrase string) (ssh.Signer, error) {
	key, err := ssh.ParsePrivateKey(content)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if passphrase == "" {
			return nil, errors.New("the key has a passphrase: give it as \"passphrase\", or use an SSH agent")
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(content, []byte(passphrase)); err != nil {
			return nil, errors.New("the passphrase doesn't open the key")
		}
	}
	if err != nil {
		return nil, errors.New("it is no private SSH key")
	}
	return key, nil
}
