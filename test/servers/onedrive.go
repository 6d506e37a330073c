package servers

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// OneDrive is a double of a drive behind Microsoft Graph 1.0, written from its reference pages "driveItem resource type", "List children of
// a driveItem", "driveItem: createUploadSession", "Upload small files", "Create a new folder in a drive", "Move a DriveItem to a new folder",
// "Delete a DriveItem", "Download driveItem content", "Microsoft Graph error responses", "Addressing resources in a drive"; hashes
// after "Code Snippets: QuickXorHash Algorithm".
//
// What a move does where its name is taken stands on none of these pages; "nameAlreadyExists" is among the errors, and a move is
// refused so here.
type OneDrive struct {
	*Double
	*OAuth
	DriveID, DriveType string

	mu       sync.Mutex
	created  int                        // guarded by mu, like the rest
	items    map[string]*oneDriveItem   // by id
	sessions map[string]*oneDriveUpload // by path of the URL
}

type oneDriveItem struct {
	id, parent, name string
	folder           bool
	content          []byte
	times            map[string]any // fileSystemInfo
}

type oneDriveUpload struct {
	item     *oneDriveItem
	conflict string
	content  []byte
}

// oneDrivePage is how many items a page of children has at most, whatever was asked for.
const oneDrivePage = 100

// NewOneDrive starts a double of an empty drive. A refresh hands out a new refresh token, and the old one goes on working ("Refresh tokens
// in the Microsoft identity platform"); that each is valid for 90 days only isn't imitated.
func NewOneDrive(t testing.TB) *OneDrive {
	o := &OneDrive{OAuth: newOAuth(true), DriveID: "b!doubledrive", DriveType: "business", sessions: make(map[string]*oneDriveUpload)}
	o.items = map[string]*oneDriveItem{"01root": {id: "01root", name: "root", folder: true, times: map[string]any{}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST login.microsoftonline.com/{tenant}/oauth2/v2.0/token", o.token)
	mux.HandleFunc("graph.microsoft.com/v1.0/drives/{drive}/{item...}", o.call)
	mux.HandleFunc("sn3302.up.1drv.com/up/{session}", o.upload)
	mux.HandleFunc("GET public.sn.files.1drv.com/y4m/{id}", o.download)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { graphError(w, 501, "notImitated") })
	o.Double = newDouble(t, mux, "login.microsoftonline.com", "graph.microsoft.com", "sn3302.up.1drv.com", "public.sn.files.1drv.com")
	return o
}

// Put adds a file or a folder (no content) at the root, as somebody else would.
func (o *OneDrive) Put(name string, content []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(&oneDriveItem{parent: "01root", name: name, folder: content == nil, content: content})
}

// Seed adds a file, by its whole path, and the folders that are missing for it.
func (o *OneDrive) Seed(file string, content []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	parent, names := "01root", strings.Split(file, "/")
	for i, name := range names {
		item := o.child(parent, name)
		if item == nil {
			item = &oneDriveItem{parent: parent, name: name, folder: i < len(names)-1}
			o.add(item)
		}
		if parent = item.id; !item.folder {
			item.content = content
		}
	}
}

func graphError(w http.ResponseWriter, status int, code string) {
	answer(w, status, object{"error": object{"code": code, "message": "as documented for " + code}})
}

// find returns the item that a path addresses, what is asked of it, and where it isn't there: its parent and name. The forms are
// root, root:/path, root:/path:/action, items/id, items/id/action, items/id:/path, items/id:/path:/action.
func (o *OneDrive) find(address string) (item *oneDriveItem, parent *oneDriveItem, name, action string) {
	anchor, rest, relative := strings.Cut(address, ":/")
	if !relative {
		anchor = strings.TrimPrefix(anchor, "items/")
		anchor, action, _ = strings.Cut(anchor, "/")
	}
	item = o.items[cmp.Or(map[bool]string{true: "01root"}[anchor == "root"], strings.TrimPrefix(anchor, "items/"))]
	path, action2, _ := strings.Cut(rest, ":")
	for name = range strings.SplitSeq(path, "/") {
		if name != "" && (item == nil || !item.folder) {
			return nil, nil, name, ""
		}
		if name != "" {
			parent, item = item, o.child(item.id, name)
		}
	}
	return item, parent, name, cmp.Or(action, strings.TrimPrefix(action2, "/"))
}

// child returns the child of that name, which is not told apart by case.
func (o *OneDrive) child(parent, name string) *oneDriveItem {
	for _, item := range o.items {
		if item.parent == parent && strings.EqualFold(item.name, name) {
			return item
		}
	}
	return nil
}

// call is each of the calls for an item.
func (o *OneDrive) call(w http.ResponseWriter, r *http.Request) {
	if !o.allowed(r) {
		graphError(w, 401, "InvalidAuthenticationToken")
		return
	}
	content, ok := received(w, r)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	item, parent, name, action := o.find(r.PathValue("item"))
	fresh := r.Method+action == "PUTcontent" || r.Method+action == "POSTcreateUploadSession"
	if !strings.EqualFold(r.PathValue("drive"), o.DriveID) || item == nil && (parent == nil || !fresh) {
		graphError(w, 404, "itemNotFound")
		return
	}
	if fresh && item == nil {
		item = &oneDriveItem{parent: parent.id, name: name}
	}
	var arg oneDriveArg
	if action != "content" && len(content) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(content))
		if !decode(w, r, &arg) {
			return
		}
	}
	switch r.Method + action {
	case "GET":
		answer(w, 200, o.show(item))
	case "GETchildren":
		o.list(w, r, item)
	case "GETcontent":
		http.Redirect(w, r, "https://public.sn.files.1drv.com/y4m/"+item.id, http.StatusFound)
	case "POSTchildren":
		o.place(w, &oneDriveItem{parent: item.id, name: arg.Name, folder: true}, arg.Conflict, "fail")
	case "POSTcreateUploadSession":
		o.begin(w, item, arg)
	case "PUTcontent": // "The default for PUT is replace", up to 250 MB
		item.content = content
		o.place(w, item, r.URL.Query().Get("@microsoft.graph.conflictBehavior"), "replace")
	case "PATCH":
		o.update(w, item, arg)
	case "DELETE":
		o.remove(item)
		w.WriteHeader(204)
	default:
		graphError(w, 501, "notImitated")
	}
}

