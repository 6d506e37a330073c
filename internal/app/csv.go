package app

import (
	"strings"
	"unicode/utf8"
)

// HarmlessCell makes a text fit for a cell of a table: valid, and with an apostrophe before what spreadsheets would take for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func HarmlessCell(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	begin, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " \u00a0\u3000\ufeff"))
	if strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", begin) {
		return "'" + text
	}
	return text
}
