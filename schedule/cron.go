package schedule

import (
	"strconv"
	"strings"
)

// field is one of the five of a cron expression.
type field struct {
	name     string
	min, max int
	words    []string // names of the values, from min on
}

var (
	weekdayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	monthNames   = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
		"november", "december"}

	cronFields = [5]field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, monthNames},
		{"day of the week", 0, 7, weekdayNames}, // 0 and 7 are Sunday
	}
	cronWords = map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	}
)

// parseCron reads five fields of lists of values, ranges and steps, as Vixie cron does, or a word for them. Day L is the last of the
// month. If both the day of the month and that of the week are given, which means that they don't begin with "*", a day needs one of them;
// otherwise both, of which the one with the "*" is as a rule all days.
func parseCron(expression string) (pattern, *Error) {
	texts := strings.Fields(expression)
	if len(texts) == 1 && cronWords[strings.ToLower(texts[0])] != "" {
		texts = strings.Fields(cronWords[strings.ToLower(texts[0])])
	}
	if len(texts) != len(cronFields) {
		return pattern{}, errorf("cron", "%q: want five fields (minute, hour, day of the month, month, day of the week), "+
			"or one of @hourly, @daily, @weekly, @monthly, @yearly", expression)
	}
	var p pattern
	var sets [5]uint64
	for i, f := range cronFields {
		var problem string
		if sets[i], problem = f.parse(strings.ToLower(texts[i])); problem != "" {
			return pattern{}, errorf("cron", "%s %q: %s", f.name, texts[i], problem)
		}
	}
	for hour := range p.minutes {
		p.minutes[hour] = sets[0] * (sets[1] >> hour & 1)
	}
	p.days, p.months, p.weekdays = sets[2], sets[3], sets[4]&allWeekdays|sets[4]>>7
	p.either = texts[2][0] != '*' && texts[4][0] != '*'
	p.fine = strings.ContainsAny(texts[1], "*/") || sets[1] == 1<<24-1
	return p, nil
}

// parse returns the set of the values of a list, or what is wrong with it.
func (f field) parse(list string) (set uint64, problem string) {
	for part := range strings.SplitSeq(list, ",") {
		if part == "l" && f.max == 31 {
			set |= lastDay
			continue
		}
		from, to, step, problem := f.parsePart(part)
		if problem != "" {
			return 0, problem
		}
		for value := from; value <= to; value += step {
			set |= 1 << value
		}
	}
	return set, ""
}

// parsePart reads "*", a value or a range, and a step behind it.
func (f field) parsePart(part string) (from, to, step int, problem string) {
	part, stepText, stepped := strings.Cut(part, "/")
	step = 1
	if stepped {
		if step = number(stepText); step < 1 || step > f.max {
			return 0, 0, 0, "want a step from 1 to " + strconv.Itoa(f.max) + " after \"/\""
		}
	}
	first, last, isRange := strings.Cut(part, "-")
	switch {
	case part == "*":
		return f.min, f.all(), step, ""
	case isRange:
		from, to = f.value(first), f.value(last)
	case stepped:
		from, to = f.value(first), f.all()
	default:
		from = f.value(first)
		to = from
	}
	if f.max == 7 && from > to && to == 0 {
		to = 7 // a week may end with Sunday
	}
	if from < 0 || to < 0 {
		return 0, 0, 0, "want " + f.want()
	}
	if from > to {
		return 0, 0, 0, "the range ends before it begins"
	}
	return from, to, step, ""
}

// all is the last value of "*": Sunday is not in it twice, or steps would count it.
func (f field) all() int {
	if f.max == 7 {
		return 6
	}
	return f.max
}

// value returns a number in the field's range or the number of a name; -1 if it is neither.
func (f field) value(text string) int {
	if n := number(text); n >= f.min && n <= f.max {
		return n
	}
	return f.named(text)
}

// named returns the number of a name, which may be cut to three letters; -1 if there is none.
func (f field) named(text string) int {
	for i, word := range f.words {
		if text == word || text == word[:3] {
			return f.min + i
		}
	}
	return -1
}

func (f field) want() string {
	want := "numbers from " + strconv.Itoa(f.min) + " to " + strconv.Itoa(f.max)
	switch {
	case f.words != nil:
		want += " or names such as " + f.words[1][:3]
	case f.max == 31:
		want += " or L for the last"
	}
	return want + ", in lists (1,3), ranges (1-5) and steps (*/2)"
}

// number reads one or two digits; -1 if there is anything else.
func number(text string) int {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || len(text) > 2 {
		return -1
	}
	return int(n)
}
