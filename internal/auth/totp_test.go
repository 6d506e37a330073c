package auth_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/auth"
)

// rfcKey is the key of RFC 6238, appendix B; rfcCodes are its codes of SHA-1, of which apps show the last six digits.
var rfcKey = auth.Secret(base32.StdEncoding.EncodeToString([]byte("12345678901234567890")))

var rfcCodes = map[int64]string{
	59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
}

func TestTheCodesAreThoseOfRFC6238(t *testing.T) {
	for second, code := range rfcCodes {
		step, ok, err := auth.CheckTOTP(rfcKey, code[2:], time.Unix(second, 0), 0)
		if !ok || err != nil || step != second/30 {
			t.Errorf("CheckTOTP(%s at %d) = %d, %v, %v, want step %d", code[2:], second, step, ok, err, second/30)
		}
	}
}

func TestACodeIsTakenOnceAndInItsTime(t *testing.T) {
	const second, code = 1234567890, "005924"
	step := int64(second / 30)
	for _, c := range []struct {
		name   string
		after  time.Duration // of the step's start
		code   string
		last   int64
		wanted bool
	}{
		{"in its step", 0, code, 0, true},
		{"in its last second", 29 * time.Second, code, 0, true},
		{"one step late", 59 * time.Second, code, 0, true},
		{"one step early", -30 * time.Second, code, 0, true},
		{"two steps late", 60 * time.Second, code, 0, false},
		{"two steps early", -31 * time.Second, code, 0, false},
		{"in two groups, as apps show it", 0, "005 924", 0, true},
		{"after a code before it", 0, code, step - 1, true},
		{"again", 0, code, step, false},
		{"again, one step later", 30 * time.Second, code, step, false},
		{"after a code that came after it", 0, code, step + 1, false},
		{"wrong", 0, "005925", 0, false},
		{"eight digits", 0, "89005924", 0, false},
		{"five digits", 0, "05924", 0, false},
		{"nothing", 0, "", 0, false},
		{"other digits", 0, "００5924", 0, false},
		{"very long", 0, strings.Repeat("0", 1<<20), 0, false},
	} {
		got, ok, err := auth.CheckTOTP(rfcKey, c.code, time.Unix(step*30, 0).Add(c.after), c.last)
		if ok != c.wanted || err != nil || ok && got != step {
			t.Errorf("a code %s: CheckTOTP = %d, %v, %v, want %v", c.name, got, ok, err, c.wanted)
		}
	}
}

func TestAStoredKeyThatIsBrokenIsAnErrorWithoutTheKey(t *testing.T) {
	if _, ok, err := auth.CheckTOTP("not base 32!", "123456", time.Unix(0, 0), 0); ok || err == nil || strings.Contains(err.Error(), "base 32!") {
		t.Errorf("CheckTOTP with a broken key = %v, %v, want an error that doesn't say it", ok, err)
	}
}

func TestANewKeyIsWhatAnAppExpects(t *testing.T) {
	made, err := auth.NewTOTP(rand.Reader, "Backstay: home", "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(made.Address))
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Backstay  home:ada@example.com" {
		t.Errorf("the address is %s://%s%s", u.Scheme, u.Host, u.Path)
	}
	for name, want := range map[string]string{"secret": string(made.Key), "issuer": "Backstay  home", "period": "30", "digits": "6", "algorithm": "SHA1"} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if key, err := base32.StdEncoding.DecodeString(string(made.Key)); err != nil || len(key) != 20 {
		t.Errorf("the key has %d bytes (%v), want 20", len(key), err)
	}
	other, err := auth.NewTOTP(rand.Reader, "Backstay", "ada@example.com")
	if err != nil || other.Key == made.Key {
		t.Errorf("two keys are the same (%v)", err)
	}
}

func TestOathtoolMakesTheSameCodes(t *testing.T) {
	tool, err := exec.LookPath("oathtool")
	if err != nil {
		t.Skip("oathtool is not installed; scripts/prerequisites.sh installs it")
	}
	for i := range 20 {
		made, err := auth.NewTOTP(rand.Reader, "Backstay", "ada")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1_800_000_000+int64(i)*7919, 0)
		cmd := exec.CommandContext(t.Context(), tool, "--totp", "--base32", fmt.Sprintf("--now=@%d", now.Unix()), "-")
		cmd.Stdin = strings.NewReader(string(made.Key))
		code, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if step, ok, err := auth.CheckTOTP(made.Key, strings.TrimSpace(string(code)), now, 0); !ok || err != nil || step != now.Unix()/30 {
			t.Errorf("CheckTOTP of oathtool's code = %d, %v, %v", step, ok, err)
		}
	}
}

func TestTheQRCodeIsAnImageWithATitle(t *testing.T) {
	made, err := auth.NewTOTP(rand.Reader, "Backstay", "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	svg, err := auth.QRCode(made.Address, `code for "Ada" <ada@example.com>`)
	if err != nil {
		t.Fatal(err)
	}
	text := string(svg)
	if !strings.Contains(text, "<title>code for &#34;Ada&#34; &lt;ada@example.com&gt;</title>") || !strings.Contains(text, `role="img"`) {
		t.Errorf("the image has no title: %.300s", text)
	}
	if strings.Contains(text, string(made.Key)) || strings.Contains(text, "<script") || len(svg) > 64<<10 {
		t.Errorf("the image has %d bytes, or the key as text", len(svg))
	}
}

func TestAScannerReadsTheQRCode(t *testing.T) {
	scanner, err := exec.LookPath("zbarimg")
	if err != nil {
		t.Skip("zbarimg is not installed; scripts/prerequisites.sh installs it")
	}
	made, err := auth.NewTOTP(rand.Reader, "Backstay", "ada.lovelace@example.com")
	if err != nil {
		t.Fatal(err)
	}
	svg, err := auth.QRCode(made.Address, "code")
	if err != nil {
		t.Fatal(err)
	}
	text, err := auth.QRText(made.Address)
	if err != nil {
		t.Fatal(err)
	}
	for what, picture := range map[string][]byte{"an image": paint(t, string(svg)), "a terminal": paint(t, modules(text))} {
		file := filepath.Join(t.TempDir(), "code.png")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), scanner, "--quiet", "--raw", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(out)); got != string(made.Address) {
			t.Errorf("the scanner reads %q off %s, want %q", got, what, string(made.Address))
		}
	}
}

// modules turns what QRText draws on a terminal into what QRCode draws.
func modules(text string) string {
	var b strings.Builder
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	fmt.Fprintf(&b, `viewBox="0 0 %d"`, 2*len(lines))
	for y, line := range lines {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
		for x, block := range []rune(line) {
			if block == '▀' || block == '█' {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, 2*y)
			}
			if block == '▄' || block == '█' {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, 2*y+1)
			}
		}
	}
	return b.String()
}

// paint makes a PNG image of what QRCode draws: a white square and black ones of size 1.
func paint(t *testing.T, svg string) []byte {
	t.Helper()
	var x, y, size int
	if _, err := fmt.Sscanf(svg[strings.Index(svg, "viewBox="):], `viewBox="%d %d %d`, &x, &y, &size); err != nil {
		t.Fatal(err)
	}
	const scale = 4
	img := image.NewGray(image.Rect(x*scale, y*scale, (x+size)*scale, (y+size)*scale))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h1v1h-1z`).FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.Atoi(m[1])
		y, _ := strconv.Atoi(m[2])
		draw.Draw(img, image.Rect(x*scale, y*scale, (x+1)*scale, (y+1)*scale), image.Black, image.Point{}, draw.Src)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
