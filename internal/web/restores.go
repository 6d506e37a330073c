package web

// registerRestores registers the pages of restores.
func (s *Site) registerRestores() {}
