package auth

import (
	"bufio"
	"context"
	"crypto/sha1" // what the services ask for; nothing is protected by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ErrPasswordBreached means that a password was found among those that were stolen elsewhere.
var ErrPasswordBreached = errors.New("password was stolen from another service before, and is tried by attackers")

// maxRange bounds an answer; those of 2026 have 80 kB.
const maxRange = 1 << 20

// Breaches asks a service for passwords that were stolen elsewhere, against people who use one password everywhere. It is asked by
// k-anonymity: the service learns the first 20 bits of the password's SHA-1, which a million of others share, and answers with all
// it has of these. Nobody is asked unless an administrator switches it on.
type Breaches struct {
	Client *http.Client // its dialer is guarded, its time limited
	URL    string       // such as https://api.pwnedpasswords.com/range/; the five letters are added to it
}

// Check returns ErrPasswordBreached if the service knows the password. Any other error means that it could not be asked, and names
// neither the password nor what was asked.
func (b Breaches) Check(ctx context.Context, password string) error {
	sum := sha1.Sum([]byte(password))
	hash := strings.ToUpper(hex.EncodeToString(sum[:]))
	answer, err := b.ask(ctx, hash[:5])
	if err != nil {
		return fmt.Errorf("ask for stolen passwords: %w", withoutURL(err))
	}
	defer answer.Close()
	lines := bufio.NewScanner(io.LimitReader(answer, maxRange))
	for lines.Scan() {
		suffix, count, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || len(suffix) != len(hash)-5 {
			return errors.New("ask for stolen passwords: the answer isn't a list of hashes")
		}
		if n > 0 && strings.EqualFold(suffix, hash[5:]) { // 0 is padding
			return ErrPasswordBreached
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("ask for stolen passwords: %w", withoutURL(err))
	}
	return nil
}

// ask asks for padding: by its length the answer would tell a listener which five letters were asked for.
func (b Breaches) ask(ctx context.Context, prefix string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+prefix, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Add-Padding", "true")
	resp, err := b.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the service answered %s", resp.Status)
	}
	return resp.Body, nil
}

// withoutURL takes the URL out of an error, which has a part of a secret in it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
