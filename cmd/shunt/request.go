package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"shunt/config"
	"shunt/logging"
	"shunt/plan"
	"shunt/redirect"
)

// request is what every verb that computes rules takes: the settings, and
// how to log.
type request struct {
	sys         *system
	settings    *config.Flags
	logs        logging.Flags
	annotations string
}

// bind defines the request's flags on a verb.
func (r *request) bind(cmd *cobra.Command, s *system) {
	r.sys = s
	names := config.ShuntNames
	if s.role == proxyInit {
		names = config.LinkerdNames
	}
	r.settings = config.BindFlags(cmd.Flags(), names)
	cmd.Flags().StringVar(&r.annotations, "annotations-file", "", "merge the pod annotations in this downward API `file`")
	r.logs.Bind(cmd.Flags())
}

// openLog opens the log, and warns of variables that were probably meant.
func (r *request) openLog() (*slog.Logger, error) {
	log, err := r.sys.openLog(&r.logs)
	if err == nil && r.sys.role == commandLine {
		warnAll(log, config.MisspeltVariables(r.sys.environ))
	}
	return log, err
}

// resolved is a request after everything was read and checked.
type resolved struct {
	cfg  config.Config
	plan plan.Plan
	log  *slog.Logger
}

// resolve reads the layers, validates, and builds the plan. Its errors are
// input errors: nothing was touched.
func (r *request) resolve() (*resolved, error) {
	log, err := r.openLog()
	if err != nil {
		return nil, err
	}
	cfg, err := r.settings.Load(r.sys.lookupEnv, r.sys.stdin)
	if err != nil {
		return nil, err
	}
	if r.annotations != "" {
		if cfg, err = mergeAnnotations(cfg, r.annotations); err != nil {
			return nil, err
		}
	}
	warnings, err := cfg.Validate()
	if err != nil {
		return nil, err
	}
	warnAll(log, warnings)
	return &resolved{cfg, plan.Build(cfg), log}, nil
}

func mergeAnnotations(cfg config.Config, path string) (config.Config, error) {
	file, err := os.Open(path)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = ": is the downward API volume with metadata.annotations mounted there?"
		}
		return cfg, &config.InputError{Err: fmt.Errorf("flag --annotations-file: %w%s", err, hint)}
	}
	defer file.Close() // only read from
	pod, err := config.ReadAnnotations(file)
	if err != nil {
		return cfg, &config.InputError{Err: fmt.Errorf("file %s: %w", path, err)}
	}
	return config.MergeAnnotations(cfg, pod, nil, config.ModeInit)
}

// rules opens the target namespace and returns the rules that are asked for in
// it, and what closes it.
func (r *resolved) rules(t *target) (rules *redirect.Rules, done func(), err error) {
	ns, err := t.open()
	if err != nil {
		return nil, nil, err
	}
	rules = redirect.Open(ns, r.cfg, redirect.Options{
		Version: versionString(), Log: r.log, Locks: lockFolder, HostNetwork: t.host,
	})
	return rules, func() { _ = ns.Close() }, nil
}

// warnAll logs remarks on the configuration, one line each.
func warnAll(log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.Warn(w)
	}
}
