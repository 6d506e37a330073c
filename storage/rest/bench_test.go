package rest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

var sizes = []int{512 << 10, 16 << 20}

// next is a name that wasn't there before, so that a benchmark can run several times.
var next int

func fresh() (id string) {
	next++
	return fmt.Sprintf("%064x", next)
}

// bareDo is what a client of HTTP by itself does.
func bareDo(b *testing.B, client *http.Client, r *http.Request, into io.Writer) {
	answer, err := client.Do(r)
	if err == nil {
		_, err = io.Copy(into, answer.Body)
		answer.Body.Close()
	}
	if err != nil || answer.StatusCode >= 300 {
		b.Fatal(answer, err)
	}
}

func BenchmarkSave(b *testing.B) {
	ours, s := made(b, servers.RESTOptions{})
	save(b, ours, "config", nil)
	address, client := strings.TrimPrefix(s.Location, "rest:"), &http.Client{}
	for _, size := range sizes {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		body := storage.Bytes(content) // with its hash, which is known already when a pack is saved
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, address+"data/"+fresh(), bytes.NewReader(content))
				bareDo(b, client, r, io.Discard)
			}
		})
		b.Run(fmt.Sprintf("ours/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				id := fresh()
				if err := ours.Save(b.Context(), "data/"+id[:2]+"/"+id, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	client.CloseIdleConnections()
}

func BenchmarkLoad(b *testing.B) {
	ours, s := made(b, servers.RESTOptions{})
	save(b, ours, packName, make([]byte, 16<<20))
	address, client := strings.TrimPrefix(s.Location, "rest:"), &http.Client{}
	for _, size := range sizes {
		p := make([]byte, size)
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, address+"data/"+anID, nil)
				r.Header.Set("Range", fmt.Sprintf("bytes=0-%d", size-1))
				bareDo(b, client, r, bytes.NewBuffer(p[:0]))
			}
		})
		b.Run(fmt.Sprintf("ours/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := ours.Load(b.Context(), packName, p, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	client.CloseIdleConnections()
}
