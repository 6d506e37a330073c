package email

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "backup@example.com"
	password = "pass-3f9a8b7c"
)

// postOffice is a mail server of aiosmtpd.
type postOffice struct {
	port, ca string
	mu       sync.Mutex
	mails    []delivered
}

// delivered is a mail that it took.
type delivered struct {
	Helo, From string
	To         []string
	TLS, Auth  bool
	Content    []byte
}

// python is that of the system, where Debian's packages are.
const python = "/usr/bin/python3"

func newPostOffice(t *testing.T, mood, security, user string) *postOffice {
	t.Helper()
	if err := exec.Command(python, "-c", "import aiosmtpd").Run(); err != nil {
		t.Skip("aiosmtpd is missing: apt-get install python3-aiosmtpd")
	}
	certificate := notifytest.NewCertificate(t, "mail.example")
	dir := t.TempDir()
	chain, key := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(os.WriteFile(chain, []byte(certificate.Chain), 0o600), os.WriteFile(key, []byte(certificate.Key), 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, python, "testdata/server.py", mood, security, chain, key, user, password)
	command.Stderr = t.Output()
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{ca: certificate.CA}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if lines.Scan() {
		p.port = lines.Text()
	}
	done := make(chan struct{})
	go func() { defer close(done); p.read(t, lines) }()
	t.Cleanup(func() { cancel(); <-done; _ = command.Wait() })
	return p
}

func (p *postOffice) read(t *testing.T, lines *bufio.Scanner) {
	for lines.Scan() {
		var d delivered
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Errorf("the server wrote %q: %v", lines.Text(), err)
		}
		p.mu.Lock()
		p.mails = append(p.mails, d)
		p.mu.Unlock()
	}
}

// all returns the mails that were taken. The server writes each before it says so, but its line may still be on its way.
func (p *postOffice) all(want int) []delivered {
	for range 100 {
		p.mu.Lock()
		n := len(p.mails)
		p.mu.Unlock()
		if n >= want {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]delivered(nil), p.mails...)
}

func values(p *postOffice, security string) settings.Values {
	return settings.Values{"host": "mail.example", "port": p.port, "security": security, "user": user, "password": password, "ca-certificate": p.ca,
		"from": "Backstay <backup@example.com>", "to": "Ana <ana@example.com>, bo@example.com"}
}

func benchOf(security string) func(t *testing.T, mood notifytest.Mood) notifytest.Bench {
	return func(t *testing.T, mood notifytest.Mood) notifytest.Bench {
		does := map[notifytest.Mood]string{notifytest.Refuses: "refuses", notifytest.Busy: "busy", notifytest.Hangs: "hangs"}[mood]
		if does == "" {
			does = "takes"
		}
		p := newPostOffice(t, does, security, user)
		v := values(p, security)
		address := "127.0.0.1:" + p.port
		switch mood {
		case notifytest.Untrusted:
			v["ca-certificate"] = notifytest.NewCertificate(t, "mail.example").CA
		case notifytest.Away:
			address = closedAddress(t)
		}
		c, err := open(v, notifytest.Env(mood, address))
		if err != nil {
			t.Fatal(err)
		}
		sent := &counted{Channel: c}
		return notifytest.Bench{Channel: sent, Secrets: []string{password, "AGJhY2t1cEBleGFtcGxlLmNvbQBwYXNzLTNmOWE4Yjdj"}, Received: func() []notifytest.Received {
			var all []notifytest.Received
			for _, d := range p.all(int(sent.n.Load())) {
				all = append(all, parse(t, d.Content))
			}
			return all
		}}
	}
}

// counted counts what was taken, so that the test knows how many lines of the server to wait for.
type counted struct {
	notify.Channel
	n atomic.Int64
}

func (c *counted) Send(ctx context.Context, m notify.Message) error {
	err := c.Channel.Send(ctx, m)
	if err == nil {
		c.n.Add(1)
	}
	return err
}

// closedAddress returns one at which nobody listens any more.
func closedAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// parse reads a mail as mail programs do.
func parse(t *testing.T, content []byte) notifytest.Received {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(content)))
	if err != nil {
		t.Fatalf("the mail can't be read: %v\n%.2000s", err, content)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Errorf("the subject can't be read: %v", err)
	}
	parts := partsOf(t, m)
	return notifytest.Received{ID: m.Header.Get("Message-ID"), Text: subject + "\n" + parts["text/plain"], Header: m.Header, Size: len(content)}
}

