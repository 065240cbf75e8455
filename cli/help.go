package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// Help is how a program prints its help.
type Help struct {
	// Width returns the columns that lines fit into; 0: as long as they are.
	Width func() int
	// Variable returns the environment variable that a flag also is; such flags
	// are listed apart, as settings. "": the flag is none.
	Variable func(flag string) string
}

// Width returns the columns of the terminal that w is, or 0 if it is none.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// Bind has a command, and those below it, print their help like this.
func (h Help) Bind(root *cobra.Command) *cobra.Command {
	root.SetUsageFunc(func(c *cobra.Command) error { return h.usage(c.OutOrStdout(), c) })
	return root
}

// usage writes all of a command's help but its first paragraphs.
func (h Help) usage(w io.Writer, c *cobra.Command) error {
	use := c.UseLine()
	if c.HasAvailableSubCommands() {
		use = c.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(w, "Usage:\n  %s\n", use)
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nCommands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(w, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	flags, settings, variables := h.apart(c.LocalFlags())
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", flags.FlagUsagesWrapped(h.Width()))
	}
	if settings.HasAvailableFlags() {
		fmt.Fprintf(w, "\nSettings:\n%s", settings.FlagUsagesWrapped(h.Width()))
		fmt.Fprint(w, "\nVariables:\n")
		fill(w, variables, cmp.Or(h.Width(), 80))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s COMMAND --help says more about one.\n", c.CommandPath())
	}
	return nil
}

// apart returns the flags that are settings, with the names of their
// variables, and the others.
func (h Help) apart(all *pflag.FlagSet) (flags, settings *pflag.FlagSet, variables []string) {
	flags, settings = &pflag.FlagSet{}, &pflag.FlagSet{}
	flags.SortFlags, settings.SortFlags = false, false
	all.VisitAll(func(f *pflag.Flag) {
		to := flags
		if name := h.Variable(f.Name); name != "" {
			to, variables = settings, append(variables, name)
		}
		to.AddFlag(f)
	})
	return flags, settings, variables
}

// fill writes words in lines that are indented and at most so wide.
func fill(w io.Writer, words []string, width int) {
	line := " "
	for _, word := range words {
		if len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = " "
		}
		line += " " + word
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}
