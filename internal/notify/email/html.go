package email

import (
	"html/template"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/notify"
)

// page is simple on purpose: mail programs understand little, and nothing is loaded from anywhere. Colours are readable on white (4.5:1).
var page = template.Must(template.New("").Funcs(template.FuncMap{"colour": colour, "upper": strings.ToUpper, "string": asString}).Parse(
	`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font-family:sans-serif;font-size:16px;color:#1a1a1a;background:#ffffff;max-width:40em;margin:1em">
<p style="margin:0;color:{{colour .Severity}}"><b>{{upper (string .Severity)}}</b></p>
<h1 style="font-size:20px;margin:0 0 1em">{{.Subject}}</h1>
{{with .Text}}<p style="white-space:pre-wrap">{{.}}</p>
{{end}}{{if .Facts}}<table style="border-collapse:collapse">
{{range .Facts}}<tr><th scope="row" style="text-align:left;padding:2px 16px 2px 0">{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}</table>
{{end}}{{with .Link}}<p><a href="{{.}}">Show it in Backstay</a></p>
{{end}}<p style="color:#595959;font-size:14px">Backstay · {{.Project}} · {{.Time.UTC.Format "2006-01-02 15:04 UTC"}} · #{{.Ref}}</p>
</body></html>
`))

// html returns the message as a page.
func html(m notify.Message) (string, error) {
	var b strings.Builder
	err := page.Execute(&b, m)
	return b.String(), err
}

func colour(s backstay.Severity) template.CSS {
	switch s {
	case backstay.SeverityCritical, backstay.SeverityError:
		return "#b00020"
	case backstay.SeverityWarning:
		return "#8a5300"
	}
	return "#00629b"
}

func asString(s backstay.Severity) string { return string(s) }
