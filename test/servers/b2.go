package servers

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// B2 is a double of Backblaze B2, written from the pages of its "B2 Native API" reference that bear the names of the calls, and from
// "Upload Files with the Native API", "File Versions", "Native API Error Handling and Status Codes".
type B2 struct {
	*Double
	KeyID, Key string // of an application key without restrictions
	Bucket     string // the name of a bucket that is there

	mu      sync.Mutex
	created int // guarded by mu: counts what gets an id
	tokens  map[string]bool
	uploads map[string]bool         // guarded by mu: by upload token, whether an upload with it is under way
	files   map[string][]*b2Version // guarded by mu: those of the bucket by name, the newest first
}

// b2BucketID is that of the one bucket that there is.
const b2BucketID = "4a48fe8875c6214145260818"

// b2Version is a version of a file: "When you upload a file with a name that is taken, a new version is made" ("File Versions").
type b2Version struct {
	ID      string            `json:"fileId"`
	Name    string            `json:"fileName"`
	Action  string            `json:"action"` // upload or hide
	Size    int               `json:"contentLength"`
	Size1   int               `json:"size"` // what version 1 of the API calls it in listings
	SHA1    string            `json:"contentSha1"`
	Type    string            `json:"contentType"`
	Info    map[string]string `json:"fileInfo"`
	Created int64             `json:"uploadTimestamp"` // milliseconds
	Bucket  string            `json:"bucketId"`

	content []byte
}

// b2Page is how many names a page of a listing has at most, whatever was asked for: many pages are asked for in tests.
const b2Page = 100

// NewB2 starts a double with one bucket.
func NewB2(t testing.TB) *B2 {
	b := &B2{KeyID: "0012ab34cd56ef00000000001", Key: "K001secretSecretSecretSecret", Bucket: "backups",
		tokens: make(map[string]bool), uploads: make(map[string]bool), files: make(map[string][]*b2Version)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET api.backblazeb2.com/b2api/{version}/b2_authorize_account", b.authorize) // v1 and v4
	mux.HandleFunc("POST api001.backblazeb2.com/b2api/v1/{call}", b.call)
	mux.HandleFunc("POST pod-000-1001-01.backblaze.com/b2api/v1/b2_upload_file/{bucket}/{pod}", b.upload)
	mux.HandleFunc("GET f001.backblazeb2.com/file/{bucket}/{name...}", b.download) // HEAD too
	mux.HandleFunc("GET f001.backblazeb2.com/b2api/v1/b2_download_file_by_id", b.download)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { b2Error(w, 501, "not_imitated", r.URL.Path) })
	b.Double = newDouble(t, mux, "api.backblazeb2.com", "api001.backblazeb2.com", "f001.backblazeb2.com", "pod-000-1001-01.backblaze.com")
	return b
}

// Expire makes all tokens for accounts and uploads invalid, as time does after at most 24 hours.
func (b *B2) Expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.tokens)
	clear(b.uploads)
}

// Versions returns how many versions a bucket holds of all files, hidden ones too.
func (b *B2) Versions() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, versions := range b.files {
		n += len(versions)
	}
	return n
}

// Upload adds a version of a file, as another client would.
func (b *B2) Upload(name string, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(&b2Version{Name: name, Action: "upload", content: content})
}

func b2Error(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, object{"status": status, "code": code, "message": message})
}

// authorize is b2_authorize_account.
func (b *B2) authorize(w http.ResponseWriter, r *http.Request) {
	if id, key, ok := r.BasicAuth(); !ok || id != b.KeyID || key != b.Key {
		b2Error(w, 401, "unauthorized", "")
		return
	}
	token := b.newID("account")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens[token] = true
	storage := object{"apiUrl": "https://api001.backblazeb2.com", "downloadUrl": "https://f001.backblazeb2.com",
		"absoluteMinimumPartSize": 5000000, "recommendedPartSize": 100000000, "minimumPartSize": 100000000,
		"allowed": object{"buckets": nil, "namePrefix": nil,
			"capabilities": []string{"listBuckets", "writeBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles"}}}
	account := object{"accountId": "12ab34cd56ef", "authorizationToken": token}
	if r.PathValue("version") == "v1" {
		maps.Copy(account, storage)
	} else {
		account["apiInfo"] = object{"storageApi": storage}
	}
	answer(w, 200, account)
}

