package api_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestARequestWithABodyMayTakeLongerThanItsBodyToCome(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	other, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "backstay.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil) // which keeps all others from writing
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(7 * time.Second)
		done <- tx.Rollback()
	}()
	if a := s.Owner.Ask(t, "POST", "/projects", map[string]string{"name": "Late"}); a.Status != http.StatusCreated {
		t.Errorf("answer = %d %s", a.Status, a.Body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
