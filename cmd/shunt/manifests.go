package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/cli"
	"shunt/config"
	"shunt/manifest"
	"shunt/plan"
)

// files are the manifests that a verb reads. It is a flag that may be repeated.
type files []string

func (f *files) Set(path string) error { *f = append(*f, path); return nil }
func (f *files) String() string        { return strings.Join(*f, ",") }
func (f *files) Type() string          { return "file" }

func (f *files) bind(fs *pflag.FlagSet) {
	fs.VarP(f, "filename", "f", "read Kubernetes manifests from this YAML or JSON file, - for standard input; repeatable")
}

// inFolder returns the manifests in a folder, by name and, if recursive is set,
// in its folders; nil if path is not a folder. Hidden files and folders are left
// out.
func inFolder(path string, recursive bool) ([]string, error) {
	if st, err := os.Stat(path); path == "-" || err != nil || !st.IsDir() {
		return nil, nil // reading it says what is wrong
	}
	found := []string{}
	err := filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(entry.Name(), ".") && at != path
		switch {
		case err != nil:
			return err
		case entry.IsDir() && at != path && (hidden || !recursive):
			return fs.SkipDir
		case entry.Type().IsRegular() && !hidden && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(at)):
			found = append(found, at)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, &config.InputError{Err: fmt.Errorf("read folder: %w", err)}
	case len(found) == 0:
		return nil, &config.InputError{Err: fmt.Errorf("no file ends in .yaml, .yml or .json in %s: -R looks into its folders, too", path)}
	}
	return found, nil
}

// readValid returns what all files hold. A document that is not valid is an
// error.
func (f files) readValid(s *system) (*manifest.Set, error) {
	set, err := f.read(s)
	if err == nil {
		err = set.Err()
	}
	return set, err
}

// read returns what all files hold, and in it what is not valid.
func (f files) read(s *system) (*manifest.Set, error) {
	set := &manifest.Set{}
	for _, path := range f {
		if err := readManifest(set, path, s); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func readManifest(set *manifest.Set, path string, s *system) error {
	if path == "-" {
		return set.Read(s.stdinName(), s.stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err
		}
		return &config.InputError{Err: fmt.Errorf("open %s: %w", path, err)}
	}
	defer f.Close() // only read from
	return set.Read(path, f)
}

// workloads are the manifests for which a verb computes the configuration.
type workloads struct {
	files
	name   string
	mode   string
	assume bool
}

func (w *workloads) bind(fs *pflag.FlagSet) {
	w.files.bind(fs)
	bindAssume(fs, &w.assume)
	fs.StringVar(&w.name, "workload", "", "with -f, this `workload` only: my-app, deploy/my-app or shop/Deployment/my-app")
	cli.Choice(fs, &w.mode, "mode", "", "with -f, what the injector works with: an init container, where annotations replace settings, or the plugin, where inbound skip ports add", string(config.ModeInit), string(config.ModeCNI))
}

// bindAssume defines --assume-injected.
func bindAssume(fs *pflag.FlagSet, assume *bool) {
	fs.BoolVar(assume, "assume-injected", false, "assume that Namespaces that are not in the files ask for a proxy")
}

// check refuses flags that have no meaning without -f, or with it.
func (w *workloads) check(fs *pflag.FlagSet) error {
	for _, name := range []string{"workload", "mode", "assume-injected"} {
		if w.files == nil && fs.Changed(name) {
			return cli.BadFlag(name, "it applies to manifests: give -f as well")
		}
	}
	if w.files != nil && fs.Changed("annotations-file") {
		return cli.BadFlag("annotations-file", "it cannot be combined with -f: give one of them")
	}
	return nil
}

// selected is a workload, and what its pods get.
type selected struct {
	*manifest.Object
	manifest.Injection
	*resolved // nil if it is not injected
}

// resolve reads the manifests, and computes what the workloads get: the one
// that is named, or every one, or if only is set the only one.
func (w *workloads) resolve(r *request, only bool) ([]selected, *manifest.Set, error) {
	log, err := r.openLog()
	if err != nil {
		return nil, nil, err
	}
	given, err := r.settings.Read(r.sys.lookupEnv, r.sys.stdin)
	if err != nil {
		return nil, nil, err
	}
	set, err := w.readValid(r.sys)
	if err != nil {
		return nil, nil, err
	}
	set.AssumeInjected = w.assume
	chosen := set.Workloads()
	if only || w.name != "" {
		one, err := set.Find(w.name)
		if err != nil {
			return nil, nil, err
		}
		chosen = []*manifest.Object{one}
	}
	var out []selected
	for _, o := range chosen {
		s := selected{Object: o, Injection: set.Injection(o)}
		if s.Injected {
			cfg, warnings, err := set.Resolve(given, o, config.Mode(w.mode))
			if err != nil {
				return nil, nil, &config.InputError{Err: fmt.Errorf("%s: %s: %w", o.File, o, err)}
			}
			for _, warning := range warnings {
				log.Warn(warning, "workload", o.String())
			}
			s.resolved = &resolved{cfg: cfg, plan: plan.Build(cfg), log: log}
		}
		out = append(out, s)
	}
	return out, set, nil
}

// one returns the request of a verb that looks at one namespace: that of the flags,
// or with -f that of the workload that is named, or of the only one.
func (w *workloads) one(cmd *cobra.Command, r *request) (*resolved, error) {
	if err := w.check(cmd.Flags()); err != nil {
		return nil, err
	}
	if w.files == nil {
		return r.resolve()
	}
	list, _, err := w.resolve(r, true)
	if err != nil {
		return nil, err
	}
	if s := &list[0]; !s.Injected {
		return nil, &config.InputError{Err: fmt.Errorf("%s: its pods get no rules to compare with, because it is not injected: %s", s.Object, strings.Join(s.Not, "; "))}
	}
	return list[0].resolved, nil
}

// skipped names the objects of kinds that are not read.
func skipped(set *manifest.Set) []string {
	names := []string{}
	for _, o := range set.Others {
		names = append(names, o.String())
	}
	return names
}

// skippedText counts them as well, and names some; not says what was not done with
// them.
func skippedText(set *manifest.Set, not string) string {
	names := skipped(set)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("without a pod template, %s (%d): %s\n", not, len(names), someOf(names))
}

// someOf lists at most ten names.
func someOf(names []string) string {
	const most = 10
	if n := len(names); n > most {
		names = append(slices.Clip(names[:most]), fmt.Sprintf("and %d more", n-most))
	}
	return plan.Printable(strings.Join(names, ", "))
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