func (b *B2) newID(of string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.created++
	return fmt.Sprintf("4_z%s_%08d", of, b.created)
}

// allowed says whether a request bears a token that is valid; the error of one that isn't is expired_auth_token.
func (b *B2) allowed(w http.ResponseWriter, r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.tokens[r.Header.Get("Authorization")] {
		b2Error(w, 401, "expired_auth_token", "Authorization token has expired")
		return false
	}
	return true
}

// call is each of the calls that take JSON.
func (b *B2) call(w http.ResponseWriter, r *http.Request) {
	var arg b2Arg
	if !b.allowed(w, r) || !decode(w, r, &arg) {
		return
	}
	id := b.newID("file")
	b.mu.Lock()
	defer b.mu.Unlock()
	call := r.PathValue("call")
	if call == "b2_list_buckets" {
		b.listBuckets(w, arg)
		return
	}
	if call == "b2_create_bucket" {
		b2Error(w, 400, "duplicate_bucket_name", "Bucket name is already in use.") // by somebody: names are the world's
		return
	}
	if arg.Bucket != b2BucketID && arg.ID == "" {
		b2Error(w, 400, "bad_bucket_id", "Bucket ID does not exist.")
		return
	}
	switch call {
	case "b2_get_upload_url":
		b.uploads[id] = false
		answer(w, 200, object{"bucketId": b2BucketID, "authorizationToken": id,
			"uploadUrl": "https://pod-000-1001-01.backblaze.com/b2api/v1/b2_upload_file/" + b2BucketID + "/c001_v0001013_t0020"})
	case "b2_list_file_names":
		b.listNames(w, arg)
	case "b2_get_file_info":
		if v := b.version(arg.ID); v != nil {
			answer(w, 200, v)
			return
		}
		b2Error(w, 404, "not_found", "file not present")
	case "b2_hide_file":
		b.hide(w, arg)
	case "b2_delete_file_version":
		b.delete(w, arg)
	default:
		b2Error(w, 501, "not_imitated", call)
	}
}

// b2Arg holds the arguments of all calls.
type b2Arg struct {
	Bucket     string `json:"bucketId"`
	BucketName string `json:"bucketName"`
	Start      string `json:"startFileName"`
	Max        int    `json:"maxFileCount"`
	Prefix     string `json:"prefix"`
	Delimiter  string `json:"delimiter"`
	ID         string `json:"fileId"`
	Name       string `json:"fileName"`
}

func (b *B2) listBuckets(w http.ResponseWriter, arg b2Arg) {
	list := []object{}
	if arg.BucketName == "" || arg.BucketName == b.Bucket {
		list = append(list, object{"bucketId": b2BucketID, "bucketName": b.Bucket, "bucketType": "allPrivate", "accountId": "12ab34cd56ef"})
	}
	answer(w, 200, object{"buckets": list})
}

