package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"shunt/cli"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/plan"
	"shunt/redirect"
)

// verb is one command: its name and what makes it. Only the verb that was
// called is made, because making all of them doubles the start-up.
type verb struct {
	name  string
	short string
	make  func(*system) *cobra.Command
}

func verbs() []verb {
	return []verb{
		{"init", "apply the rules in a network namespace, and verify them", newInit},
		{"plan", "print the rules that would be applied", newPlan},
		{"explain", "say which rule decides one connection, and why", newExplain},
		{"lint", "find what is wrong in Kubernetes manifests", newLint},
		{"status", "show one namespace at a glance, and what to do", newStatus},
		{"diff", "compare the live rules with the plan", newDiff},
		{"clear", "remove the rules", newClear},
		{"validate", "say whether connections are redirected", newValidate},
		{"version", "print the version", newVersion},
	}
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, s system) int {
	root := newRoot(&s)
	root.SetArgs(s.args)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	fmt.Fprintln(s.stderr, errorLine(called, err))
	if errors.As(err, new(notValid)) {
		return exitNotValid
	}
	if rejected(err) || slices.Contains([]string{"diff", "lint", "status"}, called.Name()) {
		return exitRejected
	}
	return exitFailed
}

// exitStatus ends a verb with a status and no message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// rejected reports whether the error shows that nothing was touched: wrong
// input, no such namespace, a missing capability or command.
func rejected(err error) bool {
	return config.IsInput(err) || redirect.IsUntouched(err) &&
		(errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, iptables.ErrMissingCommand) || errors.Is(err, fs.ErrNotExist) ||
			errors.Is(err, netns.ErrNotNamespace) || errors.Is(err, redirect.ErrHost))
}

// newRoot returns the command with the verb that the arguments name, or all
// verbs where they name none (help, completion, a misspelt verb).
func newRoot(s *system) *cobra.Command {
	help := cli.Help{Width: func() int { return cli.Width(s.stdout) }, Variable: s.variable}
	switch s.role {
	case proxyInit:
		return help.Bind(cli.Finish(newInit(s)))
	case networkValidator:
		return help.Bind(cli.Finish(newValidate(s)))
	}
	root := &cobra.Command{
		Use:   "shunt",
		Short: "shunt redirects a pod's TCP traffic through its sidecar proxy",
		Long:  rootHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(args[0])
		},
	}
	list := verbs()
	if s.role == kubectlPlugin || s.role == kubectlCompletion {
		list = pluginVerbs()
		root.Use, root.Short, root.Long = "kubectl-shunt", "see what shunt does to the connections of pods", pluginHelp
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl shunt"}
		root.CompletionOptions.DisableDefaultCmd = true // kubectl completes its plugins' words
	}
	if s.role == kubectlCompletion {
		s.args = append([]string{cobra.ShellCompRequestCmd}, s.args...)
	}
	if len(s.args) > 0 {
		if i := slices.IndexFunc(list, func(v verb) bool { return v.name == s.args[0] }); i >= 0 {
			list = list[i : i+1]
		}
	}
	for _, v := range list {
		cmd := cli.Finish(v.make(s))
		cmd.Short = v.short
		root.AddCommand(cmd)
	}
	if len(list) == 1 {
		root.CompletionOptions.DisableDefaultCmd = true
	} else {
		cli.NameShells(root)
	}
	root.SetHelpCommand(newHelp(root))
	cli.BindVersion(root, "shunt", versionString(), s.stdout)
	if cli.Completing(s.args) {
		s.complete(root)
	}
	return help.Bind(cli.Finish(root))
}

// variable returns the environment variable that a flag also is, if it is one.
func (s *system) variable(flag string) string {
	setting, ok := config.Find(config.Settings(), flag)
	if !ok || setting.Name != flag || (s.role == proxyInit || s.role == networkValidator) {
		return ""
	}
	return setting.Env()
}

func unknownCommand(name string) error {
	hint := "see shunt help"
	if guess := config.Suggest(name, verbNames()); guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	}
	return &config.InputError{Err: fmt.Errorf("unknown command %q: %s", name, hint)}
}

func verbNames() []string {
	names := []string{"help", "completion"}
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	return names
}

// errorLine returns an error on one line, safe to print. It names the verb,
// unless the program was called under a name that has none.
func errorLine(called *cobra.Command, err error) string {
	text := strings.ReplaceAll(strings.TrimSpace(message(err)), "\n", "; ")
	return called.CommandPath() + ": " + plan.Printable(text)
}

func newHelp(root *cobra.Command) *cobra.Command {
	return cli.Finish(&cobra.Command{
		Use:       "help [command]",
		Short:     "explain a command",
		Args:      cobra.ArbitraryArgs,
		ValidArgs: verbNames(),
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(args[0])
			}
			return cmd.Help()
		},
	})
}

const rootHelp = `shunt redirects a pod's TCP traffic through its sidecar proxy: it computes one
set of rules from flags and files, and holds it in the pod's network namespace
with nftables or iptables.

Examples:
  shunt plan -o table                              the standard rules, explained
  shunt plan --skip-outbound-ports 3306,5432       rules text, for nft -f
  shunt plan -f app.yaml -o table                  what the pods of manifests get
  shunt explain outbound --to 10.0.0.5:3306        what becomes of one connection
  shunt lint -f app.yaml                           what is wrong in manifests
  shunt init --skip-outbound-ports 3306            apply, in a pod's init container
  shunt status --netns /run/netns/pod1             how a pod's namespace stands
  shunt diff --netns /run/netns/pod1               what differs from the plan
  shunt clear --netns /run/netns/pod1              remove everything of shunt's
  shunt validate                                   are connections redirected?
  shunt version                                    which shunt this is
  source <(shunt completion bash)                  flags and verbs with the tab key`

// hidden leaves flags out of --help.
func hidden(fs *pflag.FlagSet, names ...string) {
	for _, n := range names {
		fs.Lookup(n).Hidden = true
	}
}
