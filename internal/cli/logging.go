package cli

import (
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
)

// logging is the flags that say what is logged, and how.
type logging struct{ level, format string }

func (l *logging) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.level, "log-level", "info", "least `LEVEL` that is logged: debug, info, warn or error")
	cmd.Flags().StringVar(&l.format, "log-format", "", "`FORMAT` of the log on standard error: json, or text with local times (default text on a terminal, else json)")
}

// open returns the log that writes to w.
func (l logging) open(cmd *cobra.Command, w io.Writer) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(l.level)); err != nil {
		return nil, usageError(cmd, "there is no log level %q", l.level)
	}
	switch {
	case l.format == "text", l.format == "" && isTerminal(w):
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least, ReplaceAttr: localTime})), nil
	case l.format == "json", l.format == "":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), nil
	}
	return nil, usageError(cmd, "there is no log format %q: it is json or text", l.format)
}

// localTime shows the time of a line as a clock on the wall does.
func localTime(groups []string, a slog.Attr) slog.Attr {
	if t, ok := a.Value.Any().(time.Time); ok && len(groups) == 0 && a.Key == slog.TimeKey {
		a.Value = slog.StringValue(t.Local().Format("2006-01-02 15:04:05"))
	}
	return a
}
