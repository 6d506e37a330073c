package servers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Dropbox is a double of Dropbox, written from "Dropbox API v2: HTTP Documentation" (the sections that bear the names of the calls, and
// "Errors by status code"), "Content hash" and the "OAuth Guide".
type Dropbox struct {
	*Double
	*OAuth

	mu       sync.Mutex
	created  int                      // guarded by mu, like the rest
	entries  map[string]*dropboxEntry // by path_lower: names are not told apart by case
	cursors  map[string]dropboxCursor
	sessions map[string]*dropboxSession
}

type dropboxEntry struct {
	id, path string
	folder   bool
	content  []byte
	modified string
}

type dropboxCursor struct{ dir, after string }

type dropboxSession struct {
	content []byte
	closed  bool
}

// dropboxPage is how many entries a page of a listing has at most, whatever was asked for ("limit: the approximate maximum").
const dropboxPage = 100

// NewDropbox starts a double of an empty Dropbox. Its refresh tokens stay ("OAuth Guide": refresh tokens don't expire by themselves).
func NewDropbox(t testing.TB) *Dropbox {
	d := &Dropbox{OAuth: newOAuth(false), entries: make(map[string]*dropboxEntry), cursors: make(map[string]dropboxCursor),
		sessions: make(map[string]*dropboxSession)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST api.dropboxapi.com/oauth2/token", d.token)
	mux.HandleFunc("POST api.dropboxapi.com/2/files/{call...}", d.call)
	mux.HandleFunc("POST content.dropboxapi.com/2/files/{call...}", d.transfer)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not imitated: "+r.URL.Path, http.StatusNotImplemented)
	})
	d.Double = newDouble(t, mux, "api.dropboxapi.com", "content.dropboxapi.com")
	return d
}

// Seed adds a file, by its whole path, and the folders that are missing for it.
func (d *Dropbox) Seed(file string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file = "/" + file
	d.parents(file)
	d.entries[strings.ToLower(file)] = &dropboxEntry{id: fmt.Sprint("id:seeded", len(d.entries)), path: file, content: content, modified: "2026-01-01T00:00:00Z"}
}

// dropboxError answers 409 with an error of the endpoint: its tags from the outermost on, such as "path", "not_found".
func dropboxError(w http.ResponseWriter, tags ...string) {
	inner := object{".tag": tags[len(tags)-1]}
	for _, tag := range slices.Backward(tags[:len(tags)-1]) {
		inner = object{".tag": tag, tag: inner}
	}
	answer(w, 409, object{"error_summary": strings.Join(tags, "/") + "/..", "error": inner})
}

func (d *Dropbox) admit(w http.ResponseWriter, r *http.Request) bool {
	if !d.allowed(r) {
		answer(w, 401, object{"error_summary": "expired_access_token/..", "error": object{".tag": "expired_access_token"}})
		return false
	}
	return true
}

// dropboxArg holds the arguments of all calls.
type dropboxArg struct {
	Path   string          `json:"path"`
	From   string          `json:"from_path"`
	To     string          `json:"to_path"`
	Rename bool            `json:"autorename"`
	Cursor json.RawMessage `json:"cursor"` // a string, or that of an upload session
	Mode   struct {
		Tag string `json:".tag"`
	} `json:"mode"`
	Modified string      `json:"client_modified"`
	Close    bool        `json:"close"`
	Commit   *dropboxArg `json:"commit"`
}

