package main

import (
	"slices"

	"github.com/spf13/cobra"

	"shunt/cli"
	"shunt/lint"
	"shunt/manifest"
)

// complete says how a shell completes the values of flags.
func (s *system) complete(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Flags().Lookup("workload") != nil {
			_ = cmd.RegisterFlagCompletionFunc("workload", s.completeWorkload)
		}
		if cmd.Name() == "lint" {
			_ = cmd.RegisterFlagCompletionFunc("explain", completeRule)
		}
	}
	cli.Complete(root)
}

// completeWorkload names the workloads of the files that stand on the line.
func (s *system) completeWorkload(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	given, _ := cmd.Flag("filename").Value.(*files)
	set := &manifest.Set{}
	paths := slices.Clone(*given)
	slices.Sort(paths) // cobra parses the line twice
	for _, path := range slices.Compact(paths) {
		if path != "-" { // nobody has typed it yet
			_ = readManifest(set, path, nil) // what can be read is better than nothing
		}
	}
	return set.Names(), cobra.ShellCompDirectiveNoFileComp
}

func completeRule(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var ids []cobra.Completion
	for _, r := range lint.Rules() {
		ids = append(ids, cobra.CompletionWithDesc(r.ID, r.Why))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
