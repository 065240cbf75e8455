package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/config"
)

// Completing reports whether a shell asks the program to complete a line.
func Completing(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// NameShells gives the command that prints completion scripts an error of the
// program's kind where no shell, or an unknown one, is named.
func NameShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Short = "print a script that completes commands and flags in a shell"
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(*cobra.Command, []string) error {
			return &config.InputError{Err: fmt.Errorf("which shell? want bash, zsh, fish or powershell, as in source <(%s completion bash)", root.Name())}
		}
	}
}

// Complete says of a command and those below it how a shell completes the
// values of their flags: words that are given as choices, files where a file is
// meant, and else nothing. Flags that have a completion keep it.
func Complete(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		placeholder, _ := pflag.UnquoteUsage(f)
		switch {
		case strings.Contains(placeholder, "|"):
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(strings.Split(placeholder, "|"), cobra.ShellCompDirectiveNoFileComp))
		case placeholder == "file", placeholder == "folder", placeholder == "":
		default:
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	})
	if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, "FILE") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		Complete(sub)
	}
}