// call is each of the calls that take JSON.
func (d *Dropbox) call(w http.ResponseWriter, r *http.Request) {
	var arg dropboxArg
	if !d.admit(w, r) || !decode(w, r, &arg) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch call := r.PathValue("call"); call {
	case "list_folder":
		if e := d.entries[strings.ToLower(arg.Path)]; arg.Path != "" && e == nil {
			dropboxError(w, "path", "not_found")
		} else if arg.Path != "" && !e.folder {
			dropboxError(w, "path", "not_folder")
		} else {
			d.list(w, dropboxCursor{dir: strings.ToLower(arg.Path)})
		}
	case "list_folder/continue":
		var cursor string
		_ = json.Unmarshal(arg.Cursor, &cursor)
		if at, known := d.cursors[cursor]; known {
			d.list(w, at)
		} else {
			dropboxError(w, "reset")
		}
	case "get_metadata":
		if e := d.entries[strings.ToLower(arg.Path)]; e != nil {
			answer(w, 200, e.metadata())
		} else {
			dropboxError(w, "path", "not_found")
		}
	case "create_folder_v2":
		if e := d.entries[strings.ToLower(arg.Path)]; e != nil {
			dropboxError(w, "path", "conflict", e.tag())
		} else {
			d.parents(arg.Path + "/x")
			answer(w, 200, object{"metadata": d.entries[strings.ToLower(arg.Path)].metadata()})
		}
	case "move_v2":
		d.move(w, arg)
	case "delete_v2":
		d.delete(w, arg)
	default:
		http.Error(w, "not imitated: "+call, http.StatusNotImplemented)
	}
}

