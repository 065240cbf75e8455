package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"shunt/cni"
	"shunt/config"
)

// logFlags are Linkerd's flags for the log.
type logFlags struct {
	format, level string
}

func (l *logFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&l.format, "log-format", "plain", "format of the log: plain or json")
	fs.StringVar(&l.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
}

// logger returns the log. Under Linkerd's names it goes to standard output,
// as Linkerd's does; otherwise that is for the product alone.
func (l *logFlags) logger(s *system) (*slog.Logger, error) {
	level, known := parseLevel(l.level)
	// Linkerd's validator takes a filter for parts of its program, too
	// (linkerd=debug): for other programs that is no level.
	if !known && s.role != networkValidator {
		return nil, &config.InputError{Err: fmt.Errorf("flag --log-level: invalid value %q: want debug, info, warn or error", l.level)}
	}
	var to io.Writer = s.stderr
	if s.role != commandLine {
		to = s.stdout
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: cni.UTC}
	if l.format == "json" {
		return slog.New(slog.NewJSONHandler(to, opts)), nil
	}
	// An unknown format is plain, as it is in Linkerd.
	return slog.New(slog.NewTextHandler(to, opts)), nil
}

// parseLevel reads a level by the names that logrus, Linkerd's log, has.
func parseLevel(name string) (level slog.Level, known bool) {
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

// warnAll logs remarks on the configuration, one line each.
func warnAll(ctx context.Context, log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.WarnContext(ctx, w)
	}
}
