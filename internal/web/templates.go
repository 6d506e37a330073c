package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"sync"
)

//go:embed pages parts
var files embed.FS

// templates are the pages' templates, each read when it is first needed. The zero value has none yet. It may be used from any goroutine.
type templates struct {
	mu   sync.Mutex
	base *template.Template            // guarded by mu
	read map[string]*template.Template // guarded by mu
}

// functions are what templates can call beside what html/template has.
var functions = template.FuncMap{
	"icon":   icon,
	"asset":  assetPath,
	"state":  statePill,
	"bytes":  bytesText,
	"count":  numberText,
	"plural": plural,
	"add":    func(a, b int) int { return a + b },
	"dict":   dict,
	"kib":    func(n int64) int64 { return n >> 10 },
	"nbsp":   func() string { return nbsp },
}

// page returns the template of a page, within the parts that all share.
func (t *templates) page(name string) (*template.Template, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if page := t.read[name]; page != nil {
		return page, nil
	}
	if t.base == nil {
		base, err := template.New("base").Funcs(functions).ParseFS(files, "parts/*.html")
		if err != nil {
			return nil, err
		}
		t.base, t.read = base, map[string]*template.Template{}
	}
	page, err := t.base.Clone()
	if err != nil {
		return nil, err
	}
	if page, err = page.ParseFS(files, "pages/"+name+".html"); err != nil {
		return nil, err
	}
	t.read[name] = page
	return page, nil
}

// render writes a page.
func (t *templates) render(name string, data any) ([]byte, error) { return t.part(name, "page", data) }

// part writes one template of a page, as what is live needs it.
func (t *templates) part(name, part string, data any) ([]byte, error) {
	page, err := t.page(name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, part, data); err != nil {
		return nil, fmt.Errorf("page %q: %w", name, err)
	}
	return out.Bytes(), nil
}

// dict makes what a part needs of names and values in turn.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict of %d values", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict has a name %v", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
