package app

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Text is the kit as a file to print or to keep: what is to be typed stands in lines of its own.
func (k RecoveryKit) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "RECOVERY KIT of %s, version %d, made %s by %s\n\n", k.Server, k.Version, k.Made.Format(time.DateOnly), k.By)
	b.WriteString("With it your backups are restored without the server. Whoever has it can read them: keep it locked away, and not\nwhere the backups are. Make a new one when repositories were added or moved,\nor the key of the server is a new one.\n")
	if len(k.Keys) > 0 {
		fmt.Fprintf(&b, "\nThe server itself\n\n   %s\n\n", k.ServerHelp())
		for _, line := range k.ServerCommands() {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	for i, e := range k.Entries {
		fmt.Fprintf(&b, "\n%d. Repository %s of project %s\n\n", i+1, e.Name, e.Project)
		fmt.Fprintf(&b, "   Location: %s\n   Password: %s\n", e.Location, e.Password)
		for _, s := range e.Settings {
			fmt.Fprintf(&b, "   %s: %s\n", s.Title, s.Shown())
		}
		b.WriteString("\n   In a terminal, with restic (https://restic.net):\n\n")
		for _, line := range e.Commands("restic") {
			fmt.Fprintf(&b, "      %s\n", line)
		}
		b.WriteString("\n   Or with backstay, in the same way:\n\n")
		for _, line := range e.Commands("backstay") {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

// ServerHelp says what the key is for.
func (k RecoveryKit) ServerHelp() string {
	if k.Own == nil {
		return "No repository is chosen for the backups of its settings, so that a new server has to be set up by hand. The file secret.key of this one holds:"
	}
	return "Its people, plans and secrets are backed up to the repository " + k.Own.Name + ". In an empty folder they become a new server:"
}

// ServerCommands are what is typed to make a new server of the backup of this one.
func (k RecoveryKit) ServerCommands() []string {
	if k.Own == nil {
		return k.Keys
	}
	return append(k.Own.environment(), `(umask 077 && printf '%s\n' `+strings.Join(k.Keys, " ")+" > server-key.txt)", "backstay -r "+quoted(k.Own.Location)+" server restore --key server-key.txt --data server")
}

// Shown is a setting as a person reads it.
func (s KitSetting) Shown() string {
	switch {
	case s.Secret && s.Value == "" && s.Env != "":
		return "secret, and not in this kit; give it as " + s.Env
	case s.Secret && s.Value == "":
		return "secret, and not in this kit"
	}
	return s.Value
}

// Commands are what is typed to list the snapshots and to restore the newest one.
func (e KitEntry) Commands(program string) (lines []string) {
	return append(e.environment(), program+" -r "+quoted(e.Location)+" snapshots",
		program+" -r "+quoted(e.Location)+" restore latest --target restored")
}

// environment are the lines that let a program open the repository.
func (e KitEntry) environment() (lines []string) {
	for _, s := range e.Settings {
		if s.Env != "" && s.Value != "" {
			lines = append(lines, "export "+s.Env+"="+quoted(s.Value))
		}
	}
	return append(lines, "export RESTIC_PASSWORD="+quoted(e.Password))
}

// quoted is a text as shells take it literally.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Page is the kit as a page to print. It needs nothing from elsewhere, and runs nothing.
func (k RecoveryKit) Page() (string, error) {
	var b strings.Builder
	err := kitPage.Execute(&b, k)
	return b.String(), err
}

var kitPage = template.Must(template.New("kit").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Recovery kit of {{.Server}}, version {{.Version}}</title>
<style>
body { font: 11pt/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
section { break-inside: avoid; border-top: 1px solid #888 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem } dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
code, pre { font: 10pt/1.5 ui-monospace, monospace } pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f3f3f3; padding: .75rem }
@media print { body { margin: 0; max-width: none } pre { background: none; border: 1px solid #888 } }
</style>
</head>
<body>
<h1>Recovery kit of {{.Server}}</h1>
<p>Version {{.Version}}, made {{.Made.Format "2006-01-02 15:04"}} UTC by {{.By}}.</p>
<p><strong>Whoever has this can read your backups.</strong> Keep it locked away, and not where the backups are. With it they are restored without the server.
Make a new one when repositories were added or moved.</p>
{{with .Keys}}<section>
<h2>The server itself</h2>
<p>{{$.ServerHelp}}</p>
<pre>{{range $.ServerCommands}}{{.}}
{{end}}</pre>
</section>
{{end}}{{range .Entries}}<section>
<h2>Repository {{.Name}} <small>of project {{.Project}}</small></h2>
<dl>
<dt>Location</dt><dd><code>{{.Location}}</code></dd>
<dt>Password</dt><dd><code>{{.Password}}</code></dd>
{{range .Settings}}<dt>{{.Title}}</dt><dd>{{if .Value}}<code>{{.Value}}</code>{{else}}{{.Shown}}{{end}}</dd>
{{end}}</dl>
<p>In a terminal, with <a href="https://restic.net">restic</a>:</p>
<pre>{{range .Commands "restic"}}{{.}}
{{end}}</pre>
<p>Or with backstay, in the same way:</p>
<pre>{{range .Commands "backstay"}}{{.}}
{{end}}</pre>
</section>
{{else}}<p>There is no repository yet.</p>
{{end}}</body>
</html>
`))
