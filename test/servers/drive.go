package servers

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Drive is a double of Google Drive, written from the guides and the reference of "Google Drive API v3": "Upload file data", "Download and
// export files", "Search for files & folders", "Create and populate folders", "Resolve errors", "Files: list", and "Using OAuth 2.0 to
// Access Google APIs". In a folder several files may have one name: "names aren't necessarily unique within a folder" ("Files").
type Drive struct {
	*Double
	*OAuth

	mu       sync.Mutex
	created  int          // guarded by mu, like the rest
	files    []*driveFile // in the order of their making, which is that of listings
	race     func()       // done before the next renaming, or making of a folder; nil: nothing
	sessions map[string]*driveUpload
}

type driveFile struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Type     string   `json:"mimeType"`
	Parents  []string `json:"parents"`
	Modified string   `json:"modifiedTime"`
	Created  string   `json:"createdTime"`
	Trashed  bool     `json:"trashed"`
	Size     string   `json:"size,omitempty"` // "string (int64 format)"
	MD5      string   `json:"md5Checksum,omitempty"`
	SHA256   string   `json:"sha256Checksum,omitempty"`

	content []byte
}

type driveUpload struct {
	file    *driveFile
	content []byte
}

const (
	driveFolder = "application/vnd.google-apps.folder"
	driveRoot   = "0AFroot"
	drivePage   = 100 // files on a page of a listing at most, whatever was asked for
)

// NewDrive starts a double of an empty drive.
func NewDrive(t testing.TB) *Drive {
	d := &Drive{OAuth: newOAuth(false), sessions: make(map[string]*driveUpload)}
	d.files = []*driveFile{{ID: driveRoot, Name: "My Drive", Type: driveFolder}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST oauth2.googleapis.com/token", d.token)
	mux.HandleFunc("www.googleapis.com/drive/v3/files", d.admit(d.collection))
	mux.HandleFunc("www.googleapis.com/drive/v3/files/{id}", d.admit(d.single))
	mux.HandleFunc("www.googleapis.com/upload/drive/v3/files", d.admit(d.upload))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { driveError(w, 501, "notImitated") })
	d.Double = newDouble(t, mux, "oauth2.googleapis.com", "www.googleapis.com")
	return d
}

// Duplicate makes another file with the name and in the folder of the first one that is called so, as another client may. It is a
// folder if that one is.
func (d *Drive) Duplicate(t testing.TB, name string, content []byte) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.Name == name && !f.Trashed {
			d.add(&driveFile{Name: name, Type: f.Type, Parents: f.Parents}, content)
			return
		}
	}
	t.Fatalf("there is no file %q to duplicate", name)
}

// Seed adds a file, by its whole path, and the folders that are missing for it.
func (d *Drive) Seed(file string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, names := driveRoot, strings.Split(file, "/")
	for _, name := range names[:len(names)-1] {
		i := slices.IndexFunc(d.files, func(f *driveFile) bool { return f.Name == name && slices.Contains(f.Parents, parent) && !f.Trashed })
		if i < 0 {
			i = len(d.files)
			d.add(&driveFile{Name: name, Type: driveFolder, Parents: []string{parent}}, nil)
		}
		parent = d.files[i].ID
	}
	d.add(&driveFile{Name: names[len(names)-1], Type: "application/octet-stream", Parents: []string{parent}}, content)
}

// Race has another client make a file in a folder just before the next renaming, or a folder (no content) just before the next is made.
func (d *Drive) Race(t testing.TB, folder, name string, content []byte) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.files, func(f *driveFile) bool { return f.Name == folder })
	if i < 0 {
		t.Fatalf("there is no folder %q", folder)
	}
	parent := d.files[i].ID
	f := &driveFile{Name: name, Parents: []string{parent}}
	if content == nil {
		f.Type = driveFolder
	}
	d.race = func() { d.add(f, content) }
}

// run does what another client was told to do at this moment.
func (d *Drive) run() {
	if d.race != nil {
		d.race()
		d.race = nil
	}
}

func driveError(w http.ResponseWriter, status int, reason string) {
	answer(w, status, object{"error": object{"code": status, "message": reason,
		"errors": []object{{"domain": "global", "reason": reason, "message": reason}}}})
}

