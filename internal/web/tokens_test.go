package web_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pair is a colour on a ground, with the contrast that it needs.
type pair struct {
	colour, grounds string
	least           float64
}

const (
	forText   = 4.5 // WCAG 1.4.3
	forShapes = 3   // WCAG 1.4.11: borders, icons, bars, rings
	softs     = "accent-soft ok-soft warn-soft fail-soft idle-soft lock-soft"
)

// pairs are how the colours of the pages are used. A colour that is in none of them, and no ground of one, is only decoration.
var pairs = []pair{
	{"text", "bg surface sunken hover " + softs, forText},
	{"muted", "bg surface sunken hover " + softs, forText},
	{"accent", "bg surface hover accent-soft", forText},
	{"accent-hover", "bg surface hover accent-soft", forText},
	{"accent-fg", "accent accent-hover", forText},
	{"tblr-danger-fg", "tblr-danger tblr-danger-darken", forText},
	{"ok", "bg surface hover sunken ok-soft", forText},
	{"warn", "bg surface hover sunken warn-soft", forText},
	{"fail", "bg surface hover sunken fail-soft", forText},
	{"idle", "bg surface hover sunken idle-soft", forText},
	{"lock", "bg surface hover sunken lock-soft", forText},
	{"control", "bg surface sunken", forShapes},
	{"accent", "sunken idle-soft", forShapes},
	{"ok-solid", "surface bg sunken idle-soft", forShapes},
	{"warn-solid", "surface bg sunken idle-soft", forShapes},
	{"fail-solid", "surface bg sunken idle-soft", forShapes},
	{"idle-solid", "surface bg sunken idle-soft", forShapes},
	{"lock-solid", "surface bg sunken idle-soft", forShapes},
}

// decoration is what nobody has to see.
const decoration = "line"

var tokens = regexp.MustCompile(`--(b-[a-z-]+|tblr-danger[a-z-]*):\s*light-dark\((#[0-9a-f]+),\s*(#[0-9a-f]+)\)`)

// colours are those of the style sheet in both themes, by their role.
func colours(t *testing.T) map[string][2]string {
	t.Helper()
	css, err := os.ReadFile("static/backstay.css")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]string{}
	for _, m := range tokens.FindAllStringSubmatch(string(css), -1) {
		all[strings.TrimPrefix(m[1], "b-")] = [2]string{m[2], m[3]}
	}
	return all
}

// luminance is that of WCAG 2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	hex := strings.TrimPrefix(colour, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 24)
	if err != nil || len(hex) != 6 {
		t.Fatalf("%q is no colour", colour)
	}
	sum := 0.0
	for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
		c := float64(n>>(8*i)&0xff) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestEveryColourHasItsContrastInBothThemes(t *testing.T) {
	all, used := colours(t), map[string]bool{}
	for _, word := range strings.Fields(decoration) {
		used[word] = true
	}
	for _, p := range pairs {
		for _, ground := range strings.Fields(p.grounds) {
			used[p.colour], used[ground] = true, true
			for i, theme := range []string{"light", "dark"} {
				if all[p.colour][i] == "" || all[ground][i] == "" {
					t.Fatalf("there is no colour %s or %s", p.colour, ground)
				}
				if got := contrast(t, all[p.colour][i], all[ground][i]); got < p.least {
					t.Errorf("%s on %s in the %s theme has a contrast of %.2f, want %.1f", p.colour, ground, theme, got, p.least)
				}
			}
		}
	}
	for role := range all {
		if !used[role] {
			t.Errorf("the colour %s has no row that says on which ground it is used", role)
		}
	}
	// The formula, by the examples of the standard.
	if black := contrast(t, "#000", "#ffffff"); math.Abs(black-21) > 0.001 || math.Abs(contrast(t, "#777777", "#fff")-4.478) > 0.001 {
		t.Errorf("black on white has a contrast of %f", black)
	}
}
