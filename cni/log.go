package cni

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shunt/config"
)

// openLog returns the log that the network configuration asks for: standard
// error, which runtimes keep when the plugin succeeds, and log_file. A log
// that cannot be had is no reason to keep a pod from starting: it is a
// warning in the other.
func (r *run) openLog(c *netConf) *slog.Logger {
	level, known := slog.LevelInfo, true
	if c.logLevel != "" {
		if level, known = r.Level(c.logLevel); !known {
			level = slog.LevelInfo
		}
	}
	to := r.stderr
	file, err := openLogFile(c.logFile)
	if err == nil && file != nil {
		to = io.MultiWriter(file, r.stderr)
	}
	log := newLogger(to, level)
	if !known {
		log.Warn("network configuration: log_level is not known, so info is taken: want debug, info, warn or error", "log_level", clip(c.logLevel))
	}
	if err != nil {
		log.Warn("network configuration: log_file is not used", "error", err)
	}
	return log
}

// newLogger returns a log that tells the time in UTC: for the node's own zone
// every run would read a file.
func newLogger(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{
		Level:       level,
		ReplaceAttr: UTC,
	}))
}

// UTC is for slog.HandlerOptions.ReplaceAttr: it puts a line's time in UTC, which
// spares the reading of the local time zone.
func UTC(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// openLogFile opens a log to append to, and makes it if there is none; nil
// for no path. The plugin is root and the folder may be somebody else's, so a
// link to another file is refused, and so is a file that root does not own.
func openLogFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s: want an absolute path", quoted(path))
	}
	// O_NONBLOCK: opening a pipe must not wait for its reader.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(path, flags, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		err = fmt.Errorf("look at %s: %w", path, err)
		_ = unix.Close(fd)
		return nil, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s is not a plain file", path)
	case st.Uid != 0:
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s belongs to user %d: want a file of root's", path, st.Uid)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// logSources says at debug level what every setting is that somebody set, and
// where it came from.
func (c *call) logSources(cfg config.Config) {
	for _, s := range config.Settings() {
		if source, set := cfg.Sources[s.Name]; set {
			c.log.Debug("setting", "name", s.Name, "value", s.Get(&cfg), "source", string(source))
		}
	}
}