// partsOf returns the bodies of a mail by their types.
func partsOf(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the mail is of type %q, %v", kind, err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, parameters["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatalf("a part can't be read: %v", err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatalf("a part can't be decoded: %v", err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts[kind] = string(body)
	}
}

func TestChannelWithSTARTTLS(t *testing.T) { notifytest.Run(t, benchOf(startTLS)) }

func TestChannelWithTLSFromTheStart(t *testing.T) { notifytest.Run(t, benchOf(implicitTLS)) }

// send sends one message to a server and returns what it took.
func send(t *testing.T, p *postOffice, v settings.Values, m notify.Message) delivered {
	t.Helper()
	c, err := open(v, notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err == nil {
		err = c.Send(t.Context(), m)
	}
	if err != nil {
		t.Fatalf("Send = %v", err)
	}
	all := p.all(1)
	if len(all) != 1 {
		t.Fatalf("%d mails arrived", len(all))
	}
	return all[0]
}

func TestAMailIsMadeForPeopleAndForTheirPrograms(t *testing.T) {
	p := newPostOffice(t, "takes", startTLS, user)
	d := send(t, p, values(p, startTLS), notifytest.Message("m1"))
	if !d.TLS || !d.Auth || d.From != "backup@example.com" || strings.Join(d.To, " ") != "ana@example.com bo@example.com" || d.Helo != "backstay.example" {
		t.Errorf("the mail came with %+v", d)
	}
	m, err := mail.ReadMessage(strings.NewReader(string(d.Content)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"From": `"Backstay" <backup@example.com>`, "To": `"Ana" <ana@example.com>, <bo@example.com>`,
		"Subject": "[ERROR] Backup of db failed m1", "Auto-Submitted": "auto-generated", "X-Backstay-Event": "run.failed"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if date, err := m.Header.Date(); err != nil || time.Since(date) > time.Minute {
		t.Errorf("Date = %v, %v", date, err)
	}
	if !strings.HasSuffix(m.Header.Get("Message-ID"), "@backstay.example>") {
		t.Errorf("Message-ID: %s", m.Header.Get("Message-ID"))
	}
	page := partsOf(t, m)["text/html"]
	for _, want := range []string{"<h1", "Backup of db failed m1", "<th scope=\"row\"", "3 &lt; 4", `href="https://backstay.example/runs/1?a=b&amp;c=d"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q isn't in the page:\n%s", want, page)
		}
	}
}

func TestAnAddressThatIsNoMoreKeepsNobodyFromBeingTold(t *testing.T) {
	p := newPostOffice(t, "picky", startTLS, user)
	c, err := open(values(p, startTLS), notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), notifytest.Message("m1"))
	if !errors.Is(err, notify.ErrRefused) || !strings.Contains(err.Error(), "bo@example.com") || strings.Contains(err.Error(), "ana@") {
		t.Errorf("Send = %v, want ErrRefused that names bo", err)
	}
	if all := p.all(1); len(all) != 1 || strings.Join(all[0].To, " ") != "ana@example.com" {
		t.Errorf("%+v arrived, want one for ana", all)
	}
}

func TestIfOneIsToBeTriedLaterAllAre(t *testing.T) {
	p := newPostOffice(t, "grey", startTLS, user)
	c, err := open(values(p, startTLS), notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send = %v, want an error that isn't ErrRefused", err)
	}
	if all := p.all(0); len(all) != 0 { // else the others would get it again and again
		t.Errorf("%+v arrived", all)
	}
}

func TestMessagesOfAThreadAreShownTogether(t *testing.T) {
	p := newPostOffice(t, "takes", startTLS, user)
	c, err := open(values(p, startTLS), notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err != nil {
		t.Fatal(err)
	}
	alone := notifytest.Message("m3")
	alone.Thread = ""
	for _, m := range []notify.Message{notifytest.Message("m1"), notifytest.Message("m2"), alone} {
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var references []string
	for _, d := range p.all(3) {
		m, err := mail.ReadMessage(strings.NewReader(string(d.Content)))
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("In-Reply-To") != m.Header.Get("References") {
			t.Errorf("In-Reply-To: %s", m.Header.Get("In-Reply-To"))
		}
		references = append(references, m.Header.Get("References"))
	}
	if references[0] == "" || references[0] != references[1] || references[2] != "" {
		t.Errorf("References: %q", references)
	}
}

func TestHostileTextIsNoMarkup(t *testing.T) {
	p := newPostOffice(t, "takes", startTLS, user)
	m := notifytest.Message("m1")
	m.Subject = `</title><script>alert(1)</script><img src=x onerror=alert(1)>`
	m.Text, m.Project, m.Link = m.Subject, m.Subject, `https://h/"onmouseover="alert(1)`
	m.Facts = []notify.Fact{{Name: m.Subject, Value: m.Subject}}
	d := send(t, p, values(p, startTLS), m)
	read, err := mail.ReadMessage(strings.NewReader(string(d.Content)))
	if err != nil {
		t.Fatal(err)
	}
	page := partsOf(t, read)["text/html"]
	for _, evil := range []string{"<script", "<img", `"onmouseover`} {
		if strings.Contains(page, evil) {
			t.Errorf("%s is in the page:\n%s", evil, page)
		}
	}
}

func TestAServerOfThisMachineMayDoWithoutEncryption(t *testing.T) {
	p := newPostOffice(t, "takes", none, "")
	v := settings.Values{"host": "localhost", "port": p.port, "security": none, "from": "a@example.com", "to": "b@example.com"}
	if d := send(t, p, v, notifytest.Message("m1")); d.TLS || d.Auth {
		t.Errorf("the mail came with %+v", d)
	}
}

func TestAServerElsewhereIsNotTalkedToWithoutEncryption(t *testing.T) {
	v := settings.Values{"host": "127.0.0.1", "security": none, "from": "a@example.com", "to": "b@example.com"}
	here, there := net.Pipe()
	defer there.Close()
	env := notifytest.Env(notifytest.Takes, "")
	env.Dial = func(context.Context, string, string) (net.Conn, error) {
		return elsewhere{here}, nil // as a name would be that means this machine at first
	}
	c, err := open(v, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); !errors.Is(err, errPlain) {
		t.Errorf("Send = %v, want errPlain", err)
	}
}

// elsewhere is a connection to another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

func TestAServerThatNeverStopsTalkingIsLeft(t *testing.T) {
	for name, line := range map[string]string{"one line": "x", "many lines": "220-x\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan int)
		go func() {
			n := 0
			defer func() { sent <- n }()
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			for block := []byte("220-" + strings.Repeat(line, 1<<12)); n < 1<<30 && err == nil; n += len(block) {
				_, err = c.Write(block)
			}
		}()
		c, err := open(settings.Values{"host": "127.0.0.1", "security": none, "from": "a@example.com", "to": "b@example.com"}, notifytest.Env(notifytest.Takes, l.Addr().String()))
		if err == nil {
			err = c.Send(t.Context(), notifytest.Message("m1"))
		}
		if n := <-sent; !errors.Is(err, errTalks) || n > 64<<20 {
			t.Errorf("%s: Send = %v after %d bytes, want errTalks", name, err, n)
		}
		l.Close()
	}
}

func TestAServerThatDoesNotEncryptGetsNoPassword(t *testing.T) {
	p := newPostOffice(t, "takes", none, "")
	c, err := open(values(p, startTLS), notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("Send = %v, want an error about STARTTLS", err)
	}
}

func TestASignInThatIsDeniedIsTriedAgainAndShowsNoPassword(t *testing.T) {
	p := newPostOffice(t, "denies", startTLS, user)
	c, err := open(values(p, startTLS), notifytest.Env(notifytest.Takes, "127.0.0.1:"+p.port))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), notifytest.Message("m1"))
	if err == nil || errors.Is(err, notify.ErrRefused) || !strings.Contains(err.Error(), "535") {
		t.Errorf("Send = %v, want an error with 535 that isn't ErrRefused", err)
	}
	if err != nil && (strings.Contains(err.Error(), "AGJh") || strings.Contains(err.Error(), password)) {
		t.Errorf("Send = %v, which shows the password", err)
	}
}

func TestSettingsThatCannotBeRightAreNamed(t *testing.T) {
	for field, value := range map[string]string{"from": "nobody", "to": "a@example.com,,b", "port": "65536", "ca-certificate": "x"} {
		v := settings.Values{"host": "h", "security": startTLS, "from": "a@example.com", "to": "b@example.com", field: value}
		_, err := open(v, notifytest.Env(notifytest.Takes, ""))
		var wrong *settings.Error
		if !errors.As(err, &wrong) || wrong.Field.Name != field {
			t.Errorf("open with %s %q = %v", field, value, err)
		}
	}
}
