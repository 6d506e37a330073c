// Page writes docs/errors.md from the list of errors, so that each code can be looked up.
//
// The invariant: the page follows from the list alone, so that it can be compared with the one in the tree.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/backstay/backstay/internal/doctor"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: page FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// parts are the headings, by the digit that codes begin with.
var parts = map[string]string{
	"1": "What was asked for, and how it ended",
	"2": "Repositories",
	"3": "Storages, and the way to them",
	"4": "Sources and restores",
	"5": "The machine",
	"6": "People and rights",
	"7": "Plans, runs and schedules",
	"8": "Notifications",
	"9": "The server's own data",
}

const intro = `# Errors

Each error has a code that keeps its meaning in all versions. Here is what it means, what is still safe, and what to do. Start with the
first thing to do; what comes after it helps where that didn't.
`

const outro = `
This page is made from internal/doctor by ` + "`make docs`" + `: change the list there, not the page.
`

// page returns the whole page.
func page() string {
	var list, text strings.Builder
	part := ""
	for _, e := range doctor.Entries() {
		if digit := e.Code[4:5]; digit != part {
			part = digit
			fmt.Fprintf(&list, "\n%s:\n\n", parts[part])
			fmt.Fprintf(&text, "\n## %s\n", parts[part])
		}
		fmt.Fprintf(&list, "- [%s](#%s) %s\n", e.Code, strings.ToLower(e.Code), inline(e.Title))
		text.WriteString(section(e))
	}
	return intro + list.String() + text.String() + outro
}

// section returns what stands about one error.
func section(e doctor.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", e.Code)
	b.WriteString(wrap(fmt.Sprintf("**%s.** %s", inline(e.Title), inline(e.Cause)), "") + "\n")
	b.WriteString(wrap("Still safe: "+inline(e.Safe), "") + "\n")
	for _, a := range e.Next {
		b.WriteString(wrap("- "+inline(a.Text), "  "))
	}
	if e.Guide != "" {
		fmt.Fprintf(&b, "\nSee also: [%s](%s)\n", label(e.Guide), e.Guide)
	}
	return b.String()
}

// label names a section of a guide, or a whole one.
func label(guide string) string {
	if _, anchor, ok := strings.Cut(guide, "#"); ok {
		return strings.ReplaceAll(anchor, "-", " ")
	}
	return strings.TrimSuffix(strings.TrimSuffix(guide, ".md"), "/README")
}

// literal finds what is shown as code: what is in single quotes, and flags.
var literal = regexp.MustCompile(`\B'[^'\n]*'\B|\B--[a-z][a-z-]*[a-z]`)

// inline turns a sentence into Markdown. The texts have no character that means something there, which a test checks.
func inline(text string) string {
	return literal.ReplaceAllStringFunc(text, func(found string) string { return "`" + strings.Trim(found, "'") + "`" })
}

// width is how long lines are.
const width = 120

// wrap breaks Markdown into lines, of which all but the first begin with the indentation.
func wrap(markdown, indentation string) string {
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(markdown) {
		switch {
		case length == 0:
		case length+1+len(word) > width:
			b.WriteString("\n" + indentation)
			length = len(indentation)
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String() + "\n"
}
