package sms

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sid   = "AC0123456789abcdef0123456789abcdef"
	token = "token-3f9a8b7c"
	// created is Twilio's answer, from the documentation of its Messages resource.
	created = `{"account_sid":"` + sid + `","api_version":"2010-04-01","body":"Hi","date_created":"Thu, 24 Aug 2023 05:01:45 +0000","direction":"outbound-api",` +
		`"error_code":null,"error_message":null,"from":"+15557122661","num_media":"0","num_segments":"1","price":null,"price_unit":null,` +
		`"sid":"SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"queued","to":"+15558675310","uri":"/2010-04-01/Accounts/` + sid + `/Messages/SM.json"}`
)

var ref = regexp.MustCompile(`#[0-9a-f]{8}$`)

// benchOf returns what opens a bench of a kind, whose texts arrive in a field of a form.
func benchOf(p notify.Provider, v settings.Values, field string) func(t *testing.T, mood notifytest.Mood) notifytest.Bench {
	return func(t *testing.T, mood notifytest.Mood) notifytest.Bench {
		r := notifytest.NewReceiver(t, mood, created, "api.twilio.com", "sms.example")
		given := settings.Values{"ca-certificate": r.CA}
		for name, value := range v {
			given[name] = value
		}
		checked, err := settings.Check(p.Fields, given)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Open(checked, r.Env)
		if err != nil {
			t.Fatal(err)
		}
		return notifytest.Bench{Channel: c, Short: true, Secrets: []string{token, base64.StdEncoding.EncodeToString([]byte("SK01:" + token))},
			Received: func() (all []notifytest.Received) {
				for _, request := range r.Requests() {
					text := formOf(t, request).Get(field)
					if n := widthGSM(text); n > maxGSM || n == 0 {
						t.Errorf("the text %q takes %d places", text, n)
					}
					all = append(all, notifytest.Received{ID: ref.FindString(text), Text: text, Header: request.Header, Size: request.Size()})
				}
				return all
			}}
	}
}

func formOf(t *testing.T, r notifytest.Request) url.Values {
	t.Helper()
	values, err := url.ParseQuery(string(r.Body))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("the body is no form: %v", err)
	}
	return values
}

var (
	twilioValues = settings.Values{"account": sid, "user": "SK01", "token": token, "from": "+15557122661", "to": "+15558675310"}
	formValues   = settings.Values{"url": "https://sms.example/send?key=" + token, "to": "0049 151 1", "authorization": "Bearer " + token,
		"form": "apikey=" + token + "\nnumber={to}\n\nmessage={text}\nref={id}\nconst=a=b {x}\n"}
)

func TestTwilio(t *testing.T) { notifytest.Run(t, benchOf(Twilio, twilioValues, "Body")) }

func TestForm(t *testing.T) { notifytest.Run(t, benchOf(Form, formValues, "message")) }

// send sends one message and returns the request that came of it.
func send(t *testing.T, p notify.Provider, v settings.Values, answer string) (notifytest.Request, error) {
	t.Helper()
	r := notifytest.NewReceiver(t, notifytest.Takes, answer, "api.twilio.com", "api.dublin.ie1.twilio.com", "sms.example")
	given := settings.Values{"ca-certificate": r.CA}
	for name, value := range v {
		given[name] = value
	}
	checked, err := settings.Check(p.Fields, given)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Open(checked, r.Env)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), notifytest.Message("m1"))
	if len(r.Requests()) != 1 {
		t.Fatalf("%d requests arrived: %v", len(r.Requests()), err)
	}
	return r.Requests()[0], err
}

func TestTwilioIsAskedAsItsDocumentationSays(t *testing.T) {
	r, err := send(t, Twilio, twilioValues, created)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := (&http.Request{Header: r.Header}).BasicAuth()
	if r.Method != "POST" || r.Host != "api.twilio.com" || r.Path != "/2010-04-01/Accounts/"+sid+"/Messages.json" || user != "SK01" || password != token {
		t.Errorf("%s https://%s%s of %s", r.Method, r.Host, r.Path, user)
	}
	form := formOf(t, r)
	want := url.Values{"To": {"+15558675310"}, "From": {"+15557122661"}, "Body": {"ERROR: Backup of db failed m1 https://backstay.example/runs/1?a=b&c=d (Shop) #ca0df2c9"}}
	if form.Encode() != want.Encode() {
		t.Errorf("the form is %v, want %v", form, want)
	}
}

func TestTwilioTakesAMessagingServiceAndTheTokenOfTheAccount(t *testing.T) {
	v := settings.Values{"account": sid, "token": token, "from": "MG01", "to": "+15558675310", "url": "https://api.dublin.ie1.twilio.com/"}
	r, err := send(t, Twilio, v, created)
	if err != nil {
		t.Fatal(err)
	}
	user, _, _ := (&http.Request{Header: r.Header}).BasicAuth()
	if form := formOf(t, r); form.Get("MessagingServiceSid") != "MG01" || form.Has("From") || user != sid || r.Host != "api.dublin.ie1.twilio.com" {
		t.Errorf("the form for %s is %v of %s", r.Host, form, user)
	}
}

func TestATextThatTwilioTookAndFailedIsRefused(t *testing.T) {
	failed := strings.NewReplacer(`"queued"`, `"failed"`, `"error_code":null`, `"error_code":30005`).Replace(created)
	if _, err := send(t, Twilio, twilioValues, failed); !errors.Is(err, notify.ErrRefused) || !strings.Contains(err.Error(), "30005") {
		t.Errorf("Send = %v, want ErrRefused with the code", err)
	}
	if _, err := send(t, Twilio, twilioValues, "<html>welcome</html>"); err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send to something else = %v, want an error", err)
	}
}

