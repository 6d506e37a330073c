package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// key is what messages are signed with.
type key []byte

// The secrets of Standard Webhooks.
const (
	prefix = "whsec_"
	minKey = 24
	maxKey = 64
)

// parseKey reads a secret. Its error shows nothing of it.
func parseKey(secret string) (key, error) {
	text, found := strings.CutPrefix(secret, prefix)
	k, err := base64.StdEncoding.DecodeString(text)
	if !found || err != nil || len(k) < minKey || len(k) > maxKey {
		return nil, fmt.Errorf("want %s and then %d to %d random bytes in base64, as `openssl rand -base64 32` makes them", prefix, minKey, maxKey)
	}
	return k, nil
}

// sign returns a signature of each key, with spaces between.
func sign(keys []key, id string, now time.Time, body []byte) string {
	var all []string
	for _, k := range keys {
		h := hmac.New(sha256.New, k)
		h.Write(fmt.Appendf(nil, "%s.%d.%s", id, now.Unix(), body))
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// messageID returns an ID that can stand in a header and has no full stop, which would let the parts that are signed be taken apart
// elsewhere. IDs that are like that already stay as they are.
func messageID(id string) string {
	if id != "" && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }) < 0 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "msg_" + hex.EncodeToString(sum[:16])
}
