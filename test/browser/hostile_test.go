package browser_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/test/browser"
	"github.com/backstay/backstay/test/browser/example"
)

// attacks are what people and files may be called by somebody who wants their script to run in the page of another. Each would set a variable.
var attacks = []string{
	`<script>hacked=1</script>`, `<img src=x onerror=hacked=1>`, `<svg onload=hacked=1>`, `<body onload=hacked=1>`, `<details open ontoggle=hacked=1>`,
	`<video><source onerror=hacked=1>`, `<math><mtext><script>hacked=1</script>`, `<input autofocus onfocus=hacked=1>`, `<a href="javascript:hacked=1">x</a>`,
	`<form action=javascript:hacked=1><button>x`, `<object data=javascript:hacked=1>`, `<iframe srcdoc="<script>parent.hacked=1</script>">`,
	`<base href=//evil.invalid/>`, `<link rel=stylesheet href=//evil.invalid/x.css>`, `<style>@import'//evil.invalid/x'</style>`,
	`<p style=background:url(//evil.invalid/x)>`, `<meta http-equiv=refresh content=0;url=//evil.invalid>`, `<p hx-get=/hacked hx-trigger=load>`, `<p hx-on:load="hacked=1">`,
	`<template shadowrootmode=open><script>hacked=1</script>`, ` " onmouseover="hacked=1`, ` ' autofocus onfocus='hacked=1`, `x onpointerenter=hacked=1 y`,
	`javascript:hacked=1`, `data:text/html,<script>hacked=1</script>`, `{{"<script>hacked=1</script>"}}`, `{{.}}{{template "page"}}`, `${hacked=1}`,
	`{{constructor.constructor('hacked=1')()}}`, `<%= hacked = 1 %>`, `&lt;script&gt;hacked=1&lt;/script&gt;`, `&#60;img src=x onerror=hacked=1&#62;`,
	`\u003cscript\u003ehacked=1\u003c/script\u003e`, `%3Cscript%3Ehacked=1%3C/script%3E`, `+ADw-script+AD4-hacked=1+ADw-/script+AD4-`, `"+(hacked=1)+"`, `';hacked=1;'`,
	`مرحبا بالعالم עברית`, `👩🏽🚒 Z̶̡͝ä̷l̸g̶o̵ ﷽`, `../../../etc/passwd; rm -rf $(hacked=1)`,
}

// around is where they may land: in a text, in a value with quotes, in an element that takes none, in a comment.
var around = []string{`%s`, `">%s`, `'>%s`, `</title></textarea>%s`, `-->%s`}

// hostile are 200 names. None has more than the hundred bytes that a name may have, so some end early, as a browser would mend them.
func hostile() (all []string) {
	for _, a := range around {
		for _, attack := range attacks {
			name := strings.TrimSpace(fmt.Sprintf(a, attack))
			all = append(all, strings.ToValidUTF8(name[:min(len(name), 100)], ""))
		}
	}
	return append(all[:199], strings.Repeat("W", 100))
}

// fileNames may have what names of things may not: line breaks, what turns the direction of writing, and what has no width. No file has a slash.
func fileNames() (all []string) {
	for i, name := range hostile()[:80] {
		name = strings.ReplaceAll(name, "/", "")
		all = append(all, name+[]string{"", "\n", "\u202e", "\u200b", "\x1b[31m", "\u2066"}[i%6]+".txt")
	}
	return all
}

func TestHostileNamesAreShownAndDoNothing(t *testing.T) {
	names := hostile()
	next := 0
	s, e := filled(t, func(e *example.Site) {
		e.Files = fileNames()
		e.Name = func(string) string {
			next++
			return names[next-1]
		}
	})
	for _, name := range names {
		a := s.Owner.Ask(t, "POST", "/groups", map[string]any{"name": name, "help": name, "members": []string{}})
		if a.Status >= 300 && a.Status != http.StatusConflict { // of the example
			t.Fatalf("a group %q = %d %s", name, a.Status, a.Body)
		}
	}
	s.Owner.Patch(t, "/settings", map[string]string{"name": names[0]}, nil)
	s.Owner.Patch(t, "/profile", map[string]string{"name": names[1]}, nil)
	s.Owner.Patch(t, "/plans/"+e.IDs["/plans"][0], map[string]any{"excludes": names[:20]}, nil)
	c := newCrawl(t, s.Owner, "/")
	var mu sync.Mutex
	shown := map[string]bool{}
	t.Run("page", func(t *testing.T) {
		for _, pattern := range slices.Sorted(maps.Keys(c.pages)) {
			t.Run(strings.ReplaceAll(pattern, "/", " "), func(t *testing.T) {
				t.Parallel()
				p := browser.Start(t, s.URL)
				p.SignIn(s.Owner.Cookies(t))
				for _, address := range c.pages[pattern][:min(len(c.pages[pattern]), 6)] {
					p.Open(address)
					harmless(t, p)
					text := strings.Join(strings.Fields(p.Text()), " ")
					mu.Lock()
					for _, name := range names {
						if strings.Contains(text, strings.Join(strings.Fields(name), " ")) {
							shown[name] = true
						}
					}
					mu.Unlock()
				}
			})
		}
	})
	for _, name := range names {
		if !shown[name] {
			t.Errorf("no page shows %q as it is", name)
		}
	}
}

// harmless fails the test if something of a name became part of the page.
func harmless(t *testing.T, p *browser.Page) {
	t.Helper()
	for what, found := range map[string]string{
		"a script ran":                   `"hacked" in window`,
		"an element has a handler":       `[...document.querySelectorAll("*")].some((e) => [...e.attributes].some((a) => a.name.startsWith("on") || a.name.startsWith("hx-on")))`,
		"a script is in the page":        `[...document.scripts].some((s) => !s.src.includes("/static/"))`,
		"a style is in the page":         `document.querySelector("style, [style]") !== null`,
		"an address is a script":         `[...document.querySelectorAll("[href], [src], [action], [data]")].some((e) => /^\\s*(javascript|data:text)/i.test(e.getAttribute("href") ?? e.getAttribute("src") ?? e.getAttribute("action") ?? e.getAttribute("data")))`,
		"an element came that none made": `document.querySelector("base, iframe, object, embed, video, math, template[shadowrootmode]") !== null`,
	} {
		if p.Evaluate(found) != "false" {
			t.Errorf("%s: %s", p.URL(), what)
		}
	}
}
