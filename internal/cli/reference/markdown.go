package main

import (
	"regexp"
	"strings"
)

// width is how long the lines of prose are.
const width = 120

var (
	// literal finds what is shown as code: what is in single quotes, flags, and names of variables.
	literal = regexp.MustCompile(`\B'[^'\n]*'\B|\B--[a-z][a-z-]*[a-z]|\B-[A-Za-z]\b|\$?\b[A-Z]+(_[A-Z]+)+\b(\.\.\.)?`)
	// special finds what Markdown, or a site that shows it, would take for more than text.
	special = regexp.MustCompile("[\\\\`*_\\[\\]<>#~&$]")
	// bullet is a word that would begin a list where a line begins with it.
	bullet = regexp.MustCompile(`^(\d*)([-+.)])$`)

	numbered = regexp.MustCompile(`^\d+\. `)
	columns  = regexp.MustCompile(`^ *(\S.*?) {2,}(\S.*)$`)
)

// code returns text as code.
func code(text string) string {
	return "`" + text + "`"
}

// cell returns Markdown as it stands in a table.
func cell(markdown string) string { return strings.ReplaceAll(markdown, "|", `\|`) }

// inline turns a line of help into Markdown.
func inline(text string) string {
	var b strings.Builder
	end := 0
	for _, found := range literal.FindAllStringIndex(text, -1) {
		b.WriteString(escape(text[end:found[0]]))
		b.WriteString(quoted(text[found[0]:found[1]]))
		end = found[1]
	}
	b.WriteString(escape(text[end:]))
	return b.String()
}

// quoted returns a literal as code, with a link if it names a topic. Two quotes with nothing in them stand for themselves.
func quoted(text string) string {
	if text == "''" {
		return code(text)
	}
	text = strings.Trim(text, "'")
	if topic, ok := strings.CutPrefix(text, "backstay help "); ok && !strings.HasPrefix(topic, "BST-") { // which have no page: errors.md has them all
		return "[" + code(text) + "](" + topic + ".md)"
	}
	return code(text)
}

func escape(text string) string { return special.ReplaceAllString(text, `\$0`) }

// prose turns a help text into Markdown: paragraphs, and lists where the text is indented.
func prose(text string) string {
	var b strings.Builder
	var lines []string
	end := func() {
		if len(lines) == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(block(lines))
		lines = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		if line == "" || len(lines) > 0 && indented != strings.HasPrefix(lines[0], "  ") {
			end()
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	end()
	return b.String()
}

// block turns lines that belong together into Markdown: a paragraph, a list by numbers, or a list of names with their meaning.
func block(lines []string) string {
	var b strings.Builder
	var items []string
	if !strings.HasPrefix(lines[0], "  ") {
		return wrap(inline(strings.Join(lines, " ")), "")
	}
	for _, line := range lines {
		text := strings.TrimSpace(line)
		switch {
		case numbered.MatchString(text):
			number, rest, _ := strings.Cut(text, " ")
			items = append(items, number+" "+inline(rest))
		case columns.MatchString(line):
			found := columns.FindStringSubmatch(line)
			items = append(items, "- "+code(strings.ReplaceAll(found[1], ", ", "`, `"))+": "+inline(found[2]))
		default:
			items[len(items)-1] += " " + inline(text)
		}
	}
	for _, item := range items {
		b.WriteString(wrap(item, strings.Repeat(" ", strings.Index(item, " ")+1)))
	}
	return b.String()
}

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
			word = bullet.ReplaceAllString(word, `$1\$2`)
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String() + "\n"
}

// unindent takes the two spaces away with which the lines of an example begin.
func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}
