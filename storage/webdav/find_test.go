package webdav

import (
	"net/url"
	"strings"
	"testing"
)

const listing = `<?xml version="1.0"?>
<d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">
<d:response><d:href>/dav/data/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
<d:response><d:href>https://host/dav/data/a%20b</d:href><d:propstat><d:prop><d:getcontentlength>12</d:getcontentlength><d:resourcetype/>
<d:getlastmodified>Fri, 27 Nov 2026 10:00:00 GMT</d:getlastmodified><oc:checksums><oc:checksum>SHA1:AB MD5:cd</oc:checksum></oc:checksums></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
<d:propstat><d:prop><d:getetag/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
<d:response><d:href>/dav/data/gone</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>
</d:multistatus>`

func parsed(text string) (items []item, err error) {
	at, err := url.Parse("https://host/dav/data/")
	if err == nil {
		err = parseItems(strings.NewReader(text), at, func(i item) error {
			items = append(items, i)
			return nil
		})
	}
	return items, err
}

func TestAListingTellsFilesAndFolders(t *testing.T) {
	items, err := parsed(listing)
	if err != nil || len(items) != 2 {
		t.Fatalf("the listing has %v, %v, want two", items, err)
	}
	if folder := items[0]; folder.path != "/dav/data" || !folder.folder {
		t.Errorf("the first is %+v, want the folder", folder)
	}
	if file := items[1]; file.path != "/dav/data/a b" || file.folder || file.size != 12 || file.sha1 != "ab" || file.time.Hour() != 10 {
		t.Errorf("the second is %+v, want the file", file)
	}
}

func TestAListingThatIsCutAnywhereIsAnError(t *testing.T) {
	for n := range len(listing) {
		if items, err := parsed(listing[:n]); err == nil {
			t.Errorf("the first %d bytes of a listing are one of %d files", n, len(items))
		}
	}
}
