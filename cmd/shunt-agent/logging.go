package main

import (
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// logFlags are the flags for the log.
type logFlags struct {
	format, level string
}

func (l *logFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&l.format, "log-format", "plain", "format of the log: plain or json")
	fs.StringVar(&l.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
}

// logger returns the log. Its times are in UTC: a scratch image has no time
// zones.
func (l *logFlags) logger(to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	switch strings.ToLower(l.level) {
	case "trace", "debug":
		level = slog.LevelDebug
	case "info":
	case "warn", "warning":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, input("flag --log-level: invalid value %q: want debug, info, warn or error", l.level)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			a.Value = slog.TimeValue(a.Value.Time().UTC().Truncate(time.Millisecond))
		}
		return a
	}}
	switch l.format {
	case "json":
		return slog.New(slog.NewJSONHandler(to, opts)), nil
	case "plain":
		return slog.New(slog.NewTextHandler(to, opts)), nil
	}
	return nil, input("flag --log-format: invalid value %q: want plain or json", l.format)
}
