package settings

import (
	"errors"
	"strings"
)

var errQuote = errors.New("a quote is not closed")

// Words takes a command apart as a shell does, but runs nothing and expands nothing: words are separated by white
// space; within '…' all is literal; within "…" a backslash keeps its meaning before ", \, $ and ` only; elsewhere it makes
// the next character literal.
func Words(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'':
			if i+1 == len(s) {
				return nil, errors.New("nothing follows the last backslash")
			}
			i++
			if quote == '"' && strings.IndexByte("\"\\$`", s[i]) < 0 {
				word.WriteByte('\\')
			}
			word.WriteByte(s[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, inWord = c, true
		case quote == 0 && strings.IndexByte(" \t\n\r", c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errQuote
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
