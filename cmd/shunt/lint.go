package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"shunt/cli"
	"shunt/config"
	"shunt/lint"
	"shunt/manifest"
	"shunt/plan"
)

// lintRun is one call of `shunt lint`.
type lintRun struct {
	sys       *system
	files     files
	recursive bool
	format    string
	release   string
	assumed   bool // the release was not given
	severity  string
	strict    bool
	ignores   string
	rules     bool
	rule      string
	assume    bool
}

// The formats that lint alone has.
const (
	formatSARIF  = "sarif"
	formatGitHub = "github"
)

// ignoresFile silences findings where lint is called.
const ignoresFile = ".shunt-lint.yaml"

func newLint(s *system) *cobra.Command {
	r := &lintRun{sys: s}
	cmd := &cobra.Command{
		Use:   "lint [FILE|FOLDER|-]... [flags]",
		Short: "find what is wrong in Kubernetes manifests",
		Long: `Find mistakes in Kubernetes manifests of workloads that Linkerd injects:
annotations that are misspelt or have no effect, skip lists and opaque ports
that contradict each other, ports on which protocol detection stalls, network
policies that block the proxy, Jobs that never complete. Each finding says
what to write instead. The exit status is 0 without findings of --severity or
worse, 1 with some, 2 for trouble. No cluster is asked.

A finding is silenced, with a reason, by a comment on its line or above it
(# shunt-lint:ignore RULE: reason), by an annotation of its object
(shunt/lint-ignore: "RULE: reason; RULE: reason"), or in .shunt-lint.yaml:

  ignore:
  - {rule: RULE, reason: why, files: [pattern], objects: [Deployment shop/web]}`,
		Example: `  shunt lint app.yaml charts/out/
  shunt lint -R .
  helm template ./chart | shunt lint --severity warning -
  shunt lint -R . -o sarif > shunt.sarif
  shunt lint --explain server-speaks-first`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.files = append(r.files, args...)
			r.assumed = !cmd.Flags().Changed("linkerd-version")
			return r.run()
		},
	}
	flags := cmd.Flags()
	r.files.bind(flags)
	flags.BoolVarP(&r.recursive, "recursive", "R", false, "read the files in folders of folders, too")
	bindAssume(flags, &r.assume)
	cli.BindOutput(flags, &r.format, "what is printed; sarif is version 2.1.0, github commands of a workflow", formatText, formatJSON, formatSARIF, formatGitHub)
	cli.Choice(flags, &r.severity, "severity", "", "the least severity that makes the exit status 1", string(lint.Error), string(lint.Warning), string(lint.Note))
	flags.BoolVar(&r.strict, "strict", false, "the same as --severity warning")
	flags.StringVar(&r.release, "linkerd-version", lint.DefaultRelease, "`release` of Linkerd whose defaults apply, such as 2.19 or edge-26.8.1")
	flags.StringVar(&r.ignores, "ignore-file", "", "`file` that silences findings (default "+ignoresFile+", if there is one)")
	flags.BoolVar(&r.rules, "rules", false, "list the rules, and read nothing")
	flags.StringVar(&r.rule, "explain", "", "say what this `rule` is about, and read nothing")
	return cmd
}

func (r *lintRun) run() error {
	if r.strict && r.severity == string(lint.Error) {
		r.severity = string(lint.Warning)
	}
	release, err := lint.ParseRelease(r.release)
	if err != nil {
		return cli.BadFlag("linkerd-version", "%w", err)
	}
	switch {
	case r.rules:
		return r.listRules()
	case r.rule != "":
		return r.explainRule()
	case r.files == nil:
		return &config.InputError{Err: errors.New("nothing to read: give files or folders, or - for standard input")}
	}
	ignores, err := r.readIgnores()
	if err != nil {
		return err
	}
	set, foreign, err := r.read()
	if err != nil {
		return err
	}
	set.AssumeInjected = r.assume
	findings, silenced := lint.Check(set, release, ignores...)
	if r.sys.role == kubectlPlugin {
		for _, f := range findings {
			f.Line = 0 // what kubectl answers has no lines that anybody sees
		}
	}
	if err := r.write(set, findings, silenced, foreign, release); err != nil {
		return err
	}
	if lint.AtLeast(findings, lint.Severity(r.severity)) > 0 {
		return exitStatus(exitFailed)
	}
	return nil
}

