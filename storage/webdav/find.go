package webdav

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay/storage"
)

// item is what a server tells of a file or a folder.
type item struct {
	path   string // on the server, decoded
	folder bool
	size   int64
	time   time.Time // zero: unknown
	sha1   string    // in hexadecimal; "": unknown
}

// find looks a file of the server up.
func (b *backend) find(ctx context.Context, file string) (found item, err error) {
	items := 0
	err = b.propfind(ctx, file, "0", func(i item) error {
		found = i
		items++
		return nil
	})
	switch {
	case err != nil:
		return item{}, err
	case items == 0 || found.folder:
		return item{}, fmt.Errorf("there is no file: %w", storage.ErrNotFound)
	case items > 1:
		return item{}, fmt.Errorf("the server tells of %d files where one was asked for", items)
	}
	return found, nil
}

// propfind asks for what is known of a file or a folder (depth 0), or of a folder and what is directly in it (depth 1).
func (b *backend) propfind(ctx context.Context, p, depth string, found func(item) error) error {
	var body io.Reader
	if b.vendor.asks != "" {
		body = strings.NewReader(`<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>` + b.vendor.asks + `</d:prop></d:propfind>`)
	}
	if depth == "1" && p != "/" {
		p += "/"
	}
	r := b.request(ctx, "PROPFIND", p, body)
	r.Header.Set("Depth", depth)
	r.Header.Set("Content-Type", "application/xml")
	answer, err := b.client.do(r)
	if err != nil {
		return err
	}
	defer done(answer)
	if answer.StatusCode != http.StatusMultiStatus {
		return storage.Mark(fmt.Errorf("the server answers a PROPFIND with %d: the address is not one of WebDAV", answer.StatusCode), storage.ErrPermanent)
	}
	if err := parseItems(answer.Body, r.URL, found); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("read the answer to a PROPFIND: %w", err)
	}
	return nil
}

// response is an element of an answer (RFC 4918, 14.24).
type response struct {
	Href  string `xml:"DAV: href"`
	Props []struct {
		Status       string   `xml:"DAV: status"`
		Length       string   `xml:"DAV: prop>getcontentlength"`
		Modified     string   `xml:"DAV: prop>getlastmodified"`
		Collection   *empty   `xml:"DAV: prop>resourcetype>collection"`
		IsCollection string   `xml:"DAV: prop>iscollection"` // Microsoft's
		Checksums    []string `xml:"prop>checksums>checksum"`
		SHA1         string   `xml:"ME: prop>sha1hex"`
	} `xml:"DAV: propstat"`
}

type empty struct{}

// parseItems reads an answer to its end: one that was cut is an error.
func parseItems(r io.Reader, at *url.URL, found func(item) error) error {
	for d, depth := xml.NewDecoder(r), 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 && t.Name.Local != "multistatus" {
				return fmt.Errorf("it is a %q", t.Name.Local)
			}
			if depth != 2 || t.Name.Local != "response" {
				continue
			}
			depth--
			var answer response
			if err := d.DecodeElement(&answer, &t); err != nil {
				return err
			}
			i, known, err := answer.item(at)
			if err == nil && known {
				err = found(i)
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return nil
			}
		}
	}
}

// item returns what a response tells; known is false where that is nothing, as of a file that went meanwhile.
func (r response) item(at *url.URL) (i item, known bool, err error) {
	u, err := at.Parse(strings.TrimSpace(r.Href))
	if err != nil {
		return item{}, false, fmt.Errorf("%q is not an address", r.Href)
	}
	i.path = path.Clean(u.Path)
	for _, p := range r.Props {
		if _, code, _ := strings.Cut(p.Status, " "); p.Status != "" && !strings.HasPrefix(code, "2") && !strings.HasPrefix(code, "425") { // one that a server is still at work on
			continue
		}
		known = true
		i.folder = i.folder || p.Collection != nil || p.IsCollection == "1" || p.IsCollection == "true"
		if p.Length != "" {
			if i.size, err = strconv.ParseInt(strings.TrimSpace(p.Length), 10, 64); err != nil {
				return item{}, false, fmt.Errorf("size %q of %q is no number", p.Length, i.path)
			}
		}
		if p.Modified != "" {
			i.time = parseTime(p.Modified)
		}
		i.sha1 = max(i.sha1, strings.ToLower(p.SHA1), sha1Of(p.Checksums))
	}
	return i, known, nil
}

// sha1Of returns the SHA-1 among checksums such as "SHA1:aa MD5:bb", or "".
func sha1Of(checksums []string) string {
	for field := range strings.FieldsSeq(strings.Join(checksums, " ")) {
		if sum, found := strings.CutPrefix(field, "SHA1:"); found {
			return strings.ToLower(sum)
		}
	}
	return ""
}

// parseTime reads the time of a file in any of the forms that servers write.
func parseTime(s string) time.Time {
	for _, form := range []string{time.RFC1123, time.RFC1123Z, time.UnixDate, "Mon, _2 Jan 2006 15:04:05 MST", time.RFC3339} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil {
			return t
		}
	}
	return time.Time{}
}
