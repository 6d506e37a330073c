package app

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/storage"
)

// Kind describes a kind of storage or source.
type Kind struct {
	Kind   string           `json:"kind"`
	Title  string           `json:"title"`
	Help   string           `json:"help,omitempty"`
	Fields []settings.Field `json:"fields"`
	Local  bool             `json:"local,omitempty" doc:"Only administrators of the server can use it"`
	Form   string           `json:"form,omitempty" doc:"How the location of a storage is written"`
	Within []string         `json:"within_location,omitempty" doc:"The names of the fields that a storage's location says"`
}

// Place says where a storage or a source is, with all its secrets.
type Place struct {
	Location string // of a storage
	Kind     string // of a source
	Settings settings.Values
	Guard    *guard.Guard // nil where everything on this machine may be used
	Upload   string       // rates, as people write them
	Download string
	Patience time.Duration // how long what fails is tried again; by default long enough for a night's backup
}

// personPatience is that of somebody who waits for an answer.
const personPatience = 20 * time.Second

// Places are the kinds of storages and sources there are. Whoever puts the application together hands them to it.
type Places interface {
	StorageKinds() []Kind
	SourceKinds() []Kind
	// CheckStorage and CheckSource return the fields of the kind, or what is wrong with the settings. They connect to nothing.
	CheckStorage(p Place) ([]settings.Field, error)
	CheckSource(p Place) ([]settings.Field, error)
	// CheckRate says what is wrong with a limit of transfers, as people write it.
	CheckRate(text string) error
	// OpenStorage returns the storage with its wrappers, and how many files are transferred at once.
	OpenStorage(p Place) (storage.Backend, int, error)
	// LocalPath is the folder of a storage on this machine; false for others.
	LocalPath(p Place) (string, bool)
	// OpenSource returns the source and the paths that its snapshots say.
	OpenSource(p Place, part source.Part, notice func(string)) (source.Source, []string, error)
	// OpenTarget returns a folder of this machine that files are restored to, "/" for where they came from; conflicts are as in a restore.
	OpenTarget(folder, conflicts string) source.Restorer
}

// privateNetworks are those that a server may be let into: none of them holds what only the server's own machine may reach.
var privateNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")}

// guard is what keeps people who only reach the server over the network from using it to reach more.
func (t *task) guard(local bool) (*guard.Guard, error) {
	if local {
		return nil, nil
	}
	set, err := t.tx.Settings(t.ctx)
	if err != nil || !set.PrivateNetworks {
		return &guard.Guard{}, err
	}
	return &guard.Guard{Allow: privateNetworks}, nil
}

// stillLocal says whether a changed place may be on the server's own machine and in private networks, as one may that an administrator of the
// server has made. Nobody makes it so later: who changes the name of what somebody else has set up does not vouch for where that is. It
// stays so where who is no administrator changes nothing that says where it is.
func stillLocal(was, administrator, elsewhere bool, before, now map[string]string) bool {
	return was && (administrator || !elsewhere && sameServer(before, now, nil))
}

// givenAgain refuses to send secrets that nobody may see to another place than they were given for: whoever moves it has to know them.
func givenAgain(hidden, given map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(hidden)) {
		if _, ok := given[name]; !ok {
			return backstay.Errorf(backstay.Invalid, "it is at another place now: give the secret setting %q again", name).
				WithHint("Secrets are sent to no other place than they were given for.").OnField("settings." + name)
		}
	}
	return nil
}

// split takes the secrets out of settings and seals them together; those that are not given stay what they were.
func (a *App) split(fields []settings.Field, given, old map[string]string, at secret.Place) (plain map[string]string, sealed string, err error) {
	plain, hidden := map[string]string{}, maps.Clone(old)
	if hidden == nil {
		hidden = map[string]string{}
	}
	for name, value := range given {
		i := slices.IndexFunc(fields, func(f settings.Field) bool { return f.Name == name })
		switch {
		case i < 0 || !fields[i].IsSecret():
			plain[name] = value
		case value == "":
			delete(hidden, name)
		default:
			hidden[name] = value
		}
	}
	text, err := json.Marshal(hidden)
	if err != nil {
		return nil, "", err
	}
	sealed, err = a.seal(at, secret.New(string(text)))
	return plain, sealed, err
}

// hidden opens what split has sealed; nothing where nothing was.
func (a *App) hidden(at secret.Place, sealed string) (values map[string]string, err error) {
	if sealed == "" {
		return nil, nil
	}
	text, err := a.open(at, sealed)
	if err != nil {
		return nil, err
	}
	return values, json.Unmarshal([]byte(text.Reveal()), &values)
}

// join is the settings with their secrets.
func join(plain, hidden map[string]string) settings.Values {
	all := settings.Values{}
	maps.Copy(all, plain)
	maps.Copy(all, hidden)
	return all
}

// wrongSetting says which setting is wrong, as a field of the request.
func wrongSetting(err error) error {
	e := backstay.Errorf(backstay.Invalid, "%w", err)
	var field *settings.Error
	if errors.As(err, &field) {
		return e.OnField("settings." + field.Field.Name)
	}
	return e.OnField("settings")
}