func (d *Drive) admit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !d.allowed(r) {
			driveError(w, 401, "authError")
			return
		}
		next(w, r)
	}
}

// collection is files.list and files.create without content.
func (d *Drive) collection(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		d.list(w, r)
		return
	}
	f := new(driveFile)
	if !decode(w, r, f) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fits(w, f) {
		d.run()
		answer(w, 200, d.add(f, nil))
	}
}

// list answers with a page of what a query fits. Nothing is said of the order.
func (d *Drive) list(w http.ResponseWriter, r *http.Request) {
	fits, err := driveQuery(r.FormValue("q"))
	if err != nil {
		driveError(w, 400, "invalid")
		return
	}
	limit := drivePage
	if asked, err := strconv.Atoi(r.FormValue("pageSize")); err == nil {
		limit = min(limit, asked)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	files, next := []*driveFile{}, ""
	for _, f := range d.files {
		if f.ID <= r.FormValue("pageToken") || len(f.Parents) == 0 || !fits(f) {
			continue
		}
		if len(files) == limit {
			next = files[limit-1].ID
			break
		}
		files = append(files, f)
	}
	answer(w, 200, object{"files": files, "nextPageToken": next, "incompleteSearch": false})
}

// driveQuery reads a query ("Search query terms and operators"): terms joined by or, in groups joined by and.
func driveQuery(q string) (func(*driveFile) bool, error) {
	var groups [][]func(*driveFile) bool
	for group := range strings.SplitSeq(q, " and ") {
		var terms []func(*driveFile) bool
		for term := range strings.SplitSeq(strings.Trim(group, "()"), " or ") {
			fits, err := driveTerm(strings.ReplaceAll(strings.ReplaceAll(term, " = ", "="), " != ", "!="))
			if err != nil {
				return nil, err
			}
			terms = append(terms, fits)
		}
		groups = append(groups, terms)
	}
	return func(f *driveFile) bool {
		for _, terms := range groups {
			if !slices.ContainsFunc(terms, func(fits func(*driveFile) bool) bool { return fits(f) }) {
				return false
			}
		}
		return true
	}, nil
}

func driveTerm(term string) (func(*driveFile) bool, error) {
	if parent, found := strings.CutSuffix(term, " in parents"); found {
		if parent = strings.Trim(parent, "'"); parent == "root" { // "the alias root"
			parent = driveRoot
		}
		return func(f *driveFile) bool { return slices.Contains(f.Parents, parent) }, nil
	}
	name, value, _ := strings.Cut(term, "=")
	value = strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(strings.Trim(value, "'"))
	switch name {
	case "trashed":
		return func(f *driveFile) bool { return strconv.FormatBool(f.Trashed) == value }, nil
	case "name": // its case doesn't count
		return func(f *driveFile) bool { return strings.EqualFold(f.Name, value) }, nil
	case "mimeType":
		return func(f *driveFile) bool { return f.Type == value }, nil
	case "mimeType!":
		return func(f *driveFile) bool { return f.Type != value }, nil
	}
	return nil, fmt.Errorf("query term %q is not imitated", term)
}

func (d *Drive) find(id string) *driveFile {
	for _, f := range d.files {
		if f.ID == id || id == "root" && len(f.Parents) == 0 {
			return f
		}
	}
	return nil
}

// fits says whether the folder of a file that is to be made is there.
func (d *Drive) fits(w http.ResponseWriter, f *driveFile) bool {
	if len(f.Parents) != 1 || d.find(f.Parents[0]) == nil { // "A file can only have one parent folder"
		driveError(w, 404, "notFound")
		return false
	}
	return true
}

// add makes a file. That one is there with its name doesn't matter.
func (d *Drive) add(f *driveFile, content []byte) *driveFile {
	d.created++
	f.ID, f.Created = fmt.Sprintf("1Double%06d", d.created), time.Now().UTC().Format(time.RFC3339Nano)
	f.Modified = cmp.Or(f.Modified, f.Created)
	if f.Type != driveFolder {
		f.fill(content)
	}
	d.files = append(d.files, f)
	return f
}

func (f *driveFile) fill(content []byte) {
	sum5, sum256 := md5.Sum(content), sha256.Sum256(content)
	f.content, f.Size = content, strconv.Itoa(len(content))
	f.MD5, f.SHA256 = hex.EncodeToString(sum5[:]), hex.EncodeToString(sum256[:])
}

// single is files.get, files.update without content, and files.delete.
func (d *Drive) single(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Name, ModifiedTime string
		Trashed            *bool
	}
	if r.Method == http.MethodPatch && !decode(w, r, &change) {
		return
	}
	if r.Method == http.MethodGet && r.FormValue("alt") == "media" {
		d.download(w, r)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.find(r.PathValue("id"))
	switch {
	case f == nil:
		driveError(w, 404, "notFound")
	case r.Method == http.MethodGet:
		answer(w, 200, f)
	case r.Method == http.MethodDelete:
		d.files = slices.DeleteFunc(d.files, func(other *driveFile) bool { return other == f })
		w.WriteHeader(204)
	case r.Method == http.MethodPatch:
		if change.Name != "" {
			d.run()
		}
		f.Name, f.Modified = cmp.Or(change.Name, f.Name), cmp.Or(change.ModifiedTime, f.Modified)
		if change.Trashed != nil {
			f.Trashed = *change.Trashed
		}
		if to := r.FormValue("addParents"); to != "" {
			f.Parents = []string{to}
		}
		answer(w, 200, f)
	}
}

// download is files.get with alt=media.
func (d *Drive) download(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	var content []byte
	f := d.find(r.PathValue("id"))
	if f != nil {
		content = f.content
	}
	d.mu.Unlock()
	if f == nil {
		driveError(w, 404, "notFound")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// upload is files.create with content, at once or in a session.
func (d *Drive) upload(w http.ResponseWriter, r *http.Request) {
	content, ok := received(w, r)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch id := r.URL.Query().Get("upload_id"); {
	case id != "":
		d.proceed(w, r, id, content)
	case r.URL.Query().Get("uploadType") == "resumable":
		f := new(driveFile)
		if err := json.Unmarshal(content, f); err != nil || !d.fits(w, f) {
			return
		}
		d.created++
		id = fmt.Sprint("AEnB2U", d.created)
		d.sessions[id] = &driveUpload{file: f}
		w.Header().Set("Location", "https://www.googleapis.com/upload/drive/v3/files?uploadType=resumable&upload_id="+id)
	default: // "Use this upload type to transfer a small file (5 MB or less) along with metadata": taken by its word here
		f, content, err := driveParts(r.Header.Get("Content-Type"), content)
		if err != nil || len(content) > 5_000_000 {
			driveError(w, 400, "badContent")
		} else if d.fits(w, f) {
			answer(w, 200, d.add(f, content))
		}
	}
}

// driveParts takes a multipart upload apart: metadata, then content.
func driveParts(contentType string, body []byte) (*driveFile, []byte, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, nil, err
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	part, err := parts.NextPart()
	if err != nil {
		return nil, nil, err
	}
	f := new(driveFile)
	if err := json.NewDecoder(part).Decode(f); err != nil {
		return nil, nil, err
	}
	if part, err = parts.NextPart(); err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(part)
	return f, content, err
}

// proceed adds a chunk to a session: all but the last in multiples of 256 KB, one after the other; 308 says how much is there. The method
// is PUT in the guide; the client here uses POST, which is taken too.
func (d *Drive) proceed(w http.ResponseWriter, r *http.Request, id string, content []byte) {
	s := d.sessions[id]
	if s == nil {
		driveError(w, 404, "notFound")
		return
	}
	var first, last, total int
	if _, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil ||
		len(content) != last-first+1 || last+1 < total && len(content)%(256<<10) != 0 {
		driveError(w, 400, "badRequest")
		return
	}
	if first == len(s.content) {
		s.content = append(s.content, content...)
	}
	if len(s.content) < total {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(s.content)-1))
		w.WriteHeader(308)
		return
	}
	delete(d.sessions, id)
	answer(w, 200, d.add(s.file, s.content))
}