// list answers with a page; the order of entries isn't documented.
func (d *Dropbox) list(w http.ResponseWriter, at dropboxCursor) {
	var names []string
	for lower := range d.entries {
		if strings.TrimSuffix(path.Dir(lower), "/") == at.dir && lower > at.after {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	more := len(names) > dropboxPage
	entries := []any{}
	for _, name := range names[:min(len(names), dropboxPage)] {
		entries, at.after = append(entries, d.entries[name].metadata()), name
	}
	d.created++
	cursor := fmt.Sprint("cursor-", d.created)
	d.cursors[cursor] = at
	answer(w, 200, object{"entries": entries, "cursor": cursor, "has_more": more})
}

func (e *dropboxEntry) tag() string {
	if e.folder {
		return "folder"
	}
	return "file"
}

func (e *dropboxEntry) metadata() object {
	m := object{".tag": e.tag(), "name": path.Base(e.path), "path_lower": strings.ToLower(e.path), "path_display": e.path, "id": e.id}
	if !e.folder {
		maps.Copy(m, object{"size": len(e.content), "client_modified": e.modified, "server_modified": e.modified, "rev": "015f",
			"is_downloadable": true, "content_hash": contentHash(e.content)})
	}
	return m
}

// contentHash is that of "Content hash": the SHA-256 of the SHA-256s of the blocks of 4 MiB.
func contentHash(content []byte) string {
	outer := sha256.New()
	for block := range slices.Chunk(content, 4<<20) {
		sum := sha256.Sum256(block)
		outer.Write(sum[:])
	}
	return hex.EncodeToString(outer.Sum(nil))
}

// move is move_v2: a taken name is a conflict unless autorename is set, which no backup asks for.
func (d *Dropbox) move(w http.ResponseWriter, arg dropboxArg) {
	from, to := d.entries[strings.ToLower(arg.From)], d.entries[strings.ToLower(arg.To)]
	if from == nil {
		dropboxError(w, "from_lookup", "not_found")
		return
	}
	if to != nil {
		dropboxError(w, "to", "conflict", to.tag())
		return
	}
	d.parents(arg.To)
	delete(d.entries, strings.ToLower(arg.From))
	from.path = arg.To
	d.entries[strings.ToLower(arg.To)] = from
	answer(w, 200, object{"metadata": from.metadata()})
}

// delete is delete_v2: "If the path is a folder, all its contents will be deleted too."
func (d *Dropbox) delete(w http.ResponseWriter, arg dropboxArg) {
	lower := strings.ToLower(arg.Path)
	e := d.entries[lower]
	if e == nil {
		dropboxError(w, "path_lookup", "not_found")
		return
	}
	maps.DeleteFunc(d.entries, func(at string, _ *dropboxEntry) bool { return at == lower || strings.HasPrefix(at, lower+"/") })
	answer(w, 200, object{"metadata": e.metadata()})
}

// parents makes the folders above a path that are missing.
func (d *Dropbox) parents(file string) {
	for dir := path.Dir(file); dir != "/"; dir = path.Dir(dir) {
		if d.entries[strings.ToLower(dir)] == nil {
			d.created++
			d.entries[strings.ToLower(dir)] = &dropboxEntry{id: fmt.Sprint("id:", d.created), path: dir, folder: true}
		}
	}
}

// transfer is each of the calls with content; their arguments are in a header.
func (d *Dropbox) transfer(w http.ResponseWriter, r *http.Request) {
	var arg dropboxArg
	if !d.admit(w, r) {
		return
	}
	if err := json.Unmarshal([]byte(r.Header.Get("Dropbox-API-Arg")), &arg); err != nil {
		http.Error(w, "Error in call: bad Dropbox-API-Arg", 400)
		return
	}
	if r.PathValue("call") == "download" {
		d.download(w, r, arg)
		return
	}
	content, ok := received(w, r)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch call := r.PathValue("call"); call {
	case "upload": // "Do not use this to upload a file larger than 150 MiB."
		if len(content) > 150<<20 {
			dropboxError(w, "payload_too_large")
			return
		}
		d.commit(w, arg, content)
	case "upload_session/start":
		d.created++
		id := fmt.Sprint("pid_upload_session:", d.created)
		d.sessions[id] = &dropboxSession{content: content}
		answer(w, 200, object{"session_id": id})
	case "upload_session/append_v2", "upload_session/finish":
		d.proceed(w, arg, content)
	default:
		http.Error(w, "not imitated: "+call, http.StatusNotImplemented)
	}
}

// proceed adds to an upload session, which becomes a file when it is committed.
func (d *Dropbox) proceed(w http.ResponseWriter, arg dropboxArg, content []byte) {
	var at struct {
		ID     string `json:"session_id"`
		Offset int    `json:"offset"`
	}
	_ = json.Unmarshal(arg.Cursor, &at)
	s := d.sessions[at.ID]
	prefix := map[bool][]string{true: {"lookup_failed"}}[arg.Commit != nil]
	switch {
	case s == nil:
		dropboxError(w, append(prefix, "not_found")...)
	case s.closed && arg.Commit == nil:
		dropboxError(w, append(prefix, "closed")...)
	case at.Offset != len(s.content):
		wrong := object{".tag": "incorrect_offset", "correct_offset": len(s.content)}
		if arg.Commit != nil {
			wrong = object{".tag": "lookup_failed", "lookup_failed": wrong}
		}
		answer(w, 409, object{"error_summary": "incorrect_offset/..", "error": wrong})
	default:
		s.content = append(s.content, content...)
		s.closed = arg.Close
		if arg.Commit == nil {
			answer(w, 200, nil)
			return
		}
		delete(d.sessions, at.ID)
		d.commit(w, *arg.Commit, s.content)
	}
}

// commit makes a file of content ("WriteMode": add, the default, doesn't overwrite; "If the target path refers to a file with identical
// contents, nothing gets written; no conflict").
func (d *Dropbox) commit(w http.ResponseWriter, arg dropboxArg, content []byte) {
	lower := strings.ToLower(arg.Path)
	e := d.entries[lower]
	if e != nil && (e.folder || arg.Mode.Tag != "overwrite" && !bytes.Equal(e.content, content)) {
		dropboxError(w, "path", "conflict", e.tag())
		return
	}
	if e == nil {
		d.parents(arg.Path)
		d.created++
		e = &dropboxEntry{id: fmt.Sprint("id:", d.created), path: arg.Path}
		d.entries[lower] = e
	}
	if e.content = content; arg.Modified == "" {
		arg.Modified = time.Now().UTC().Format("2006-01-02T15:04:05Z")
	}
	e.modified = arg.Modified
	answer(w, 200, e.metadata())
}

// download is download: by path or by id, with Range.
func (d *Dropbox) download(w http.ResponseWriter, r *http.Request, arg dropboxArg) {
	d.mu.Lock()
	var content, result []byte
	for lower, e := range d.entries {
		if !e.folder && (lower == strings.ToLower(arg.Path) || e.id == arg.Path) {
			content = e.content
			result, _ = json.Marshal(e.metadata())
		}
	}
	d.mu.Unlock()
	if result == nil {
		dropboxError(w, "path", "not_found")
		return
	}
	w.Header().Set("Dropbox-API-Result", string(result))
	w.Header().Set("Content-Type", "application/octet-stream")
	r.Method = http.MethodGet // ServeContent heeds Range for these only
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
