package web

import (
	"net/http"
	"slices"
	"strings"
)

// routes are what the site answers. Unlike those of http they can be listed.
type routes struct {
	*http.ServeMux
	patterns []string
}

func newRoutes() *routes { return &routes{ServeMux: http.NewServeMux()} }

// Handle registers what a pattern is answered by.
func (r *routes) Handle(pattern string, h http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.Handle(pattern, h)
}

// HandleFunc registers what a pattern is answered by.
func (r *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// Paths are the patterns of all that can be got, such as /plans/{id}: whoever looks at every page sees by them that none is left out.
func (s *Site) Paths() (all []string) {
	for _, pattern := range s.mux.patterns {
		if path, ok := strings.CutPrefix(pattern, "GET "); ok {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}
