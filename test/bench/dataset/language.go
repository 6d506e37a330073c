package dataset

import (
	"math"
	"math/rand/v2"
	"strings"
)

// language is a made-up language: words whose frequency falls with their rank as in any real one (Zipf), and of which
// some like to follow each other (a Markov chain of the first order), so that compressors find in it about what they
// find in prose. Its identifiers are what programmers make of such words.
type language struct {
	words       []string
	follow      [][16]uint16 // the words that like to follow a word, the most liked first
	identifiers []string
	wordRank    ranks
	nameRank    ranks
}

// ranks draws numbers from 0 on with falling frequency: a table is a hundred times faster than computing.
type ranks []uint16

// newRanks draws below n; the k-th number comes with a frequency of 1/(k+q).
func newRanks(n int, q float64) ranks {
	var sum float64
	for k := range n {
		sum += 1 / (float64(k) + q)
	}
	table := make(ranks, 0, 1<<16)
	for k := range n {
		share := 1 / (float64(k) + q) / sum
		for range int(math.Ceil(share * (1 << 16))) {
			table = append(table, uint16(k))
		}
	}
	return table
}

func (t ranks) draw(r *rand.Rand) int { return int(t[r.IntN(len(t))]) }

func newLanguage(seed uint64) *language {
	const words, identifiers = 6000, 4000
	r := rand.New(rand.NewPCG(seed, 3))
	l := &language{wordRank: newRanks(words, 2.7), nameRank: newRanks(identifiers, 4)}
	for len(l.words) < words {
		l.words = append(l.words, newWord(r, 1+min(2, len(l.words)/150)))
	}
	for range words {
		var next [16]uint16
		for i := range next {
			next[i] = uint16(l.wordRank.draw(r))
		}
		l.follow = append(l.follow, next)
	}
	for len(l.identifiers) < identifiers {
		l.identifiers = append(l.identifiers, l.newIdentifier(r))
	}
	return l
}

// newWord has 1 to syllables syllables: frequent words are short.
func newWord(r *rand.Rand, syllables int) string {
	starts := strings.Fields("b c ch d f g h j k l m n p r s st t th tr v w br pl sh")
	middles := strings.Fields("a e i o u a e i o ea ou ai oo io")
	ends := []string{"", "", "n", "r", "s", "t", "l", "nd", "ng", "m"}
	var b strings.Builder
	for range 1 + r.IntN(syllables) {
		b.WriteString(starts[r.IntN(len(starts))] + middles[r.IntN(len(middles))] + ends[r.IntN(len(ends))])
	}
	return b.String()
}

func (l *language) newIdentifier(r *rand.Rand) string {
	name := l.words[l.wordRank.draw(r)]
	for range r.IntN(3) {
		name += capital(l.words[l.wordRank.draw(r)])
	}
	return name
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// after draws the word that comes after another: one time in five one that likes to.
func (l *language) after(r *rand.Rand, word int) int {
	if d := r.IntN(100); d < 20 {
		return int(l.follow[word][d*d/24]) // 19²/24 is below 16
	}
	return l.wordRank.draw(r)
}

// sentence appends n words with spaces between.
func (l *language) sentence(b []byte, r *rand.Rand, n int) []byte {
	word := l.wordRank.draw(r)
	for i := range n {
		if i > 0 {
			b = append(b, ' ')
			word = l.after(r, word)
		}
		b = append(b, l.words[word]...)
	}
	return b
}

// prose is paragraphs of sentences.
func (l *language) prose(r *rand.Rand) func(b []byte) []byte {
	return func(b []byte) []byte {
		for range 3 + r.IntN(5) {
			start := len(b)
			b = l.sentence(b, r, 5+r.IntN(15))
			b[start] -= 'a' - 'A'
			b = append(b, ". "...)
		}
		return append(b, "\n\n"...)
	}
}
