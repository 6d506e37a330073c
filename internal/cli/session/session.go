// Package session keeps on this machine what one needs to go on being signed in at a server: its address, how it is trusted, the cookie.
//
// It is one file that only its owner can read. A write replaces it whole, so that it is never seen half.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/backstay/backstay/internal/client"
)

// Session is being signed in at a server.
type Session struct {
	Server      string        `json:"server"`
	Email       string        `json:"email"`
	Fingerprint string        `json:"fingerprint,omitempty"` // of a certificate that nobody vouches for, as it was confirmed
	CA          string        `json:"ca,omitempty"`          // PEM: the certificates to trust instead of the system's
	Cookie      client.Cookie `json:"cookie"`
}

// Load reads the session of a file; there is none if the file isn't there.
func Load(name string) (s Session, found bool, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read session: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return Session{}, false, fmt.Errorf("read session file %q: it is damaged", name)
	}
	return s, true, nil
}

// Save makes s the session of a file.
func (s Session) Save(name string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	f, err := os.CreateTemp(dir, "session-*") // 0600
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("save session: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Remove takes the session of a file away. That there is none is no error.
func Remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove session: %w", err)
	}
	return nil
}
