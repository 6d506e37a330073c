package web

import "path"

// askProjectPage asks in which project something new is to be.
type askProjectPage struct {
	frame
	Heading, Action string
	Back            tab
	Field           *field
}

// askForProject shows it; the answer comes to the same address.
func (v *visit) askForProject(question string, project *field) error {
	list := path.Dir(v.r.URL.Path)
	return v.show("ask-project", askProjectPage{frame: v.frame(question), Heading: question, Action: v.r.URL.Path, Back: tab{Href: list, Word: upper(path.Base(list))}, Field: project})
}
