package auth

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"html"
	"image/color"
	"io"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// The form of TOTP (RFC 6238) that all authenticator apps know: six digits of HMAC-SHA-1, new every 30 seconds.
const (
	totpStep   = 30 // seconds
	totpSecret = 20 // bytes
)

// TOTP is what an authenticator app is given.
type TOTP struct {
	Key     Secret // in base 32, to be typed where there is no camera, and to be stored, sealed
	Address Secret // otpauth://..., for QRCode
}

// NewTOTP makes a new key for the account, which the app shows under the issuer's name. It counts as a factor only after a first
// code was checked, else a failed set-up would lock its owner out.
func NewTOTP(random io.Reader, issuer, account string) (TOTP, error) {
	b := make([]byte, totpSecret)
	if _, err := io.ReadFull(random, b); err != nil {
		return TOTP{}, fmt.Errorf("read random bytes: %w", err)
	}
	plain := strings.NewReplacer(":", " ") // a colon is what divides issuer and account
	key, err := totp.Generate(totp.GenerateOpts{Issuer: plain.Replace(issuer), AccountName: plain.Replace(account), Period: totpStep, Secret: b})
	if err != nil {
		return TOTP{}, fmt.Errorf("make a key for an authenticator app: %w", err)
	}
	return TOTP{Key: Secret(key.Secret()), Address: Secret(key.URL())}, nil
}

// CheckTOTP reports whether the code is that of now, or of the 30 seconds before or after it since clocks differ, and of which step.
// Steps up to last are refused: a code that somebody looked at or caught works once only. The caller stores the step as the last one,
// if what is stored is still what it passed in. Where the clock was set back, codes are refused until it has caught up.
//
// Three codes of a million are right at any time, so the tries are to be limited by TakeSecondFactor.
func CheckTOTP(key Secret, code string, now time.Time, last int64) (step int64, ok bool, err error) {
	code = strings.ReplaceAll(code, " ", "") // apps show two groups
	current := now.Unix() / totpStep
	for s := current - 1; s <= current+1; s++ {
		want, err := hotp.GenerateCode(string(key), uint64(s))
		if err != nil {
			return 0, false, fmt.Errorf("compute the code of an authenticator app: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && s > last {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

// QRCode draws text as an SVG image, dark on white whatever the page's colours are, with a title for those who don't see it.
func QRCode(text Secret, title string) ([]byte, error) {
	code, err := qr.Encode(string(text), qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	const quiet = 4 // modules around it that scanners need
	size := code.Bounds().Dx()
	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="%d %d %d %d" shape-rendering="crispEdges"><title>%s</title>`,
		-quiet, -quiet, size+2*quiet, size+2*quiet, html.EscapeString(title))
	fmt.Fprintf(&svg, `<path fill="#fff" d="M%d %dh%dv%dh-%dz"/><path d="`, -quiet, -quiet, size+2*quiet, size+2*quiet, size+2*quiet)
	for y := range size {
		for x := range size {
			if code.At(x, y) == color.Black {
				fmt.Fprintf(&svg, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	svg.WriteString(`"/></svg>`)
	return svg.Bytes(), nil
}

// QRText draws text as a QR code for a terminal, dark on light whatever its colours are: each character is two modules, one above the other.
func QRText(text Secret) (string, error) {
	code, err := qr.Encode(string(text), qr.L, qr.Auto) // the smallest: a screen has no scratches
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	const quiet = 2 // modules around it, and the background of the terminal beyond them
	size := code.Bounds().Dx()
	dark := func(x, y int) bool { return x >= 0 && y >= 0 && x < size && y < size && code.At(x, y) == color.Black }
	blocks := map[[2]bool]string{{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█"}
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m") // black on white
		for x := -quiet; x < size+quiet; x++ {
			b.WriteString(blocks[[2]bool{dark(x, y), dark(x, y+1)}])
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