// oneDriveArg holds the arguments of all calls.
type oneDriveArg struct {
	Name     string `json:"name"`
	Conflict string `json:"@microsoft.graph.conflictBehavior"`
	Parent   struct {
		ID string `json:"id"`
	} `json:"parentReference"`
	Times map[string]any `json:"fileSystemInfo"`
	Item  *oneDriveArg   `json:"item"`
}

func (o *OneDrive) show(i *oneDriveItem) object {
	parent := object{"driveId": o.DriveID, "driveType": o.DriveType, "id": i.parent}
	shown := object{"id": i.id, "name": i.name, "size": len(i.content), "parentReference": parent, "fileSystemInfo": i.times,
		"createdDateTime": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2026-01-01T00:00:00Z"}
	if i.folder {
		shown["folder"] = object{"childCount": 0}
	} else {
		shown["file"] = object{"mimeType": "application/octet-stream", "hashes": object{"quickXorHash": quickXor(i.content)}}
	}
	return shown
}

// list answers with a page, and where there are more with the address of the next.
func (o *OneDrive) list(w http.ResponseWriter, r *http.Request, folder *oneDriveItem) {
	after := r.URL.Query().Get("$skiptoken")
	var children []*oneDriveItem
	for _, item := range o.items {
		if item.parent == folder.id && item.name > after {
			children = append(children, item)
		}
	}
	slices.SortFunc(children, func(a, b *oneDriveItem) int { return cmp.Compare(a.name, b.name) })
	value := []any{}
	for _, item := range children[:min(len(children), oneDrivePage)] {
		value, after = append(value, o.show(item)), item.name
	}
	page := object{"value": value}
	if len(children) > oneDrivePage {
		page["@odata.nextLink"] = "https://graph.microsoft.com" + r.URL.EscapedPath() + "?$skiptoken=" + after
	}
	answer(w, 200, page)
}

// add gives an item an id.
func (o *OneDrive) add(item *oneDriveItem) {
	if item.id == "" {
		o.created++
		item.id = fmt.Sprintf("01ITEM%06d", o.created)
	}
	if item.times == nil {
		item.times = map[string]any{"createdDateTime": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2026-01-01T00:00:00Z"}
	}
	o.items[item.id] = item
}

// place stores an item under its name ("conflictBehavior": fail, replace or rename; nobody asks for rename here).
func (o *OneDrive) place(w http.ResponseWriter, item *oneDriveItem, conflict, byDefault string) {
	old := o.child(item.parent, item.name)
	if old != nil && old.id != item.id && (old.folder || cmp.Or(conflict, byDefault) != "replace") {
		graphError(w, 409, "nameAlreadyExists")
		return
	}
	if old != nil {
		o.remove(old)
	}
	o.add(item)
	answer(w, 201, o.show(item))
}

func (o *OneDrive) remove(item *oneDriveItem) {
	delete(o.items, item.id)
	for _, child := range o.items {
		if child.parent == item.id {
			o.remove(child)
		}
	}
}

// update is "Update DriveItem": renames and moves too.
func (o *OneDrive) update(w http.ResponseWriter, item *oneDriveItem, arg oneDriveArg) {
	parent, name := cmp.Or(arg.Parent.ID, item.parent), cmp.Or(arg.Name, item.name)
	if o.items[parent] == nil {
		graphError(w, 404, "itemNotFound")
		return
	}
	if taken := o.child(parent, name); taken != nil && taken != item {
		graphError(w, 409, "nameAlreadyExists")
		return
	}
	item.parent, item.name = parent, name
	if arg.Times != nil {
		item.times = arg.Times
	}
	answer(w, 200, o.show(item))
}

// begin is createUploadSession.
func (o *OneDrive) begin(w http.ResponseWriter, item *oneDriveItem, arg oneDriveArg) {
	o.created++
	session := &oneDriveUpload{item: &oneDriveItem{parent: item.parent, name: item.name}}
	if arg.Item != nil {
		session.conflict, session.item.times = arg.Item.Conflict, arg.Item.Times
	}
	id := fmt.Sprint("fe6987415ace7X4e1eF86633", o.created)
	o.sessions[id] = session
	answer(w, 200, object{"uploadUrl": "https://sn3302.up.1drv.com/up/" + id, "expirationDateTime": "2099-01-01T00:00:00Z",
		"nextExpectedRanges": []string{"0-"}})
}

// upload is "Upload bytes to the upload session": fragments one after the other, each but the last a multiple of 320 KiB, below 60 MiB.
// "When the last byte of the file is uploaded, the upload session is completed and the final file is shown in the destination folder."
func (o *OneDrive) upload(w http.ResponseWriter, r *http.Request) {
	content, ok := received(w, r)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	id := r.PathValue("session")
	s := o.sessions[id]
	if s == nil {
		graphError(w, 404, "itemNotFound")
		return
	}
	if r.Method == "DELETE" {
		delete(o.sessions, id)
		w.WriteHeader(204)
		return
	}
	status := 200
	if r.Method == "PUT" {
		var first, last, total int
		if _, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil ||
			len(content) != last-first+1 || len(content) >= 60<<20 || last+1 < total && len(content)%(320<<10) != 0 {
			graphError(w, 400, "invalidRequest")
			return
		}
		if first != len(s.content) {
			graphError(w, 416, "invalidRange")
			return
		}
		if s.content = append(s.content, content...); len(s.content) == total {
			delete(o.sessions, id)
			s.item.content = s.content
			o.place(w, s.item, s.conflict, "replace")
			return
		}
		status = 202
	}
	answer(w, status, object{"expirationDateTime": "2099-01-01T00:00:00Z", "nextExpectedRanges": []string{strconv.Itoa(len(s.content)) + "-"}})
}

// download is the address that content is redirected to: it is known to nobody else and asks for no token.
func (o *OneDrive) download(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	item := o.items[r.PathValue("id")]
	var content []byte
	if item != nil {
		content = item.content
	}
	o.mu.Unlock()
	if item == nil || item.folder {
		graphError(w, 404, "itemNotFound")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// quickXor is the QuickXorHash: each byte is XORed in 11 bits after the one before, round a circle of 160; then the length at the end.
func quickXor(content []byte) string {
	var sum [20]byte
	for i, c := range content {
		bit := i * 11 % 160
		wide := uint16(c) << (bit % 8)
		sum[bit/8] ^= byte(wide)
		sum[(bit/8+1)%20] ^= byte(wide >> 8)
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(content)))
	for i, c := range length {
		sum[12+i] ^= c
	}
	return base64.StdEncoding.EncodeToString(sum[:])
}
