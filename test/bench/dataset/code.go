package dataset

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// statements are pieces of source text. % stands for one of few names, @ for one of many, ^ for the latter with a
// capital, ~ for some words, # for a number.
func statements() []string {
	return []string{
		"func (% *^) ^(ctx context.Context, % string) (*^, error) {\n",
		"func ^(% []byte, % int) error {\n",
		"\tif err != nil {\n\t\treturn nil, fmt.Errorf(\"~ %q: %w\", %, err)\n\t}\n",
		"\tif err != nil {\n\t\treturn err\n\t}\n",
		"\tif err := %.^(ctx, %); err != nil {\n\t\treturn err\n\t}\n",
		"\t%, err := @.^(%)\n",
		"\tfor i, % := range %.@ {\n\t\t% = append(%, @(%, i))\n\t}\n",
		"\tdefer %.Unlock()\n\t%.Lock()\n",
		"\tswitch %.@ {\n\tcase @.^:\n\t\treturn %\n\tdefault:\n\t\tpanic(\"~\")\n\t}\n",
		"\treturn &^{@: %, @: #}, nil\n}\n\n",
		"\treturn nil\n}\n\n",
		"// ^ ~.\n// ~.\n",
		"\t// ~\n",
		"type ^ struct {\n\t@ string\n\t@ int64\n\t@ map[string]*^\n}\n\n",
		"const % = \"~\"\n",
		"var % = []string{\"@\", \"@\", \"@\"}\n",
		"\tt.Run(\"~\", func(t *testing.T) {\n\t\tgot := @(%, #)\n\t\tif got != % {\n\t\t\tt.Errorf(\"@(%v) = %v, want %v\", %, got, %)\n\t\t}\n\t})\n",
		"export function @(%, %) {\n  const % = require('./@');\n  return %.@(%);\n}\n\n",
		"  if (typeof % === 'undefined') {\n    throw new TypeError('~');\n  }\n",
		"  const { @, @ } = this.props.%;\n",
		"  this.@ = this.@.bind(this);\n",
		"  %.forEach(% => {\n    %.push(%.@);\n  });\n",
		"    %->@ = @(%, sizeof(*%), #);\n",
		"    if (% == NULL)\n        return -^;\n",
		"#include \"@.h\"\n",
		"static int @(struct @ *%, int %)\n{\n",
		"    \"@\": \"^#.#.0\",\n",
		"        self.@ = %.get('@', #)\n",
		"    def @(self, %, %=None):\n        \"\"\"~.\"\"\"\n",
	}
}

// code returns a kind that is source text: statements in no order, but with names that come again and again for a while.
func (l *language) code() kind {
	all := statements()
	frequent := newRanks(len(all), 3)
	return func(r *rand.Rand) func(b []byte) []byte {
		names := make([]string, 36)
		for i := range names {
			names[i] = l.identifiers[l.nameRank.draw(r)]
		}
		shift := r.IntN(len(all)) // each file has other statements that it prefers
		return func(b []byte) []byte {
			if r.IntN(12) == 0 {
				names[r.IntN(len(names))] = l.identifiers[l.nameRank.draw(r)]
			}
			return l.expand(b, r, all[(frequent.draw(r)+shift)%len(all)], names)
		}
	}
}

// expand appends a statement with names, words and numbers put in.
func (l *language) expand(b []byte, r *rand.Rand, statement string, names []string) []byte {
	for {
		i := strings.IndexAny(statement, "%@^~#")
		if i < 0 {
			return append(b, statement...)
		}
		b = append(b, statement[:i]...)
		switch statement[i] {
		case '%':
			b = append(b, names[min(r.IntN(12), r.IntN(12))]...)
		case '@':
			b = append(b, names[r.IntN(len(names))]...)
		case '^':
			start := len(b)
			b = append(b, names[r.IntN(len(names))]...)
			b[start] -= 'a' - 'A'
		case '~':
			b = l.sentence(b, r, 2+r.IntN(4))
		case '#':
			b = strconv.AppendInt(b, int64(r.IntN(100)), 10)
		}
		statement = statement[i+1:]
	}
}
