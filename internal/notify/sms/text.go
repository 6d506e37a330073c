package sms

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"

	"github.com/backstay/backstay/internal/notify"
)

// A text message holds 160 characters of the GSM alphabet (3GPP TS 23.038), or 70 of UTF-16 if one of its characters isn't in that. Of
// the alphabet's extension each takes two places. A longer text would be sent, and paid for, as several.
const (
	maxGSM   = 160
	maxUTF16 = 70
)

const (
	alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ" +
		" !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "^{}\\[~]|€"
)

// alike are characters that people type, and what says the same in the alphabet.
var alike = strings.NewReplacer("„", `"`, "“", `"`, "”", `"`, "«", `"`, "»", `"`, "‘", "'", "’", "'", "‚", "'", "`", "'", "–", "-", "—", "-",
	"‑", "-", "…", "...", "·", "-", "•", "-", "\u00a0", " ", "→", "->", "✓", "ok", "ł", "l", "Ł", "L", "đ", "d", "ı", "i")

// text returns a message as one text message: how bad it is, what of which project, the link if there is room for it, and a reference.
func text(m notify.Message) string {
	head := strings.ToUpper(string(m.Severity)) + ": "
	tail := " #" + m.Ref()
	if m.Project != "" {
		tail = " (" + m.Project + ")" + tail
	}
	width, limit := widthGSM, maxGSM
	subject, ok := toGSM(m.Subject)
	short, okTail := toGSM(tail)
	if ok && okTail {
		tail = short
	} else {
		subject, width, limit = m.Subject, widthUTF16, maxUTF16
	}
	tail = cutProject(tail, m.Ref(), limit/3, width)
	if link := " " + m.Link; m.Link != "" && width(head+subject+link+tail) <= limit {
		tail = link + tail
	}
	return head + cut(subject, limit-width(head)-width(tail), width) + tail
}

// cutProject shortens the name of the project, so that it takes a third of the text at most.
func cutProject(tail, ref string, limit int, width func(string) int) string {
	if width(tail) <= limit {
		return tail
	}
	end := ") #" + ref
	return cut(strings.TrimSuffix(tail, end), limit-width(end), width) + end
}

// toGSM returns s in the GSM alphabet: accents that it hasn't are left out, signs that it hasn't are left out too. Ok is false if there are
// letters or digits of other scripts in it, without which it would say nothing.
func toGSM(s string) (gsm string, ok bool) {
	var b strings.Builder
	for _, r := range norm.NFC.String(alike.Replace(s)) {
		if widthGSM(string(r)) > 0 {
			b.WriteRune(r)
			continue
		}
		base := []rune(norm.NFD.String(string(r)))[0]
		switch {
		case widthGSM(string(base)) > 0:
			b.WriteRune(base)
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			return "", false
		}
	}
	return b.String(), true
}

// widthGSM is how many places s takes; of characters that aren't in the alphabet none.
func widthGSM(s string) int {
	n := 0
	for _, r := range s {
		if strings.ContainsRune(alphabet, r) {
			n++
		} else if strings.ContainsRune(extended, r) {
			n += 2
		}
	}
	return n
}

func widthUTF16(s string) int { return len(utf16.Encode([]rune(s))) }

// cut returns as much of s as there is room for, with dots at the end if that isn't all.
func cut(s string, room int, width func(string) int) string {
	if width(s) <= room {
		return s
	}
	const dots = "..."
	for s != "" && width(s)+len(dots) > room {
		s = notify.Shorten(s)
	}
	return strings.TrimRight(s, " ") + dots
}
