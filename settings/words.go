package settings

import (
	"errors"
	"strings"
)

// Words splits a command line into its words, which are handed to a program as they are: there is no shell. Words are separated by
// blanks; within single or double quotes a blank is a part of the word, and a backslash outside of single quotes keeps the
// meaning from the character after it.
func Words(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			inWord, quote = true, r
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote isn't closed, or a backslash is the last character")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
