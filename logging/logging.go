// Package logging is the log of shunt's programs: its flags, its levels and its
// times. The log is log/slog's, in text or JSON.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"shunt/config"
)

// The formats of the log.
const (
	Plain = "plain"
	JSON  = "json"
)

// Flags are the flags for the log, under Linkerd's names.
type Flags struct {
	Format, Level string
}

// Bind defines the flags.
func (f *Flags) Bind(fs *pflag.FlagSet) {
	f.Format, f.Level = Plain, "info"
	fs.Var(word{&f.Format, "plain|json"}, "log-format", "format of the log")
	fs.Var(word{&f.Level, "debug|info|warn|error"}, "log-level", "least level that is logged")
}

// word is a flag's value: any, so that Open can pass for what Linkerd's programs
// take.
type word struct {
	text *string
	kind string // the usual ones
}

func (w word) Set(text string) error { *w.text = text; return nil }
func (w word) String() string        { return *w.text }
func (w word) Type() string          { return w.kind }

// Open returns the log that the flags ask for. The error is an InputError.
func (f *Flags) Open(to io.Writer) (*slog.Logger, error) {
	level, known := ParseLevel(f.Level)
	if !known {
		return nil, &config.InputError{Err: fmt.Errorf("flag --log-level: invalid value %s: want debug, info, warn or error", config.Quote(f.Level))}
	}
	switch f.Format {
	case Plain:
		return New(to, level), nil
	case JSON:
		return slog.New(slog.NewJSONHandler(to, options(level))), nil
	}
	return nil, &config.InputError{Err: fmt.Errorf("flag --log-format: invalid value %s: want plain or json", config.Quote(f.Format))}
}

// New returns a log in text.
func New(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, options(level)))
}

// options put times in UTC: for the local zone every run would read a file,
// which an empty image does not have.
func options(level slog.Level) *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}
}

// ParseLevel reads a level by the names that logrus, the log of Linkerd's
// programs in Go, has.
func ParseLevel(name string) (level slog.Level, known bool) {
	switch strings.ToLower(name) {
	case "trace", "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn", "warning":
		return slog.LevelWarn, true
	case "error", "fatal", "panic":
		return slog.LevelError, true
	}
	return 0, false
}

// FilterLevel returns the level of a filter, as Linkerd's programs in Rust
// take one: of linkerd=debug,warn the first.
func FilterLevel(filter string) string {
	first, _, _ := strings.Cut(filter, ",")
	if _, level, found := strings.Cut(first, "="); found {
		return level
	}
	return first
}
