package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// maxListed is how many messages a digest tells of one by one.
const maxListed = 100

// maxLine is how long the subject of each may be there, so that all of them go into one text.
const maxLine = 120

// Digest returns one message that tells of several, oldest first. Where they are of several projects each line says of which. Its ID follows from theirs. One message alone stays as it is.
func Digest(messages []Message, now time.Time) Message {
	if len(messages) == 1 {
		return messages[0]
	}
	sorted := slices.SortedStableFunc(slices.Values(messages), func(a, b Message) int { return a.Time.Compare(b.Time) })
	d := Message{ID: digestID(sorted), Event: "digest", Severity: backstay.SeverityInfo, Time: now}
	count := map[backstay.Severity]int{}
	events, projects := map[string]int{}, map[string]bool{}
	for _, m := range messages {
		projects[m.Clean().Project] = true
	}
	var text strings.Builder
	for i, m := range sorted {
		m = m.Clean()
		count[m.Severity]++
		events[m.Event]++
		if m.Severity.AtLeast(d.Severity) {
			d.Severity = m.Severity
		}
		if i < maxListed {
			subject := m.Subject
			if len(projects) > 1 {
				subject = m.Project + ": " + subject
			}
			fmt.Fprintf(&text, "%s  %s  %s\n", m.Time.UTC().Format("2006-01-02 15:04 UTC"), strings.ToUpper(string(m.Severity)), Cut(subject, maxLine))
		}
	}
	if more := len(sorted) - maxListed; more > 0 {
		fmt.Fprintf(&text, "and %d more\n", more)
	}
	d.Project = Cut(strings.Join(slices.Sorted(maps.Keys(projects)), ", "), maxSubject)
	d.Subject, d.Text = fmt.Sprintf("%d messages: %s", len(sorted), counted(count)), text.String()
	for _, name := range slices.Sorted(maps.Keys(events)) {
		d.Facts = append(d.Facts, Fact{Name: name, Value: fmt.Sprint(events[name])})
	}
	return d
}

// digestID returns an ID that is the same for the same messages.
func digestID(messages []Message) string {
	h := sha256.New()
	for _, m := range messages {
		h.Write(fmt.Appendf(nil, "%q", m.ID))
	}
	return "digest-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// counted tells how many there are of each severity, the worst first.
func counted(count map[backstay.Severity]int) string {
	var parts []string
	for _, s := range []backstay.Severity{backstay.SeverityCritical, backstay.SeverityError, backstay.SeverityWarning, backstay.SeverityInfo} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	return strings.Join(parts, ", ")
}
