package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/config"
)

// Finish sets what is the same for every command: errors are the program's to
// print, no usage text follows them, and flags stand in the order in which they
// were defined. A command that says nothing else takes no arguments.
func Finish(cmd *cobra.Command) *cobra.Command {
	cmd.SilenceErrors = true
	cmd.SilenceUsage = true
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().SortFlags = false
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return config.FlagError(c.Flags(), err) })
	if cmd.Args == nil {
		cmd.Args = noArgs
	}
	return cmd
}

// noArgs refuses arguments with a hint at how values are given.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &config.InputError{Err: fmt.Errorf("unexpected argument %s: values belong to flags: see %s --help", config.Quote(args[0]), cmd.CommandPath())}
}

// BadFlag is the error of a flag's value.
func BadFlag(flag, format string, args ...any) error {
	return &config.InputError{Err: fmt.Errorf("flag --"+flag+": "+format, args...)}
}

// BindOutput defines -o, the format of what is printed. The first of the
// formats is the default.
func BindOutput(fs *pflag.FlagSet, format *string, about string, formats ...string) {
	Choice(fs, format, "output", "o", about, formats...)
}

// Choice defines a flag that takes one of several words. The first is the
// default.
func Choice(fs *pflag.FlagSet, to *string, name, letter, about string, words ...string) {
	*to = words[0]
	fs.VarP(&choice{to, words}, name, letter, about)
}

// choice is the value of such a flag.
type choice struct {
	chosen *string
	words  []string
}

// Set takes a word. config.FlagError says which it could have been.
func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("not one of %s", c.Type())
	}
	*c.chosen = word
	return nil
}

func (c *choice) String() string { return *c.chosen }

// Type returns the words as --help shows them.
func (c *choice) Type() string { return strings.Join(c.words, "|") }
