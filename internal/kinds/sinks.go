package kinds

import (
	"fmt"
	"slices"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/internal/sink/hook"
	"github.com/backstay/backstay/internal/sink/syslog"
	"github.com/backstay/backstay/settings"
)

// Sinks lists every kind of sink of the audit trail.
func Sinks() []sink.Provider {
	return []sink.Provider{
		syslog.Provider,
		hook.Provider,
	}
}

// OpenSink returns the sink of a kind for settings that are as they were given. Of the options it needs Clock, Rand and Guard, which says which
// addresses may be reached. The error is a *settings.Error if it is about one of the settings.
func OpenSink(kind string, v settings.Values, opt Options) (sink.Sink, error) {
	opt = opt.withDefaults()
	i := slices.IndexFunc(Sinks(), func(p sink.Provider) bool { return p.Kind == kind })
	if i < 0 {
		return nil, fmt.Errorf("there is no kind of audit sink %q", kind)
	}
	p := Sinks()[i]
	v, err := settings.Check(p.Fields, v)
	if err == nil && opt.Guard != nil && v[syslog.Transport.Name] == syslog.Unix {
		err = &settings.Error{Field: syslog.Transport, Why: "a socket of the server's own machine is for those who may reach all of it"}
	}
	if err != nil {
		return nil, fmt.Errorf("open audit sink of kind %q: %w", kind, err)
	}
	s, err := p.Open(v, notify.Env{Clock: opt.Clock, Rand: opt.Rand, Hostname: hostname(), Dial: opt.dial()})
	if err != nil {
		return nil, fmt.Errorf("open audit sink of kind %q: %w", kind, err)
	}
	return s, nil
}
