package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var staticFiles embed.FS

// asset is a file that pages load. Its address holds a part of its hash, so that browsers keep it for good.
type asset struct {
	kind        string // its content type
	path        string
	plain, gzip []byte
}

// assets are all of them by name. They are read when the first page is asked for.
var assets = sync.OnceValue(func() map[string]*asset {
	all := map[string]*asset{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, e := range entries {
		text, err := fs.ReadFile(staticFiles, "static/"+e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		all[e.Name()] = &asset{kind: mime.TypeByExtension(path.Ext(e.Name())), path: fmt.Sprintf("/static/%s/%s", hex.EncodeToString(sum[:6]), e.Name()), plain: text, gzip: shrunk(text)}
	}
	return all
})

func shrunk(text []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

// assetPath is the address of a file.
func assetPath(name string) (string, error) {
	a := assets()[name]
	if a == nil {
		return "", fmt.Errorf("there is no file %q", name)
	}
	return a.path, nil
}

// Static serves the files that pages load; who asks does not matter.
func Static(w http.ResponseWriter, r *http.Request) {
	a := assets()[path.Base(r.URL.Path)]
	if a == nil || a.path != r.URL.Path {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	text := a.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		text = a.gzip
	}
	h.Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text) // who asked may have gone
}
