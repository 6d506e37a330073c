package auth

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/trustelem/zxcvbn/frequency"
)

// enough is how many bits a password must have by the count of bits: 2^27 guesses (10^8) take 500 years at 30 an hour.
const enough = 27

// product are names that any attacker thinks of here.
var product = []string{"backstay", "backup", "restic"}

// guessable reports whether somebody who knows how people make passwords gets at it soon.
func guessable(password string, known []string) bool {
	own, text := ranks(known), []rune(strings.ToLower(password))
	return min(bits(unit(text), own), bits(unit(plain(text)), own)) < enough
}

// unit is what a text repeats, or all of it.
func unit(text []rune) []rune {
	for n := 1; n <= len(text)/2; n++ {
		if len(text)%n == 0 && slices.Equal(text[n:], text[:len(text)-n]) {
			return text[:n]
		}
	}
	return text
}

// bits counts what an attacker has to guess: the password is cut into words of the lists, runs of characters and single characters,
// in the way that makes the sum smallest. It is zxcvbn's idea, with fewer patterns. Words like "international1" are in no list of
// passwords, and fall in an instant.
func bits(text []rune, own map[string]float64) float64 {
	text = text[:min(len(text), 64)] // more can only add to it, and the work grows with the square
	least := make([]float64, len(text)+1)
	for end := 1; end <= len(text); end++ {
		least[end] = least[end-1] + single(text[end-1])
		for start := end - 1; start >= 0; start-- {
			if cost, ok := piece(text[start:end], own); ok {
				least[end] = min(least[end], least[start]+cost)
			}
		}
	}
	return least[len(text)]
}

// single is the cost of a character that is part of nothing.
func single(r rune) float64 {
	if unicode.IsDigit(r) {
		return math.Log2(10)
	}
	return math.Log2(90)
}

// piece returns the cost of characters that are a word, a run or a year.
func piece(text []rune, own map[string]float64) (float64, bool) {
	if len(text) < 3 {
		return 0, false
	}
	if isRun(text) {
		return single(text[0]) + math.Log2(float64(len(text))), true
	}
	word := string(text)
	if isYear(word) {
		return math.Log2(200), true
	}
	if cost, ok := own[word]; ok {
		return cost, true
	}
	cost, ok := listed()[word]
	return cost, ok
}

// rows are neighbours on keyboards, both ways; what stands in one is a run.
var rows = []string{"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",
	"0987654321", "poiuytrewq", "lkjhgfdsa", "mnbvcxz", "poiuztrewq", "mnbvcxy", "poiuytreza", "mlkjhgfdsq"}

// isRun reports whether the characters are all the same, follow one another, or stand in a row.
func isRun(text []rune) bool {
	if step := text[1] - text[0]; step >= -1 && step <= 1 {
		for i := 1; ; i++ {
			if i == len(text) {
				return true
			}
			if text[i]-text[i-1] != step {
				break
			}
		}
	}
	if len(text) > 10 { // the longest row
		return false
	}
	word := string(text)
	return slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, word) })
}

func isYear(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && len(text) == 4 && n >= 1900 && n < 2100
}

// leet are the characters that people put for letters, and think nobody knows.
var leet = map[rune]rune{'@': 'a', '4': 'a', '3': 'e', '0': 'o', '$': 's', '5': 's', '7': 't', '1': 'i', '!': 'i'}

// plain puts letters for what stands for them beside letters.
func plain(text []rune) []rune {
	text = slices.Clone(text)
	letter := func(i int) bool { return i >= 0 && i < len(text) && unicode.IsLetter(text[i]) }
	for i, r := range text {
		if l, ok := leet[r]; ok && (letter(i-1) || letter(i+1)) {
			text[i] = l
		}
	}
	return text
}

// listed has the cost of each word of the lists: passwords, English, films, names. It is made when it is first asked for, since
// most programs never ask.
var listed = sync.OnceValue(func() map[string]float64 {
	costs := make(map[string]float64, 100_000)
	for _, list := range frequency.FrequencyLists {
		for i, word := range list {
			cost := math.Log2(float64(i + 2))
			if old, ok := costs[word]; !ok || cost < old {
				costs[word] = cost
			}
		}
	}
	return costs
})

// ranks gives the words that are known of somebody the cost of a first guess.
func ranks(known []string) map[string]float64 {
	own := map[string]float64{}
	for _, text := range slices.Concat(known, product) {
		text = strings.ToLower(text[:min(len(text), 200)])
		own[text] = 1
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			own[word] = 1
		}
	}
	return own
}
