package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/backstay/backstay/entry"
)

func TestAPreviewIsWhatTheBytesAre(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\xff", 300<<10)
	long := strings.Repeat("x", mostText-1) + "é and more"
	for name, c := range map[string]struct {
		content, shown, contentType string
		kind                        PreviewKind
		truncated                   bool
	}{
		"text":                              {"héllo\n", "héllo\n", "text/plain; charset=utf-8", PreviewText, false},
		"nothing":                           {"", "", "text/plain; charset=utf-8", PreviewText, false},
		"a page, which is shown as text":    {"<script>alert(1)</script>", "<script>alert(1)</script>", "text/plain; charset=utf-8", PreviewText, false},
		"a drawing, which is shown as text": {"<svg onload='x'/>", "<svg onload='x'/>", "text/plain; charset=utf-8", PreviewText, false},
		"text cut within a letter":          {long, long[:mostText-1], "text/plain; charset=utf-8", PreviewText, true},
		"text of the largest size":          {long[:mostText-1] + "y", long[:mostText-1] + "y", "text/plain; charset=utf-8", PreviewText, false},
		"another encoding":                  {"h\xe9llo", "", "application/octet-stream", PreviewOther, false},
		"a zero byte":                       {"he\x00llo", "", "application/octet-stream", PreviewOther, false},
		"an image, as a whole":              {png, png, "image/png", PreviewImage, false},
		"JPEG":                              {"\xff\xd8\xff\xe0..", "\xff\xd8\xff\xe0..", "image/jpeg", PreviewImage, false},
		"WebP":                              {"RIFF\x01\x02\x03\x04WEBPVP8 ", "RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp", PreviewImage, false},
		"RIFF that is sound":                {"RIFF\x81\x02\x03\x04WAVE", "", "application/octet-stream", PreviewOther, false},
		"GIF":                               {"GIF89a\x01", "GIF89a\x01", "image/gif", PreviewImage, false},
		"an image that is too large":        {png + strings.Repeat("x", mostImage), "", "application/octet-stream", PreviewOther, false},
	} {
		p, err := previewOf(t.Context(), entry.Entry{Meta: entry.Meta{Size: uint64(len(c.content))}, Content: textContent(c.content)})
		if err != nil || p.Kind != c.kind || p.ContentType != c.contentType || !bytes.Equal(p.Bytes, []byte(c.shown)) || p.Truncated != c.truncated || p.Size != uint64(len(c.content)) {
			t.Errorf("%s is shown as %s, %s, %d of %d bytes, truncated %t, %v", name, p.Kind, p.ContentType, len(p.Bytes), p.Size, p.Truncated, err)
		}
	}
}