func TestAFormIsFilledInAsItsTemplatesSay(t *testing.T) {
	r, err := send(t, Form, formValues, "")
	if err != nil {
		t.Fatal(err)
	}
	form := formOf(t, r)
	want := url.Values{"apikey": {token}, "number": {"0049 151 1"}, "ref": {"ca0df2c9"}, "const": {"a=b {x}"},
		"message": {"ERROR: Backup of db failed m1 https://backstay.example/runs/1?a=b&c=d (Shop) #ca0df2c9"}}
	if form.Encode() != want.Encode() || r.Header.Get("Authorization") != "Bearer "+token || r.Query != "key="+token {
		t.Errorf("the form is %v, want %v", form, want)
	}
}

func TestSettingsThatCannotBeRightAreNamedAndNotShown(t *testing.T) {
	for _, c := range []struct {
		p            notify.Provider
		v            settings.Values
		field, value string
	}{
		{Twilio, twilioValues, "account", "AC../../x" + token}, {Twilio, twilioValues, "to", "0151"}, {Twilio, twilioValues, "url", "http://api.twilio.com"},
		{Twilio, twilioValues, "url", "https://api.twilio.com/" + token}, {Twilio, twilioValues, "ca-certificate", token},
		{Form, formValues, "url", "sms.example/" + token}, {Form, formValues, "url", "https://u:" + token + "@sms.example/"}, {Form, formValues, "form", "a=" + token},
		{Form, formValues, "form", "m={text}\n" + token}, {Form, formValues, "ca-certificate", token},
	} {
		v := settings.Values{}
		for name, value := range c.v {
			v[name] = value
		}
		v[c.field] = c.value
		checked, err := settings.Check(c.p.Fields, v)
		if err == nil {
			_, err = c.p.Open(checked, notifytest.Env(notifytest.Takes, ""))
		}
		var wrong *settings.Error
		if !errors.As(err, &wrong) || wrong.Field.Name != c.field || strings.Contains(err.Error(), token) {
			t.Errorf("open with %s %q = %v, want a *settings.Error of it without the value", c.field, c.value, err)
		}
	}
}

func TestATextIsOneShortMessage(t *testing.T) {
	long := strings.Repeat("word ", 40)
	for _, c := range []struct{ name, subject, project, link, want string }{
		{"all of it", "Backup failed", "Shop", "https://b.example/1", "ERROR: Backup failed https://b.example/1 (Shop) #ca0df2c9"},
		{"no project", "Backup failed", "", "", "ERROR: Backup failed #ca0df2c9"},
		{"a long subject is cut and the link left out", long, "Shop", "https://b.example/1",
			"ERROR: " + long[:133] + "... (Shop) #ca0df2c9"},
		{"quotes and dashes of print", "“Näïve” – backup…", "", "", `ERROR: "Näive" - backup... #ca0df2c9`},
		{"accents that the alphabet has not", "Žluťoučký kůň", "", "", "ERROR: Zlutoucky kun #ca0df2c9"},
		{"signs that the alphabet has not", "Backup 💾 failed ✗", "", "", "ERROR: Backup  failed  #ca0df2c9"},
		{"another script is kept", "Резервная копия", "", "", "ERROR: Резервная копия #ca0df2c9"},
		{"another script is cut at 70", strings.Repeat("копия ", 20), "", "https://b.example/1", "ERROR: копия копия копия копия копия копия копия копия ко... #ca0df2c9"},
		{"signs that take two places", strings.Repeat("€", 100), "", "", "ERROR: " + strings.Repeat("€", 70) + "... #ca0df2c9"},
		{"a long project", "Backup failed", strings.Repeat("p", 100), "", "ERROR: Backup failed (" + strings.Repeat("p", 37) + "...) #ca0df2c9"},
	} {
		m := notify.Message{ID: "m1", Severity: "error", Subject: c.subject, Project: c.project, Link: c.link}
		got := text(m)
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
		if gsm, ok := toGSM(got); ok && gsm == got && widthGSM(got) > maxGSM || !ok && widthUTF16(got) > maxUTF16 {
			t.Errorf("%s: %q is too long", c.name, got)
		}
	}
}

func TestTheAlphabetIsThatOfGSM(t *testing.T) {
	if n := len([]rune(alphabet)); n != 127 { // 128 places, one of which is the escape to the extension
		t.Errorf("the alphabet has %d characters", n)
	}
	for c, want := range map[string]int{"a": 1, "€": 2, "ç": 0, "Ç": 1, "@": 1, "ß": 1, "[": 2, "`": 0, "š": 0} {
		if got := widthGSM(c); got != want {
			t.Errorf("widthGSM(%q) = %d, want %d", c, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("Backup failed", "Shop", "https://x.example/")
	f.Add("Ре😀‍👩", "ž€[", "")
	f.Fuzz(func(t *testing.T, subject, project, link string) {
		got := text(notify.Message{ID: "m", Severity: "critical", Subject: subject, Project: project, Link: link}.Clean())
		gsm := true
		for _, r := range got {
			gsm = gsm && widthGSM(string(r)) > 0
		}
		if gsm && widthGSM(got) > maxGSM || !gsm && widthUTF16(got) > maxUTF16 || !strings.HasSuffix(got, "#62c66a7a") {
			t.Errorf("text = %q, %d and %d places", got, widthGSM(got), widthUTF16(got))
		}
	})
}
