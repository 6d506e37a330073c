package s3_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage/s3"
)

func TestLocationsAreReadAsResticReadsThem(t *testing.T) {
	for rest, want := range map[string]settings.Values{
		"s3.amazonaws.com/bucket":                    {"endpoint": "s3.amazonaws.com", "bucket": "bucket"},
		"s3.amazonaws.com/bucket/":                   {"endpoint": "s3.amazonaws.com", "bucket": "bucket"},
		"s3.eu-central-1.amazonaws.com/bucket/a/b":   {"endpoint": "s3.eu-central-1.amazonaws.com", "bucket": "bucket", "prefix": "a/b"},
		"//host/bucket/prefix":                       {"endpoint": "host", "bucket": "bucket", "prefix": "prefix"},
		"//host:9000/bucket/a/b/":                    {"endpoint": "host:9000", "bucket": "bucket", "prefix": "a/b"},
		"host:9000/bucket/a//b/./c":                  {"endpoint": "host:9000", "bucket": "bucket", "prefix": "a/b/c"},
		"host/bucket/with%20and space":               {"endpoint": "host", "bucket": "bucket", "prefix": "with%20and space"},
		"[::1]:9000/bucket":                          {"endpoint": "[::1]:9000", "bucket": "bucket"},
		"https://host/bucket":                        {"endpoint": "https://host", "bucket": "bucket"},
		"https://host:9000/bucket/a/b/":              {"endpoint": "https://host:9000", "bucket": "bucket", "prefix": "a/b"},
		"http://127.0.0.1:9000/bucket/a%20b":         {"endpoint": "http://127.0.0.1:9000", "bucket": "bucket", "prefix": "a b"},
		"http://[::1]:9000/bucket":                   {"endpoint": "http://[::1]:9000", "bucket": "bucket"},
		"https://KEY@host/bucket":                    {"endpoint": "https://host", "bucket": "bucket", "access-key-id": "KEY"},
		"https://KEY:a%2Fb%40c@host:9000/bucket/dir": {"endpoint": "https://host:9000", "bucket": "bucket", "prefix": "dir", "access-key-id": "KEY", "secret-access-key": "a/b@c"},
		"httpbin/bucket":                             {"endpoint": "httpbin", "bucket": "bucket"},
		"host/bucket/../x":                           {"endpoint": "host", "bucket": "bucket", "prefix": "../x"}, // which can't be opened
	} {
		got, err := s3.Provider.Parse(rest)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", rest, map[string]string(got), err, map[string]string(want))
		}
	}
}

func TestLocationsThatSayTooLittleAreRefusedWithoutShowingThem(t *testing.T) {
	for _, rest := range []string{"", "/", "//", "bucket", "host/", "host//prefix", "//host", "///bucket", "https://", "https://host", "https://host/",
		"https:///bucket", "https://host//prefix", "https://host/bucket?x=hidden", "https://host/bucket#hidden", "https://KEY:hidden/secret@host/bucket",
		"http://host:port/bucket/hidden", "https://host/bucket/%zzhidden", "KEY:hidden@host/bucket", "https://[::1/bucket/hidden"} {
		if v, err := s3.Provider.Parse(rest); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", rest, map[string]string(v))
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("Parse(%q) = %v, which shows what may be secret", rest, err)
		}
	}
}

func TestSettingsThatDontFitAreNamedBeforeAnyConnection(t *testing.T) {
	for _, c := range []struct {
		want string // in the error
		v    settings.Values
	}{
		{`"prefix"`, settings.Values{"prefix": "../x"}},
		{`"prefix"`, settings.Values{"prefix": "/x"}},
		{`"prefix"`, settings.Values{"prefix": "a//b"}},
		{`"bucket"`, settings.Values{"bucket": "no"}},
		{`"bucket"`, settings.Values{"bucket": "a..b"}},
		{`"endpoint"`, settings.Values{"endpoint": "ftp://host"}},
		{`"endpoint"`, settings.Values{"endpoint": "https://host/path"}},
		{`"secret-access-key"`, settings.Values{"access-key-id": "x"}},
		{`"access-key-id"`, settings.Values{"secret-access-key": "x"}},
		{`"object-lock-days"`, settings.Values{"object-lock": "compliance"}},
		{`"object-lock"`, settings.Values{"object-lock-days": "3"}},
		{`"object-lock-days"`, settings.Values{"object-lock": "compliance", "object-lock-days": "9999999999"}},
		{`"object-lock"`, settings.Values{"object-lock": "COMPLIANCE", "object-lock-days": "3"}},
		{`"kms-key-id"`, settings.Values{"kms-key-id": "x"}},
		{`"encryption"`, settings.Values{"encryption": "aes"}},
		{`"ca-certificate"`, settings.Values{"ca-certificate": "-----BEGIN CERTIFICATE-----\nx"}},
		{`"bucket-lookup"`, settings.Values{"bucket-lookup": "x"}},
	} {
		v := settings.Values{"endpoint": "host", "bucket": "bucket"}
		maps.Copy(v, c.v)
		err := openValues(v)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("open with %v = %v, want an error about %s", map[string]string(c.v), err, c.want)
		}
	}
}

func openValues(v settings.Values) error {
	v, err := settings.Check(s3.Provider.Fields, v)
	if err != nil {
		return err
	}
	_, err = s3.Provider.Open(v, env())
	return err
}

func TestEveryFieldCanBeUnderstood(t *testing.T) {
	for _, f := range s3.Provider.Fields {
		if f.Title == "" || !strings.HasSuffix(f.Help, ".") {
			t.Errorf("field %q has the title %q and the help %q, want both, and a sentence", f.Name, f.Title, f.Help)
		}
		if secret := strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "token"); secret && f.Kind != settings.Secret {
			t.Errorf("field %q is of kind %q, want a secret", f.Name, f.Kind)
		}
	}
}
