package browser_test

import (
	"fmt"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser/example"
)

// filled is a server with one or more of everything.
func filled(t *testing.T, change func(e *example.Site)) (*servertest.Server, *example.Site) {
	t.Helper()
	s := servertest.Start(t, server.Options{}).Claim(t)
	e := &example.Site{Folder: t.TempDir(), Ask: func(method, path string, body, into any) error {
		a := s.Owner.Ask(t, method, path, body)
		if a.Status >= 300 {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		if into != nil {
			a.Decode(t, into)
		}
		return nil
	}}
	change(e)
	if err := e.Fill(); err != nil {
		t.Fatal(err)
	}
	return s, e
}
