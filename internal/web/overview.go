package web

// registerOverview registers the page that everybody begins at.
func (s *Site) registerOverview() {
	s.get("/{$}", func(v *visit) error { return v.show("overview", v.frame("Overview")) })
	s.post("/project", (*visit).chooseProject)
	s.post("/pause", (*visit).pause)
	s.mux.Handle("/", s.known(func(v *visit) error { return errNoPage }))
}
