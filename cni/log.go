package cni

import (
	"log/slog"

	"shunt/config"
	"shunt/logging"
)

// openLog returns the log that the network configuration asks for: standard
// error, which runtimes keep when the plugin succeeds, and log_file. A log
// that cannot be had is no reason to keep a pod from starting: it is a
// warning in the other.
func (r *run) openLog(c *netConf) *slog.Logger {
	level, known := slog.LevelInfo, true
	if c.logLevel != "" {
		if level, known = logging.ParseLevel(c.logLevel); !known {
			level = slog.LevelInfo
		}
	}
	to := r.stderr
	var err error
	if c.logFile != "" {
		var file *logFile
		if file, err = startLogFile(c.logFile); err == nil {
			to = tee{file, r.stderr}
			r.logFile.Store(file)
		}
	}
	log := logging.New(to, level)
	if !known {
		log.Warn("network configuration: log_level is not known, so info is taken: want debug, info, warn or error", "log_level", clip(c.logLevel))
	}
	if err != nil {
		log.Warn(logFileUnused, "error", err)
	}
	return log
}

const logFileUnused = "network configuration: log_file is not used"

// closeLog ends the log. What it finds wrong with log_file goes to standard
// error.
func (r *run) closeLog() {
	file := r.logFile.Swap(nil)
	if file == nil {
		return
	}
	if err := file.end(); err != nil {
		logging.New(r.stderr, slog.LevelWarn).Warn(logFileUnused, "error", err)
	}
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
