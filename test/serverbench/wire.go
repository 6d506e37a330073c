//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// wire is a connection that is kept, over which one client asks. It does as little as it can: the server is to be measured, on the same
// machine.
type wire struct {
	address string
	cookie  string
	page    bool // it asks for pages, and not for operations
	conn    net.Conn
	in      *bufio.Reader
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close() // nothing of it is missed
		w.conn = nil
	}
}

func (w *wire) open() (err error) {
	if w.conn != nil {
		return nil
	}
	if w.conn, err = net.Dial("tcp", w.address); err != nil {
		return err
	}
	w.in = bufio.NewReaderSize(w.conn, 4096)
	return nil
}

// ask sends a request, and reads the answer to its end.
func (w *wire) ask(method, path, body string) (status int, err error) {
	if err := w.open(); err != nil {
		return 0, err
	}
	if status, err = w.send(method, path, body); err == nil {
		err = w.readBody()
	}
	if err != nil {
		w.close()
	}
	return status, err
}

// send sends a request, and reads the first line of the answer.
func (w *wire) send(method, path, body string) (status int, err error) {
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute)) // a connection takes a deadline
	if !w.page {
		path = "/api/v1" + path
	}
	request := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nCookie: backstay=" + w.cookie + "\r\n"
	if body != "" {
		request += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if _, err := io.WriteString(w.conn, request+"\r\n"+body); err != nil {
		return 0, err
	}
	line, err := w.in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	return strconv.Atoi(code)
}

// head reads the rest of the head. Length is -1 for an answer in chunks.
func (w *wire) head() (length int64, err error) {
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			return length, nil
		}
		name, value, _ := strings.Cut(text, ": ")
		switch {
		case strings.EqualFold(name, "Content-Length"):
			if length, err = strconv.ParseInt(value, 10, 64); err != nil {
				return 0, err
			}
		case strings.EqualFold(name, "Transfer-Encoding"):
			length = -1
		}
	}
}

func (w *wire) readBody() error {
	length, err := w.head()
	if err != nil {
		return err
	}
	if length >= 0 {
		return w.skip(length)
	}
	for {
		n, err := w.chunk()
		if err != nil || n == 0 {
			return err
		}
	}
}

func (w *wire) skip(n int64) error {
	for n > 0 {
		some, err := w.in.Discard(int(min(n, 1<<20)))
		if err != nil {
			return err
		}
		n -= int64(some)
	}
	return nil
}

// chunk reads one chunk, and returns its length; 0 at the end.
func (w *wire) chunk() (length int64, err error) {
	line, err := w.in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if length, err = strconv.ParseInt(strings.TrimSpace(line), 16, 64); err != nil {
		return 0, fmt.Errorf("chunk: %w", err)
	}
	return length, w.skip(length + 2)
}

// watch reads events until the connection breaks off or end is closed; it reports how many came.
func (w *wire) watch(path string, end <-chan struct{}) (status, events int, err error) {
	if err := w.open(); err != nil {
		return 0, 0, err
	}
	defer w.close()
	if status, err = w.send("GET", path, ""); err != nil || status != 200 {
		return status, 0, err
	}
	if _, err := w.head(); err != nil {
		return status, 0, err
	}
	for {
		_ = w.conn.SetDeadline(time.Now().Add(500 * time.Millisecond)) // a connection takes a deadline
		_, err := w.in.Peek(1)
		select {
		case <-end:
			return status, events, nil
		default:
		}
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			continue
		}
		_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
		n, err := w.chunk()
		if err != nil || n == 0 {
			return status, events, err
		}
		events++
	}
}