// listNames is b2_list_file_names: "this call will return each name only once. Files that have been hidden will not be returned". With a
// delimiter, "the folder name is returned, replacing all of the files in that folder".
func (b *B2) listNames(w http.ResponseWriter, arg b2Arg) {
	var names []string
	for name, versions := range b.files {
		if versions[0].Action == "upload" && strings.HasPrefix(name, arg.Prefix) {
			if cut := strings.Index(name[len(arg.Prefix):], arg.Delimiter); arg.Delimiter != "" && cut >= 0 {
				name = name[:len(arg.Prefix)+cut+len(arg.Delimiter)]
			}
			if name >= arg.Start {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	limit, next := min(cmp.Or(arg.Max, b2Page), b2Page), any(nil)
	if len(names) > limit {
		names, next = names[:limit], names[limit]
	}
	page := []any{}
	for _, name := range names {
		if versions, isFile := b.files[name]; isFile {
			page = append(page, versions[0])
		} else {
			page = append(page, object{"fileName": name, "action": "folder", "fileId": nil, "contentLength": 0, "uploadTimestamp": 0})
		}
	}
	answer(w, 200, object{"files": page, "nextFileName": next})
}

func (b *B2) add(v *b2Version) {
	b.created++
	sum := sha1.Sum(v.content)
	v.ID, v.Bucket, v.Size, v.SHA1 = fmt.Sprintf("4_zversion_%08d", b.created), b2BucketID, len(v.content), hex.EncodeToString(sum[:])
	v.Size1, v.Created = v.Size, time.Now().UnixMilli()
	b.files[v.Name] = append([]*b2Version{v}, b.files[v.Name]...)
}

// version returns one of an id, or nil.
func (b *B2) version(id string) *b2Version {
	for _, versions := range b.files {
		for _, v := range versions {
			if v.ID == id {
				return v
			}
		}
	}
	return nil
}

// hide is b2_hide_file: "Hides a file so that downloading by name will not find the file, but previous versions are still stored."
func (b *B2) hide(w http.ResponseWriter, arg b2Arg) {
	versions := b.files[arg.Name]
	if len(versions) == 0 {
		b2Error(w, 400, "no_such_file", "file does not exist")
		return
	}
	if versions[0].Action == "hide" {
		b2Error(w, 400, "already_hidden", "file already hidden")
		return
	}
	v := &b2Version{Name: arg.Name, Action: "hide"}
	b.add(v)
	answer(w, 200, v)
}

// delete is b2_delete_file_version: "If the version you delete is the latest version, and there are older versions, then the most recent
// older version will become the current version".
func (b *B2) delete(w http.ResponseWriter, arg b2Arg) {
	versions := b.files[arg.Name]
	i := slices.IndexFunc(versions, func(v *b2Version) bool { return v.ID == arg.ID })
	if i < 0 {
		b2Error(w, 400, "file_not_present", "file is not present: "+arg.Name)
		return
	}
	if b.files[arg.Name] = slices.Delete(versions, i, i+1); len(versions) == 1 {
		delete(b.files, arg.Name)
	}
	answer(w, 200, object{"fileId": arg.ID, "fileName": arg.Name})
}

// upload is b2_upload_file. The sum must be told, before the content or after it ("SHA1 Checksums"); one upload at a time for each URL.
func (b *B2) upload(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("Authorization")
	b.mu.Lock()
	busy, known := b.uploads[token]
	b.uploads[token] = true
	b.mu.Unlock()
	if !known || busy {
		b2Error(w, 401, "bad_auth_token", "the upload token is unknown, or another upload uses it")
		return
	}
	defer func() { b.mu.Lock(); defer b.mu.Unlock(); b.uploads[token] = false }()
	name, err := url.PathUnescape(r.Header.Get("X-Bz-File-Name"))
	if err != nil || r.ContentLength < 0 {
		b2Error(w, 400, "bad_request", "no name, or no length")
		return
	}
	content, ok := received(w, r)
	if !ok {
		return
	}
	told := r.Header.Get("X-Bz-Content-Sha1")
	if told == "hex_digits_at_end" && len(content) >= 40 {
		content, told = content[:len(content)-40], string(content[len(content)-40:])
	}
	if sum := sha1.Sum(content); told != hex.EncodeToString(sum[:]) {
		b2Error(w, 400, "bad_request", "Checksum did not match data received")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &b2Version{Name: name, Action: "upload", Type: r.Header.Get("Content-Type"), Info: map[string]string{}, content: bytes.Clone(content)}
	b.add(v)
	answer(w, 200, v)
}

// download is b2_download_file_by_name and b2_download_file_by_id.
func (b *B2) download(w http.ResponseWriter, r *http.Request) {
	if !b.allowed(w, r) {
		return
	}
	b.mu.Lock()
	v := b.version(r.FormValue("fileId"))
	if versions := b.files[r.PathValue("name")]; r.PathValue("bucket") == b.Bucket && len(versions) > 0 {
		v = versions[0]
	}
	b.mu.Unlock()
	if v == nil || v.Action != "upload" {
		b2Error(w, 404, "not_found", "File with such name does not exist.")
		return
	}
	h := w.Header()
	h.Set("X-Bz-File-Id", v.ID)
	h.Set("X-Bz-File-Name", url.PathEscape(v.Name))
	h.Set("X-Bz-Content-Sha1", v.SHA1)
	h.Set("X-Bz-Upload-Timestamp", fmt.Sprint(v.Created))
	h.Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.content))
}
