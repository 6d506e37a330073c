package kinds

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
)

func TestEveryKindOfChannelTellsWhatItIs(t *testing.T) {
	var kinds []string
	for _, p := range Channels() {
		if p.Title == "" || p.Open == nil || slices.Contains(kinds, p.Kind) {
			t.Errorf("channel %q: title %q", p.Kind, p.Title)
		}
		kinds = append(kinds, p.Kind)
		for _, f := range p.Fields {
			if f.Title == "" || f.Help == "" || f.Local || f.Kind == settings.Choice && !slices.Contains(f.Choices, f.Default) {
				t.Errorf("channel %q: field %+v", p.Kind, f)
			}
		}
	}
}

func TestAChannelThatCannotBeOpenedIsToldOf(t *testing.T) {
	if _, err := OpenChannel("pigeon", nil, Options{}); err == nil || !strings.Contains(err.Error(), `"pigeon"`) {
		t.Errorf("OpenChannel = %v", err)
	}
	_, err := OpenChannel("webhook", settings.Values{"url": "https://h/", "secret": "hidden"}, Options{})
	var wrong *settings.Error
	if !errors.As(err, &wrong) || wrong.Field.Name != "secret" || strings.Contains(err.Error(), "hidden") {
		t.Errorf("OpenChannel = %v, want an error about the secret", err)
	}
	if _, err := OpenChannel("webhook", settings.Values{}, Options{}); !errors.As(err, &wrong) || wrong.Field.Name != "url" {
		t.Errorf("OpenChannel = %v, want an error about the url", err)
	}
}