// read returns what the files and folders hold, and the number of files and
// documents in folders that are not meant to be Kubernetes objects: a chart's
// values and templates.
func (r *lintRun) read() (set *manifest.Set, foreign int, err error) {
	set = &manifest.Set{}
	for _, path := range r.files {
		found, err := inFolder(path, r.recursive)
		if err != nil {
			return nil, 0, err
		}
		if found == nil {
			if err := readManifest(set, path, r.sys); err != nil {
				return nil, 0, err
			}
		}
		for _, path := range found {
			before := len(set.Broken)
			switch err := readManifest(set, path, r.sys); {
			case errors.Is(err, manifest.ErrNoObject):
				foreign++
			case err != nil:
				return nil, 0, err
			}
			kept := set.Broken[:before]
			for _, b := range set.Broken[before:] {
				if b.Foreign {
					foreign++
				} else {
					kept = append(kept, b)
				}
			}
			set.Broken = kept
		}
	}
	return set, foreign, nil
}

func (r *lintRun) readIgnores() ([]lint.Ignore, error) {
	path := r.ignores
	if path == "" {
		path = ignoresFile
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && r.ignores == "" {
		return nil, nil
	}
	if err != nil {
		return nil, cli.BadFlag("ignore-file", "%w", err)
	}
	defer f.Close() // only read from
	ignores, err := lint.ReadIgnores(f)
	if err != nil {
		return nil, &config.InputError{Err: fmt.Errorf("%s: %w", path, err)}
	}
	return ignores, nil
}

func (r *lintRun) write(set *manifest.Set, findings []*lint.Finding, silenced, foreign int, release lint.Release) error {
	switch r.format {
	case formatSARIF:
		return lint.WriteSARIF(r.sys.stdout, findings, versionString())
	case formatGitHub:
		return lint.WriteGitHub(r.sys.stdout, findings)
	case formatJSON:
		return writeJSON(r.sys.stdout, struct {
			Findings []*lint.Finding `json:"findings"`
			Silenced int             `json:"silenced"`
			Linkerd  string          `json:"linkerd"` // the release line
			Files    int             `json:"files"`
			Objects  int             `json:"objects"` // that were checked
			Skipped  []string        `json:"skipped"`
			Unknown  []string        `json:"unknown"` // whether they are injected
		}{append([]*lint.Finding{}, findings...), silenced, release.String(), len(set.Files), len(set.Objects), skipped(set), unknown(set)})
	}
	if err := lint.WriteText(r.sys.stdout, findings); err != nil {
		return err
	}
	assumed := ""
	if r.assumed {
		assumed = " (assumed: --linkerd-version)"
	}
	_, err := fmt.Fprintf(r.sys.stdout, "errors: %d, warnings: %d, notes: %d, silenced: %d; objects: %d, files: %d; Linkerd %s%s\n%s",
		lint.Count(findings, lint.Error), lint.Count(findings, lint.Warning), lint.Count(findings, lint.Note), silenced,
		len(set.Objects), len(set.Files), release, assumed, skippedText(set, "only their annotations and labels checked"))
	if names := unknown(set); err == nil && len(names) > 0 {
		_, err = fmt.Fprintf(r.sys.stdout, "not known whether injected, checked as if not (%d): %s: their Namespaces are not in the files (--assume-injected)\n", len(names), someOf(names))
	}
	if err == nil && foreign > 0 {
		_, err = fmt.Fprintf(r.sys.stdout, "not Kubernetes objects, such as a chart's values and templates (%d): not checked\n", foreign)
	}
	return err
}

// unknown names the workloads of which nothing says whether they are injected.
func unknown(set *manifest.Set) []string {
	names := []string{}
	for _, w := range set.Workloads() {
		if set.Injection(w).Unknown && !set.AssumeInjected {
			names = append(names, w.String())
		}
	}
	return names
}

func (r *lintRun) listRules() error {
	t := tabwriter.NewWriter(r.sys.stdout, 0, 0, 2, ' ', 0)
	for _, rule := range lint.Rules() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", rule.ID, rule.Severity, rule.Why)
	}
	return t.Flush()
}

// explainRule writes a rule's page.
func (r *lintRun) explainRule() error {
	var ids []string
	for _, rule := range lint.Rules() {
		if rule.ID == r.rule {
			_, err := fmt.Fprint(r.sys.stdout, rule.Page())
			return err
		}
		ids = append(ids, rule.ID)
	}
	hint := "want one of " + strings.Join(ids, ", ")
	if guess := config.Suggest(r.rule, ids); guess != "" {
		hint = "did you mean " + guess + "?"
	}
	return cli.BadFlag("explain", "unknown rule %s: %s", plan.Printable(r.rule), hint)
}
