package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shunt/lint"
	"shunt/manifest"
)

// lintRun is one call of `shunt lint`.
type lintRun struct {
	sys     *system
	files   files
	format  string
	release string
	strict  bool
}

const formatSARIF = "sarif"

func newLint(s *system) *cobra.Command {
	r := &lintRun{sys: s}
	cmd := &cobra.Command{
		Use:   "lint -f FILE [flags]",
		Short: "find what is wrong in Kubernetes manifests",
		Long: `Find mistakes in Kubernetes manifests of workloads that Linkerd injects:
annotations that are misspelt or have no effect, skip lists and opaque ports
that contradict each other, ports on which protocol detection stalls, network
policies that block the proxy, Jobs that never complete. Each finding says
what to write instead. The exit status is 0 without errors, 1 with some (with
--strict, warnings count too), 2 for trouble. No cluster is asked.`,
		Example: `  shunt lint -f app.yaml
  helm template ./chart | shunt lint --strict -f -
  shunt lint -f app.yaml -o sarif > shunt.sarif`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return r.run() },
	}
	fs := cmd.Flags()
	r.files.bind(fs)
	bindFormat(fs, &r.format, "text", "text, json or sarif (2.1.0)")
	fs.BoolVar(&r.strict, "strict", false, "let warnings count as errors for the exit status")
	fs.StringVar(&r.release, "linkerd-version", lint.DefaultRelease, "`release` of Linkerd whose defaults hold: 2.10 or later")
	return cmd
}

func (r *lintRun) run() error {
	if err := checkFormat(r.format, "text", formatJSON, formatSARIF); err != nil {
		return err
	}
	release, err := lint.ParseRelease(r.release)
	if err != nil {
		return badFlag("linkerd-version", "%w", err)
	}
	if r.files == nil {
		return badFlag("filename", "there is nothing to read: give -f FILE, or -f - for standard input")
	}
	set, err := r.files.read(r.sys)
	if err != nil {
		return err
	}
	findings := lint.Check(set, release)
	errors, warnings := lint.Count(findings, lint.Error), lint.Count(findings, lint.Warning)
	switch r.format {
	case formatSARIF:
		err = lint.WriteSARIF(r.sys.stdout, findings, versionString())
	case formatJSON:
		err = writeJSON(r.sys.stdout, struct {
			Findings []*lint.Finding `json:"findings"`
			Objects  int             `json:"objects"` // that were checked
			Skipped  []string        `json:"skipped"`
		}{append([]*lint.Finding{}, findings...), len(set.Objects), skipped(set)})
	default:
		err = r.writeText(set, findings, errors, warnings)
	}
	if err == nil && (errors > 0 || r.strict && warnings > 0) {
		err = exitStatus(exitFailed)
	}
	return err
}

func (r *lintRun) writeText(set *manifest.Set, findings []*lint.Finding, errors, warnings int) error {
	if err := lint.WriteText(r.sys.stdout, findings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.sys.stdout, "errors: %d, warnings: %d, notes: %d, in objects: %d\n%s",
		errors, warnings, len(findings)-errors-warnings, len(set.Objects), skippedText(set))
	return err
}
