package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// icon is the picture of a name, for those who see; words stand beside it.
func icon(name string, class ...string) (html, error) {
	path, err := assetPath("icons.svg")
	if err != nil {
		return "", err
	}
	return html(fmt.Sprintf(`<svg class="%s" aria-hidden="true"><use href="%s#i-%s"/></svg>`, //nolint:gosec // escaped or of the program
		template.HTMLEscapeString(strings.Join(append([]string{"b-icon"}, class...), " ")), path, template.HTMLEscapeString(name))), nil
}

// pill is a state in a tone, with its icon and word.
type pill struct {
	Tone, Icon, Word string
	Plain            bool // without a ground, as in tables
}

// states are how a run's state looks.
var states = map[backstay.RunState]pill{
	backstay.Pending:   {"idle", "pending", "Pending", false},
	backstay.Running:   {"run", "run", "Running", false},
	backstay.Succeeded: {"ok", "ok", "Succeeded", false},
	backstay.RanPartly: {"warn", "partial", "Partial", false},
	backstay.Warned:    {"warn", "warn", "Warning", false},
	backstay.RunFailed: {"fail", "fail", "Failed", false},
	backstay.Stopped:   {"idle", "cancel", "Cancelled", false},
	backstay.Missed:    {"warn", "missed", "Missed", false},
}

// statePill is how a run's state looks.
func statePill(s backstay.RunState) pill { return states[s] }

// healthPill is how a snapshot's health looks.
func healthPill(h backstay.Health) pill {
	switch h {
	case backstay.HealthGood:
		return pill{"ok", "ok", "Good", true}
	case backstay.HealthDamaged:
		return pill{"fail", "fail", "Damaged", true}
	case backstay.HealthRepaired:
		return pill{"warn", "partial", "Repaired", true}
	case backstay.HealthGone:
		return pill{"fail", "cancel", "Gone", true}
	}
	return pill{"idle", "pending", "Unverified", true}
}

// severityPill is how an event's severity looks.
func severityPill(s backstay.Severity) pill {
	switch s {
	case backstay.SeverityWarning:
		return pill{"warn", "warn", "Warning", false}
	case backstay.SeverityError:
		return pill{"fail", "fail", "Error", false}
	case backstay.SeverityCritical:
		return pill{"fail", "fail", "Critical", false}
	}
	return pill{"idle", "help", "Information", false}
}

// kinds are what runs are called.
var kinds = map[backstay.RunKind]string{
	backstay.RunBackup: "Backup", backstay.RunRestore: "Restore", backstay.RunVerification: "Verification", backstay.RunCopy: "Copy", backstay.RunForget: "Apply retention",
	backstay.RunPrune: "Free space", backstay.RunCatalogue: "Catalogue", backstay.RunServer: "Backup of the server", backstay.RunExtension: "Extend object lock",
}

// kindWord is what runs of a kind are called.
func kindWord(k backstay.RunKind) string {
	if word, ok := kinds[k]; ok {
		return word
	}
	return string(k)
}

// bytesText is a size with its unit, in steps of 1000 as disks are sold.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	size, unit := float64(n), 0
	for size >= 999.5 && unit < len(units)-1 {
		size, unit = size/1000, unit+1
	}
	digits := 0
	if unit > 0 && size < 99.95 {
		digits = 1
	}
	return strconv.FormatFloat(size, 'f', digits, 64) + nbsp + units[unit]
}

// countText groups the digits of a number.
func countText[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var out []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return sign + string(out)
}

// whole is an integer of a template.
func whole(n any) (int64, error) {
	switch n := n.(type) {
	case int:
		return int64(n), nil
	case int64:
		return n, nil
	}
	return 0, fmt.Errorf("%T is no whole number", n)
}

// numberText is countText for templates.
func numberText(n any) (string, error) {
	count, err := whole(n)
	return countText(count), err
}

// plural is counted for templates.
func plural(n any, one, many string) (string, error) {
	count, err := whole(n)
	return counted(count, one, many), err
}

// counted is a number with the word for one or for many.
func counted[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1" + nbsp + one
	}
	return countText(n) + nbsp + many
}

// spanText is a duration in its two greatest units.
func spanText(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + nbsp + "ms"
	}
	units := []struct {
		size time.Duration
		word string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var out []string
	for i, u := range units {
		if n := d / u.size; n > 0 || len(out) > 0 {
			if n > 0 {
				out = append(out, strconv.FormatInt(int64(n), 10)+nbsp+u.word)
			}
			if d -= n * u.size; len(out) == 2 || len(out) == 1 && i > 0 && units[i-1].size <= d {
				break
			}
		}
		if len(out) == 2 {
			break
		}
	}
	return strings.Join(out, " ")
}

// when is a moment as the person reads it: the day and the time in their zone.
func (v *visit) when(t time.Time) html {
	if t.IsZero() {
		return "never"
	}
	return v.moment(t, v.day(t)+", "+t.In(v.zone).Format("15:04"))
}

// whenExact is a moment to the second.
func (v *visit) whenExact(t time.Time) html {
	return v.moment(t, v.day(t)+", "+t.In(v.zone).Format("15:04:05"))
}

// ago is how long ago or ahead a moment is, with the exact one for those who point at it or hear the page.
func (v *visit) ago(t time.Time) html {
	if t.IsZero() {
		return "never"
	}
	d := v.App.Clock.Now().Sub(t)
	switch {
	case d < -time.Minute:
		return v.moment(t, "in "+spanText((-d).Round(time.Minute)))
	case d < time.Minute:
		return v.moment(t, "just now")
	}
	return v.moment(t, spanText(d.Round(time.Minute))+" ago")
}

func (v *visit) moment(t time.Time, text string) html {
	t = t.In(v.zone)
	return html(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.Format(time.RFC3339), t.Format("Monday 2 January 2006, 15:04:05 MST"), template.HTMLEscapeString(text))) //nolint:gosec // escaped, or digits
}

// day is a day as people say it: with the year where it is another one.
func (v *visit) day(t time.Time) string {
	t = t.In(v.zone)
	if t.Year() == v.App.Clock.Now().In(v.zone).Year() {
		return t.Format("Mon 2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// upper begins with a capital.
func upper(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	return strings.ToUpper(string(r[0])) + string(r[1:])
}

// parseSize reads a size with a unit, such as "2 TB" or "500GiB"; 0 where nothing was entered.
func parseSize(s string) (bytes int64, ok bool) {
	s = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(s, nbsp, " ")))
	if s == "" {
		return 0, true
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz ")
	unit := strings.TrimSuffix(strings.TrimSpace(s[len(digits):]), "b")
	factor, base := 1.0, 1000.0
	if strings.HasSuffix(unit, "i") {
		unit, base = strings.TrimSuffix(unit, "i"), 1024
	}
	if unit != "" {
		i := strings.Index("kmgtpe", unit)
		if i < 0 || len(unit) != 1 {
			return 0, false
		}
		for range i + 1 {
			factor *= base
		}
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64)
	if size := n * factor; err == nil && size >= 0 && size < 1<<62 {
		return int64(size), true
	}
	return 0, false
}

// sizeValue is a size as parseSize reads it, exactly; "" for none.
func sizeValue(n int64) string {
	if n == 0 {
		return ""
	}
	units := []string{"", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for i < len(units)-1 && n%1000 == 0 {
		n, i = n/1000, i+1
	}
	return strings.TrimSpace(strconv.FormatInt(n, 10) + " " + units[i])
}

// numberValue is a number in a field; "" for none.
func numberValue(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
